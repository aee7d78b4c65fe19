"""ONNX's own node tests, for every operator that we have: real.run against the outputs that the standard gives."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from workbench import ops
from workbench.io.onnx import from_model
from workbench.io.opsets import EXTRA, NEWEST
from workbench.io.tensors import ELEMENTS
from workbench.op import OPS
from workbench.semantics.plan import plan_of
from workbench.semantics.real import run

assert ops.FAMILIES
OURS = set(OPS) | {"Constant"}
QUANTISED = ("QuantizeLinear", "DequantizeLinear", "QLinearMatMul", "QLinearConv")


def cases() -> list[Any]:
    """The standard's cases; only the modules of our operators are imported, because importing makes the cases."""
    from onnx.backend.test.case import node

    wanted = {op.lower() for op in OURS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cases divide by zero on purpose
        for module in pkgutil.iter_modules(node.__path__):
            if module.name.replace("_", "") in wanted:
                importlib.import_module(f"{node.__name__}.{module.name}")
    found = [c for c in node._NodeTestCases if {n.op_type for n in c.model.graph.node} <= OURS]
    assert found
    return found


def is_strange(case: Any) -> bool:
    values = [*case.model.graph.input, *case.model.graph.output]
    casts = [
        a.i for n in case.model.graph.node for a in n.attribute if n.op_type == "Cast" and a.name == "to"
    ]
    kinds = [v.type.tensor_type.elem_type for v in values if v.type.WhichOneof("value") == "tensor_type"]
    return any(k not in ELEMENTS for k in (*kinds, *casts))


def is_training(case: Any) -> bool:
    nodes = case.model.graph.node
    return any(a.name == "training_mode" and a.i for n in nodes for a in n.attribute) or (
        any(n.op_type == "Dropout" and len(n.input) == 3 for n in nodes)
    )


EXCLUDED: dict[str, Callable[[Any], bool]] = {
    "sequences and optionals: a value of a network is one tensor": lambda c: any(
        v.type.WhichOneof("value") != "tensor_type" for v in c.model.graph.input
    ),
    "strings, and 2-, 4-, 8-bit and bfloat16 numbers: element types that NumPy does not have": is_strange,
    "empty tensors: a value of a network has at least one neuron": lambda c: any(
        0 in np.shape(a) for a in (*c.data_sets[0][0], *c.data_sets[0][1]) if isinstance(a, np.ndarray)
    ),
    "training mode: only inference is supported": is_training,
}


def prepared(model: ModelProto, feeds: dict[str, np.ndarray[Any, Any]]) -> ModelProto:
    """The case as a network: integers and scales are constants, and only first results are asked for."""
    changed = ModelProto()
    changed.CopyFrom(model)
    for opset in changed.opset_import:
        # operators were renumbered for new element types only; what is tested here is the same in ours
        opset.version = min(opset.version, NEWEST)
    scales = {i for n in model.graph.node if n.op_type in QUANTISED for i in n.input[1:]}
    for name, value in feeds.items():
        if value.dtype.kind in "iub" or name in scales:
            changed.graph.initializer.append(numpy_helper.from_array(value, name))

    def is_first(output: str) -> bool:
        makers: list[NodeProto] = [n for n in model.graph.node if output in n.output]
        return not makers or makers[0].op_type not in EXTRA or output == makers[0].output[0]

    kept = [o for o in model.graph.output if is_first(o.name)]
    del changed.graph.output[:]
    changed.graph.output.extend(kept)
    return changed


def check(case: Any) -> None:
    as_array = lambda a: numpy_helper.to_array(a) if isinstance(a, TensorProto) else np.asarray(a)  # noqa: E731
    given, wanted = ([as_array(a) for a in side] for side in case.data_sets[0])
    feeds = dict(zip((v.name for v in case.model.graph.input), given, strict=True))
    graph = from_model(prepared(case.model, feeds))
    values = run(plan_of(graph), {k: feeds[k][None] for k in graph.inputs})
    outputs = dict(zip((o.name for o in case.model.graph.output), wanted, strict=True))
    for name in graph.outputs:
        got, want = values[name][0], outputs[name]
        assert got.shape == want.shape, f"{name}: shape {got.shape}, expected {want.shape}"
        np.testing.assert_allclose(got.astype(want.dtype), want, rtol=case.rtol, atol=case.atol)


@pytest.mark.slow
def test_the_standards_node_tests(capsys: pytest.CaptureFixture[str]) -> None:
    why: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    failed: list[str] = []
    for case in cases():
        reason = next((r for r, applies in EXCLUDED.items() if applies(case)), None)
        if reason:
            why[reason] += 1
            continue
        try:
            check(case)
        except Exception as error:  # noqa: BLE001  (all failures are listed together)
            failed.append(f"{case.name}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
        else:
            passed.update({n.op_type for n in case.model.graph.node})
            passed["cases"] += 1
    with capsys.disabled():
        print(f"\nONNX node tests: {passed['cases']} passed, {len(failed)} failed")
        for reason, count in sorted(why.items()):
            print(f"  {count} left out: {reason}")
    assert not failed, "\n".join(failed)
    assert passed["cases"] >= 350
    assert not {op for op in OPS if not passed[op]}
