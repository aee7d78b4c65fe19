"""Operators as lines of PyTorch: a table, one function an operator, each giving an expression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.graph import Array, Graph, GraphError, Node

TABLE: dict[str, Callable[[Line], str]] = {}


@dataclass(frozen=True)
class Line:
    """One node that is written.

    Parameters
    ----------
    node, graph : it, and where it stands.
    args : an expression for each operand; "" for one that is left out.
    shape : its shape as text, with the batch's size as a name where it is one.
    """

    node: Node
    graph: Graph
    args: tuple[str, ...]
    shape: str

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.node.attrs.get(name, default)

    def constant(self, index: int) -> Array | None:
        """The array of an operand that is a weight."""
        return self.graph.weights.get(self.node.inputs[index]) if index < len(self.node.inputs) else None

    def numbers(self, name: str, index: int) -> list[int] | None:
        """Whole numbers that are an operand, or were an attribute in older files."""
        found = self.constant(index)
        if found is None:
            return None if self.attr(name) is None else [int(v) for v in np.atleast_1d(self.attr(name))]
        return [int(v) for v in found.reshape(-1)]

    def of(self, index: int) -> tuple[int, ...]:
        """Shape of an operand."""
        name = self.node.inputs[index]
        held = self.graph.weights.get(name)
        return self.graph[name].shape if held is None else held.shape

    def refuse(self, why: str) -> GraphError:
        """What is raised where there is no line for it."""
        return GraphError(f"{self.node.describe()} cannot be written in PyTorch: {why}")


def line(*ops: str) -> Callable[[Callable[[Line], str]], Callable[[Line], str]]:
    """Register a function for operators."""

    def register(function: Callable[[Line], str]) -> Callable[[Line], str]:
        TABLE.update(dict.fromkeys(ops, function))
        return function

    return register


def expression(told: Line) -> str:
    """The node as an expression.

    Raises
    ------
    GraphError
        An operator, or a way to use it, that is not in the table.
    """
    if told.node.op not in TABLE:
        raise told.refuse("there is no line for this operator")
    return TABLE[told.node.op](told)


for _op, _form in {
    "Relu": "F.relu({0})", "Sigmoid": "torch.sigmoid({0})", "Tanh": "torch.tanh({0})", "Exp": "torch.exp({0})",
    "Log": "torch.log({0})", "Sqrt": "torch.sqrt({0})", "Sin": "torch.sin({0})", "Cos": "torch.cos({0})",
    "Abs": "torch.abs({0})", "Neg": "-{0}", "Erf": "torch.erf({0})", "Reciprocal": "1 / {0}", "Sign": "torch.sign({0})",
    "Softplus": "F.softplus({0})", "Mish": "F.mish({0})", "Selu": "F.selu({0})", "HardSwish": "F.hardswish({0})",
    "Identity": "{0}", "Dropout": "{0}", "Add": "{0} + {1}", "Sub": "{0} - {1}", "Mul": "{0} * {1}",
    "Div": "{0} / {1}", "MatMul": "{0} @ {1}", "Pow": "torch.pow({0}, {1})", "Where": "torch.where({0}, {1}, {2})",
}.items():  # fmt: skip
    TABLE[_op] = lambda told, form=_form: form.format(*told.args)  # type: ignore[misc]


@line("LeakyRelu", "Elu", "Celu")
def _(t: Line) -> str:
    name = {"LeakyRelu": "leaky_relu", "Elu": "elu", "Celu": "celu"}[t.node.op]
    return f"F.{name}({t.args[0]}, {t.attr('alpha', 0.01 if name == 'leaky_relu' else 1.0)!r})"


@line("Gelu")
def _(t: Line) -> str:
    return f"F.gelu({t.args[0]}, approximate={t.attr('approximate', 'none')!r})"


@line("Swish")
def _(t: Line) -> str:
    alpha = t.attr("alpha", 1.0)
    return f"F.silu({t.args[0]})" if alpha == 1 else f"{t.args[0]} * torch.sigmoid({alpha!r} * {t.args[0]})"


@line("HardSigmoid")
def _(t: Line) -> str:
    return f"torch.clamp({t.attr('alpha', 0.2)!r} * {t.args[0]} + {t.attr('beta', 0.5)!r}, 0, 1)"


@line("Clip")
def _(t: Line) -> str:
    given = (*t.args[1:], "", "")[:2]
    ends = [a or repr(t.attr(k)) for a, k in zip(given, ("min", "max"), strict=True)]
    return f"torch.clamp({t.args[0]}, {ends[0]}, {ends[1]})"


@line("Max", "Min")
def _(t: Line) -> str:
    name, found = ("torch.maximum" if t.node.op == "Max" else "torch.minimum"), t.args[0]
    for other in t.args[1:]:
        found = f"{name}({found}, {other})"
    return found


@line("Softmax")
def _(t: Line) -> str:
    if t.attr("flatten"):
        raise t.refuse("it runs over several axes at once")
    return f"torch.softmax({t.args[0]}, {int(t.attr('axis', -1))})"


# ---------------------------------------------------------------- weights, windows, norms


@line("Gemm")
def _(t: Line) -> str:
    a, b, c = (*t.args, "")[:3]
    alpha, beta = t.attr("alpha", 1.0), t.attr("beta", 1.0)
    if (alpha, beta, t.attr("transA", 0), t.attr("transB", 0)) == (1, 1, 0, 1) and (
        not c or len(t.of(2)) == 1
    ):
        return f"F.linear({a}, {b}{f', {c}' if c else ''})"
    product = f"{a}{'.T' * t.attr('transA', 0)} @ {b}{'.T' * t.attr('transB', 0)}"
    product = product if alpha == 1 else f"{alpha!r} * ({product})"
    return product if not c else f"{product} + {c if beta == 1 else f'{beta!r} * {c}'}"


def _window(t: Line, rank: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    if t.attr("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise t.refuse("its padding is chosen by the size of its operand")
    one = (1,) * rank
    pads = tuple(t.attr("pads", (0,) * 2 * rank))
    return tuple(t.attr("strides", one)), pads, tuple(t.attr("dilations", one))


def _padded(x: str, pads: tuple[int, ...], value: str = "0.0") -> tuple[str, tuple[int, ...]]:
    """The operand and its symmetric padding: what is not symmetric is padded before."""
    rank = len(pads) // 2
    before, after = pads[:rank], pads[rank:]
    if before == after:
        return x, before
    ends = [n for pair in reversed(list(zip(before, after, strict=True))) for n in pair]
    return f"F.pad({x}, {ends}, value={value})", (0,) * rank


@line("Conv")
def _(t: Line) -> str:
    rank = len(t.of(1)) - 2
    strides, pads, dilations = _window(t, rank)
    x, even = _padded(t.args[0], pads)
    bias = (*t.args, "")[2] or "None"
    return (
        f"F.conv{rank}d({x}, {t.args[1]}, {bias}, {strides}, {even}, {dilations}, {int(t.attr('group', 1))})"
    )


@line("ConvTranspose")
def _(t: Line) -> str:
    rank = len(t.of(1)) - 2
    strides, pads, dilations = _window(t, rank)
    if pads[:rank] != pads[rank:] or t.attr("output_shape"):
        raise t.refuse("its padding is not symmetric")
    more, bias = tuple(t.attr("output_padding", (0,) * rank)), (*t.args, "")[2] or "None"
    return (
        f"F.conv_transpose{rank}d({t.args[0]}, {t.args[1]}, {bias}, {strides}, {pads[:rank]}, {more}, "
        f"{int(t.attr('group', 1))}, {dilations})"
    )


@line("MaxPool")
def _(t: Line) -> str:
    kernel = tuple(t.attr("kernel_shape"))
    strides, pads, dilations = _window(t, len(kernel))
    x, even = _padded(t.args[0], pads, "float('-inf')")
    return f"F.max_pool{len(kernel)}d({x}, {kernel}, {strides}, {even}, {dilations}, {bool(t.attr('ceil_mode', 0))})"


@line("AveragePool")
def _(t: Line) -> str:
    kernel = tuple(t.attr("kernel_shape"))
    strides, pads, dilations = _window(t, len(kernel))
    rank, counted = len(kernel), bool(t.attr("count_include_pad", 0))
    if pads[:rank] != pads[rank:] or set(dilations) != {1}:
        raise t.refuse("its windows are dilated, or its padding is not symmetric")
    rest = f"{strides}, {pads[:rank]}, {bool(t.attr('ceil_mode', 0))}, {counted}"
    return f"F.avg_pool{rank}d({t.args[0]}, {kernel}, {rest})"


@line("GlobalAveragePool")
def _(t: Line) -> str:
    return f"{t.args[0]}.mean({tuple(range(2, len(t.of(0))))}, keepdim=True)"


@line("BatchNormalization")
def _(t: Line) -> str:
    x, scale, bias, mean, variance = t.args
    return f"F.batch_norm({x}, {mean}, {variance}, {scale}, {bias}, eps={t.attr('epsilon', 1e-5)!r})"


@line("LayerNormalization")
def _(t: Line) -> str:
    inner = t.of(0)[t.attr("axis", -1) % len(t.of(0)) :]
    if t.of(1) != inner:
        raise t.refuse("its scale has another shape than what is normalised")
    bias = (*t.args, "")[2] or "None"
    return f"F.layer_norm({t.args[0]}, {inner}, {t.args[1]}, {bias}, {t.attr('epsilon', 1e-5)!r})"


@line("ReduceSum", "ReduceMean", "ReduceMax")
def _(t: Line) -> str:
    name = {"ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "amax"}[t.node.op]
    axes = t.numbers("axes", 1)
    over = tuple(range(len(t.of(0))) if axes is None else axes)
    return f"{t.args[0]}.{name}({over}, keepdim={bool(t.attr('keepdims', 1))})"


# ---------------------------------------------------------------- shapes


@line("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _(t: Line) -> str:
    return f"{t.args[0]}.reshape({t.shape})"


@line("Expand")
def _(t: Line) -> str:
    return f"torch.broadcast_to({t.args[0]}, {t.shape})"


@line("Transpose")
def _(t: Line) -> str:
    return f"{t.args[0]}.permute({tuple(t.attr('perm', range(len(t.of(0)))[::-1]))})"


@line("Concat")
def _(t: Line) -> str:
    return f"torch.cat([{', '.join(t.args)}], {int(t.attr('axis'))})"


@line("Split")
def _(t: Line) -> str:
    axis, at = int(t.attr("axis", 0)), int(t.attr("index", 0))
    whole = t.of(0)[axis]
    sizes = t.numbers("split", 1) or [-(-whole // t.attr("num_outputs", 1))] * t.attr("num_outputs", 1)
    return f"{t.args[0]}.narrow({axis}, {sum(sizes[:at])}, {t.node.shape[axis]})"


@line("Slice")
def _(t: Line) -> str:
    starts, ends, axes, steps = (
        t.numbers(k, i) for i, k in enumerate(("starts", "ends", "axes", "steps"), 1)
    )
    if starts is None or ends is None:
        raise t.refuse("where it starts and ends is computed")
    rank, found = len(t.of(0)), t.args[0]
    cuts, turned = [":"] * rank, list[tuple[int, list[int]]]()
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = (axes[i] if axes else i) % rank
        step, size = steps[i] if steps else 1, t.of(0)[axis]
        places = range(size)[slice(start, None if end < -size else end, step)]
        if step < 0:
            turned.append((axis, list(places)))
        else:
            cuts[axis] = (
                f"{places.start}:{places.stop}{f':{step}' if step > 1 else ''}"
                if places != range(size)
                else ":"
            )
    while cuts and cuts[-1] == ":":
        cuts.pop()
    found = f"{found}[{', '.join(cuts)}]" if cuts else found
    for axis, index in turned:
        found = f"{found}.index_select({axis}, torch.tensor({index}, device={t.args[0]}.device))"
    return found


@line("Gather")
def _(t: Line) -> str:
    axis, index = t.attr("axis", 0) % len(t.of(0)), t.constant(1)
    if index is None:
        if axis:
            raise t.refuse("its indices are computed")
        return f"F.embedding({t.args[1]}, {t.args[0]})"
    size = t.of(0)[axis]
    places = [int(i) % size for i in index.reshape(-1)]
    if not index.ndim:
        return f"{t.args[0]}.select({axis}, {places[0]})"
    chosen = f"{t.args[0]}.index_select({axis}, torch.tensor({places}, device={t.args[0]}.device))"
    return chosen if index.ndim == 1 else f"{chosen}.reshape({t.shape})"


@line("Pad")
def _(t: Line) -> str:
    pads, mode = t.numbers("pads", 1), t.attr("mode", "constant")
    axes = t.numbers("axes", 3)
    if pads is None or mode != "constant" or axes is not None:
        raise t.refuse("only constant borders of all axes are")
    rank = len(pads) // 2
    ends = [n for i in reversed(range(rank)) for n in (pads[i], pads[rank + i])]
    fill = t.constant(2)
    return f"F.pad({t.args[0]}, {ends}, value={0.0 if fill is None else float(fill.reshape(()))!r})"


@line("Cast")
def _(t: Line) -> str:
    return f"{t.args[0]}.to(torch.{t.node.dtype})"
