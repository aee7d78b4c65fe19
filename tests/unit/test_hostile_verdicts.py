"""What a hostile review found in verdicts: each fault once, so that it cannot come back unseen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

import workbench as wb
from workbench.cli import app
from workbench.graph import Graph, Node
from workbench.model import Model
from workbench.semantics.plan import infer
from workbench.wanted import SpecificationError


def one(op: str, dtype: str) -> Model:
    nodes = infer([Node("x", "Input", shape=(1, 1), dtype=dtype), Node("y", op, ("x",))], {})
    return Model(Graph(nodes, ("y",), {}))


def test_the_bound_of_a_verdict_is_in_the_units_of_its_constraint() -> None:
    verdict = one("Abs", "float64").verify(wb.linear([["0.1"]], ["0.25"]), wb.box([[1.0]], [[2.0]]))
    assert verdict.status == "verified"
    assert verdict.bound is not None
    assert 0.0499 < verdict.bound <= 0.05


def test_a_float16_network_has_no_one_program() -> None:
    with pytest.raises(SpecificationError, match="binary16"):
        one("Identity", "float16").verify(
            wb.linear([[1.0]], [5.0]), wb.box([[0.0]], [[1.0]]), semantics="onnx"
        )


def test_a_run_in_another_format_shows_the_input_that_it_was_given() -> None:
    region = wb.box(np.float64([[1.001]]), np.float64([[1.002]]))  # holds no bfloat16 number
    verdict = one("Identity", "float32").verify(wb.output_range(1.0005, 2.0), region, semantics="bfloat16")
    assert verdict.status == "falsified"
    found = verdict.counterexample
    assert found is not None
    assert found.input.tolist() == [[1.0]]
    assert not found.representable
    assert any("simulated" in said for said in verdict.assumptions)


@pytest.mark.parametrize("ends", [(0.0, 1e6), (65504.0, 65520.0)])
def test_a_region_beyond_the_float_type_is_no_crash(ends: tuple[float, float]) -> None:
    region = wb.box([[ends[0]]], [[ends[1]]])
    verdict = one("Identity", "float16").verify(wb.linear([[1.0]], [2e6]), region, timeout=5)
    assert verdict.status == "verified"


def test_a_coefficient_beyond_float64_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="beyond every float64"):
        one("Abs", "float64").verify(wb.linear([["1e400"]], ["1"]), wb.box([[0.0]], [[1.0]]))


def test_an_assignment_in_the_reals_satisfies_the_query_itself(tmp_path: Path) -> None:
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "id.onnx")
    (tmp_path / "p.vnnlib").write_text(
        "(declare-const X_0 Real)(declare-const Y_0 Real)"
        "(assert (<= X_0 0.1))(assert (>= X_0 0.1))(assert (<= Y_0 0.1))"
    )
    done = CliRunner().invoke(
        app, ["verify", str(tmp_path / "p.vnnlib"), "--network", str(tmp_path / "id.onnx")]
    )
    assert done.stdout.split("\n")[:3] == ["sat", "((X_0 0.1)", "(Y_0 0.1))"]  # 0.1 is no float32 number
