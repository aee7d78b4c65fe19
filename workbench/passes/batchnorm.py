"""BatchNormalization into the convolution or matrix product before it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np

from workbench.graph import Array, Graph, Node
from workbench.op import Call, as_float64
from workbench.ops.norm import scale_and_offset
from workbench.passes.prune import pruned
from workbench.semantics.plan import plan_of

BEFORE = ("Conv", "ConvTranspose", "Gemm")


def fold_batchnorm(graph: Graph) -> Graph:
    """Multiply the scale of a BatchNormalization into the kernel before it, where nothing else uses the product.

    The new weights are computed in float64 and rounded once to the kernel's type: the folded network is another one,
    close to the original but not equal to it.  Node and group keep the normalisation's name.
    """
    plan = plan_of(graph)
    weights = dict(graph.weights)
    nodes: dict[str, Node] = {n.name: n for n in graph.nodes}
    for norm in graph.nodes:
        source = nodes.get(norm.inputs[0]) if norm.op == "BatchNormalization" else None
        if source is None or source is not graph.by_name[source.name] or source.name in graph.outputs:
            continue  # a normalisation of what was just folded is left for another run
        if source.op not in BEFORE:
            continue
        calls = (plan.by_name[source.name].call, plan.by_name[norm.name].call)
        known = all(c.constant(i) is not None for c in calls for i in range(1, len(c.shapes)) if c.has(i))
        if graph.consumers[source.name] != (norm.name,) or not known:
            continue
        weight, bias = _folded(*calls)
        names = [_fresh(f"{norm.name}.{part}", weights, nodes) for part in ("weight", "bias")]
        weights |= dict(zip(names, (weight, bias), strict=True))
        attrs = {k: v for k, v in source.attrs.items() if k not in ("alpha", "beta")}
        nodes[norm.name] = replace(
            norm, op=source.op, inputs=(source.inputs[0], *names), attrs=MappingProxyType(attrs)
        )
        del nodes[source.name]
    return pruned(graph, list(nodes.values()), weights)


def _folded(source: Call, norm: Call) -> tuple[Array, Array]:
    """Kernel and bias of the product, in the kernel's type."""
    kernel, bias = source.constant(1), source.constant(2)
    assert kernel is not None
    scale, offset, _ = scale_and_offset(norm)
    w = as_float64(kernel)
    b = np.zeros_like(scale) if bias is None else as_float64(bias)
    if source.node.op == "Conv":
        w = w * scale.reshape(-1, *(1,) * (w.ndim - 1))
    elif source.node.op == "ConvTranspose":
        groups = int(source.attr("group", 1))
        parts = w.reshape(groups, -1, *w.shape[1:])
        w = (parts * scale.reshape(groups, 1, -1, *(1,) * (w.ndim - 2))).reshape(w.shape)
    else:
        w = w * source.attr("alpha", 1.0)
        w = w * scale[:, None] if source.attr("transB", 0) else w * scale
        b = b * source.attr("beta", 1.0)
    return w.astype(kernel.dtype), (b * scale + offset).astype(kernel.dtype)


def _fresh(name: str, *taken: dict[str, Array] | dict[str, Node]) -> str:
    while any(name in t for t in taken):
        name += "_"
    return name
