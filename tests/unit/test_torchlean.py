"""TorchLean's formats: written as the golden files have them, read back, proved; what was changed is rejected by step.

``python tests/unit/test_torchlean.py`` writes the golden files again.
"""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import workbench as wb
from certificates import at_least, box, dense, graph_of, proved
from workbench.certificate import outside, torchlean, torchlean_nodes
from workbench.certificate.claim import parsed_case
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.plans import Tree
from workbench.certificate.program import lower
from workbench.cli import app
from workbench.graph import GraphError
from workbench.io.torchlean import (
    graph_from_ir,
    ir_from_graph,
    params_from_json,
    params_to_json,
    read_json,
)

GOLDEN = Path(__file__).absolute().parents[1] / "golden" / "torchlean"
NET = dense([2, 3, 2], seed=1)
REGION = [Fraction(-1)] * 2, [Fraction(1)] * 2


def made() -> dict[str, bytes]:
    """Every format, of one small network."""
    program, graph = lower(NET), graph_of(NET)
    ir, params, values = ir_from_graph(graph)
    case = {**box(2, 1, 1), "unsafe": [at_least(1, 3), [*at_least(0, 2), *at_least(1, 0)]]}
    weights = dumped(torchlean.weights_to_json(NET))
    points = [
        ([Fraction(1, 2), Fraction(-1, 4)], 0),
        ([Fraction(1), Fraction(1)], 1),
        ([Fraction(0), Fraction(1)], 1),
    ]
    examples = [{"id": k, "x": [float(v) for v in x], "y": y} for k, (x, y) in enumerate(points)]
    dataset = dumped({"format": "digits_dataset_v0_1", "examples": examples})
    margins = torchlean.margins_to_json(NET, points, 0.1, weights=weights, dataset=dataset)
    split = Tree((Tree(), Tree((Tree(), Tree()), axis=1, place=0.25)), axis=0, place=0.0)
    leaves = torchlean.leaves_to_json(proved(NET, {**case, "unsafe": [at_least(1, 3)]}, split))
    return {
        "graph.json": dumped(ir),
        "params.json": dumped(params_to_json(params)),
        "weights.json": weights,
        "suite.json": dumped(torchlean.suite_to_json([parsed_case(case, program)], 2)),
        "dataset.json": dataset,
        "margins.json": dumped(margins),
        "leaves.json": dumped(leaves),
        "ibp_nodes.json": dumped(torchlean_nodes.nodes_to_json(NET, values, REGION)),
        "crown_nodes.json": dumped(torchlean_nodes.nodes_to_json(NET, values, REGION, lines=True)),
    }


def dumped(value: Any) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False).encode() + b"\n"


def golden(name: str) -> dict[str, Any]:
    return read_json((GOLDEN / name).read_bytes())


@pytest.mark.parametrize("name", made())
def test_what_is_written_is_the_golden_file(name: str) -> None:
    assert made()[name] == (GOLDEN / name).read_bytes()


# ---- graphs and parameters


@pytest.mark.parametrize("name", ["digits", "digits_conv", "digits_tanh", "controller"])
def test_a_graph_goes_out_and_comes_in_with_every_bit(name: str) -> None:
    model = wb.load(wb.examples.path(name))
    ir, params, _ = ir_from_graph(model.graph)
    text = json.dumps([ir, params_to_json(params)])
    ir, packed = json.loads(text)
    again = params_from_json(packed)
    assert all(np.array_equal(a.astype(np.float64), b) for a, b in zip(params, again, strict=True))
    graph = graph_from_ir(ir, again)
    assert json.dumps(ir_from_graph(graph)[0]["nodes"][-1]["shape"]) == json.dumps(ir["nodes"][-1]["shape"])
    x = np.random.default_rng(0).random(graph[graph.inputs[0]].shape)
    shape = model.graph[model.graph.inputs[0]].shape
    mine = model.run(x.reshape(shape).astype(np.float32)).reshape(-1)
    np.testing.assert_allclose(wb.Model(graph).run(x).reshape(-1), mine, rtol=1e-4, atol=1e-5)


def test_parameters_keep_every_bit_of_every_number() -> None:
    bits = [0, 1 << 63, 1, 0x7FF0000000000000, 0x7FF8000000000123, 0xFFF0000000000001, 0x3FF0000000000000]
    given = {"format": "torchlean_paramlist_bits_v1", "params": [{"shape": [7], "values": bits}]}
    (array,) = params_from_json(given)
    assert [struct.unpack("<Q", struct.pack("<d", v))[0] for v in array.tolist()] == bits
    assert params_to_json([array]) == given
    for broken in (
        {**given, "format": "other"},
        {**given, "params": [{"shape": [6], "values": bits}]},
        {**given, "params": [{"shape": [7], "values": [*bits[:-1], 1 << 64]}]},
        {**given, "params": [{"shape": [7], "values": [*bits[:-1], 1.0]}]},
        {**given, "params": [{"shape": [-7], "values": bits}]},
    ):
        with pytest.raises(GraphError):
            params_from_json(broken)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda ir: ir["nodes"][4].update(kind="gelu"), "'gelu' is not read"),
        (lambda ir: ir["nodes"][4].update(parents=[5]), "parents"),
        (lambda ir: ir["nodes"][4].update(shape=[1, 4]), "shape"),
        (lambda ir: ir["nodes"][1].update(shape=[1, 4]), r"has shape \(3, 2\)"),
        (lambda ir: ir["nodes"][4].update(id=3), "id"),
        (lambda ir: ir.update(output_id=99), "output"),
        (lambda ir: ir["nodes"].pop(), "output"),
    ],
)
def test_a_graph_that_cannot_be_is_refused(change: Callable[[Any], None], why: str) -> None:
    ir, params = golden("graph.json"), params_from_json(golden("params.json"))
    assert graph_from_ir(ir, params).parameters == 22
    change(ir)
    with pytest.raises(GraphError, match=why):
        graph_from_ir(ir, params)


@pytest.mark.parametrize(
    "text", ['{"a": 1e999}', '{"a": NaN}', '{"a": 1, "a": 2}', "[1]", '{"a": ' + "[" * 100_000, "{"]
)
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own errors are of this kind
        read_json(text.encode())


# ---- suites and weights


def test_a_suite_is_proved_from_the_weights_in_its_file() -> None:
    network = torchlean.network_from_weights(golden("weights.json"))
    ((number, found),) = torchlean.prove_suite(network, golden("suite.json"))
    assert number == 0 and isinstance(found, outside.Proved) and found.accepted[0].verdict == "verified"
    assert torchlean.weights_to_json(network) == golden("weights.json")
    weaker = golden("suite.json")
    weaker["instances"][0]["spec"][0]["rhs"] = [0.0]
    ((_, refused),) = torchlean.prove_suite(network, weaker)
    assert isinstance(refused, Rejected) and refused.step == "R9 refuted"
    for broken in (
        {"format": "x"},
        {**weaker, "instances": [{"id": 0, "input_lo": [1, 1], "input_hi": [0, 0]}]},
    ):
        with pytest.raises(Rejected):
            torchlean.prove_suite(network, broken)
    with pytest.raises(CannotCheck, match="dense layers"):
        torchlean.weights_to_json(dense([2, 3, 2], leaky=True))


# ---- margins


def test_a_margin_file_is_proved_from_the_files_that_it_names() -> None:
    weights, dataset = ((GOLDEN / f"{n}.json").read_bytes() for n in ("weights", "dataset"))
    found = torchlean.prove_margins(golden("margins.json"), weights=weights, dataset=dataset)
    assert len(found.accepted) == 3 and "every bound proved" in found.what
    one: dict[str, Any] = golden("margins.json")["examples"][0]
    changes: list[tuple[str, Callable[[Any], None]]] = [
        ("hash", lambda m: m["meta"].update(weights_sha256="0" * 64)),
        (
            "bound",
            lambda m: m["examples"][0].update(logits_lo=[one["logits_lo"][0] + 1, one["logits_lo"][1]]),
        ),
        ("bound", lambda m: m["examples"][1].update(logits_hi=[-9.0, -9.0])),
        ("margin", lambda m: m["examples"][0].update(certified=not one["certified"])),
        ("dataset", lambda m: m["examples"][0].update(label=1 - one["label"])),
        ("dataset", lambda m: m["examples"].append(m["examples"][0])),
        ("prediction", lambda m: m["examples"][0].update(pred=1 - one["pred"])),
        ("summary", lambda m: m["summary"].update(certified_ok=m["summary"]["certified_ok"] + 1)),
        ("bound", lambda m: m.update(eps=0.2)),
        ("format", lambda m: m.pop("meta")),
    ]
    for step, change in changes:
        changed = golden("margins.json")
        change(changed)
        with pytest.raises(Rejected) as refused:
            torchlean.prove_margins(changed, weights=weights, dataset=dataset)
        assert refused.value.step == step
    with pytest.raises(Rejected, match="hash"):
        torchlean.prove_margins(golden("margins.json"), weights=weights + b" ", dataset=dataset)


# ---- leaves of alpha,beta-CROWN


def test_leaves_are_proved_and_must_cover_the_root() -> None:
    given = golden("leaves.json")
    rows = [[Fraction(0), Fraction(-1)]]
    found = outside.prove_leaves(NET, given, rows)
    assert found.accepted[0].leaves >= 3 and len(found.accepted) == 4
    raw = {
        "root": given["root"],
        "domains": [
            {"x_L": v["lo"], "x_U": v["hi"], "lower_bounds": v["lb"], "thresholds": v["threshold"]}
            for v in given["leaves"]
        ],
    }
    assert outside.prove_leaves(NET, raw, rows).what == found.what
    changes: list[tuple[str, Callable[[Any], Any]]] = [
        ("coverage", lambda a: a["leaves"].pop()),
        ("coverage", lambda a: a["leaves"][1]["hi"].__setitem__(1, 0.2)),
        ("coverage", lambda a: a["leaves"][0]["lo"].__setitem__(0, -1.5)),
        ("bound", lambda a: a["leaves"][2]["lb"].__setitem__(0, 5.0)),
        ("threshold", lambda a: a["leaves"][2]["lb"].__setitem__(0, -7.0)),
        ("threshold", lambda a: a["leaves"][2]["threshold"].__setitem__(0, -7.0)),
        ("R1 region", lambda a: a["leaves"][2]["lo"].__setitem__(0, 2.0)),
        ("format", lambda a: a["leaves"][2]["lo"].append(2.0)),
        ("format", lambda a: a.update(format="other")),
    ]
    for step, change in changes:
        changed = copy.deepcopy(given)
        change(changed)
        with pytest.raises(Rejected) as refused:
            outside.prove_leaves(NET, changed, rows)
        assert refused.value.step == step, change


def test_coverage_is_decided_exactly() -> None:
    """Random boxes: what is said to be covered has no point outside of them, and the other way round."""
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(150):
        boxes = []
        for _ in range(rng.integers(1, 7)):
            ends = np.sort(rng.integers(0, 4, (2, 2)), axis=0)
            boxes.append(([Fraction(int(v)) for v in ends[0]], [Fraction(int(v)) for v in ends[1]]))
        boxes.append(([Fraction(0), Fraction(0)], [Fraction(3), Fraction(2)]))
        halves = [(Fraction(2 * i + 1, 2), Fraction(2 * j + 1, 2)) for i in range(3) for j in range(3)]
        truth = all(
            any(all(a <= v <= b for a, v, b in zip(l, p, h, strict=True)) for l, h in boxes) for p in halves
        )
        try:
            outside.cover(([Fraction(0)] * 2, [Fraction(3)] * 2), boxes)
        except Rejected as error:
            assert (truth, error.step) == (False, "coverage")  # noqa: PT017
        else:
            assert truth
            covered += 1
    assert 5 < covered < 145


# ---- bounds of auto_LiRPA


def test_bounds_of_auto_lirpa_are_proved_or_rejected() -> None:
    low, high = torchlean.bounds_of(lower(NET), REGION)
    arrays = {
        "x_L": np.full((1, 2), -1.0),
        "x_U": np.full((1, 2), 1.0),
        "lb": np.array([[torchlean.down(v) for v in low]]),
        "ub": np.array([[torchlean.up(v) for v in high]]),
    }
    assert outside.prove_npz(NET, arrays).accepted[0].verdict == "verified"
    difference = {**arrays, "C": np.array([[[1.0, -1.0]]]), "lb": np.array([-9.0])}
    difference.pop("ub")
    assert "1 rows" in outside.prove_npz(NET, difference).what
    with pytest.raises(Rejected, match="lower bound 9 of row 0"):
        outside.prove_npz(NET, {**difference, "lb": np.array([9.0])})
    for broken in (
        {**arrays, "other": np.zeros(1)},
        {**arrays, "lb": np.zeros(3)},
        {**arrays, "lb": np.array([np.nan, 0.0])},
        {**arrays, "x_L": np.full(2, 3.0)},
    ):
        with pytest.raises(Rejected):
            outside.prove_npz(NET, broken)


# ---- nodes


def test_boxes_and_lines_of_nodes_are_proved() -> None:
    values = ir_from_graph(graph_of(NET))[2]
    for name in ("ibp_nodes.json", "crown_nodes.json"):
        assert "boxes of 8 nodes" in torchlean_nodes.prove_nodes(NET, values, REGION, golden(name))
    given = golden("crown_nodes.json")
    given["alpha"] = [[0.5] * 3 if v == "a0" else None for v in values]
    assert "40 lines" in torchlean_nodes.prove_nodes(NET, values, REGION, given)
    inward = np.nextafter
    changes: list[tuple[str, Callable[[Any], Any]]] = [
        ("node", lambda c: c["ibp"][4]["hi"].__setitem__(0, float(inward(c["ibp"][4]["hi"][0], 0)))),
        ("R1 region", lambda c: c["ibp"][2]["lo"].__setitem__(0, float(inward(c["ibp"][2]["lo"][0], 9)))),
        ("node", lambda c: c["crown"][7]["loC"].__setitem__(1, c["crown"][7]["loC"][1] + 1e-9)),
        ("node", lambda c: c["crown"][7]["hiA"][0].__setitem__(1, c["crown"][7]["hiA"][0][1] + 0.01)),
        ("format", lambda c: c["crown"].pop()),
        ("format", lambda c: c.update(alpha=[[2.0]])),
        ("format", lambda c: c["ctx"].update(inputDim=3)),
    ]
    for step, change in changes:
        changed = golden("crown_nodes.json")
        change(changed)
        with pytest.raises(Rejected) as refused:
            torchlean_nodes.prove_nodes(NET, values, REGION, changed)
        assert refused.value.step == step
    with pytest.raises(CannotCheck, match="beta"):
        torchlean_nodes.prove_nodes(
            NET, values, REGION, {**given, "beta": [None] * 4 + [[1, 0, 0]] + [None] * 3}
        )


def test_a_node_is_itself_where_the_next_one_is_joined_with_it() -> None:
    """A product and the sum with a constant are one step of the exact rules; each node's box is its own."""
    values = ir_from_graph(graph_of(NET))[2]
    boxes = torchlean_nodes.nodes_to_json(NET, values, REGION)["ibp"]
    product, total = (boxes[values.index(n)] for n in ("m0", "z0"))
    bias = np.array(NET["tensors"]["b0"]["data"]) * 2.0 ** NET["tensors"]["b0"]["exponent"]
    np.testing.assert_array_equal(np.array(total["lo"]) - product["lo"], bias)


def test_the_command_proves_files_of_other_tools(tmp_path: Path) -> None:
    def said(*words: str) -> tuple[int, str]:
        found = CliRunner().invoke(app, ["check", *words])
        return found.exit_code, found.output

    weights = str(GOLDEN / "weights.json")
    code, told = said(str(GOLDEN / "margins.json"), "--network", weights)
    assert code == 0 and "accepted" in told and "every bound proved" in told
    assert said(str(GOLDEN / "suite.json"), "--network", weights)[0] == 0
    assert said(str(GOLDEN / "suite.json"))[0] == 3
    for more in (["--pure"], ["--property", str(tmp_path / "none.vnnlib")]):  # they would be ignored
        assert said(str(GOLDEN / "suite.json"), "--network", weights, *more)[0] == 2
    weaker = golden("leaves.json")
    file = tmp_path / "leaves.json"
    file.write_text(json.dumps(weaker))
    code, told = said(str(file), "--network", weights)  # two outputs, and leaves with one bound each
    assert code == 4 and "format" in told
    arrays = {"x_L": np.full(2, -1.0), "x_U": np.full(2, 1.0), "ub": np.array([0.0, 0.0])}
    np.savez(tmp_path / "bounds.npz", **arrays)
    code, told = said(str(tmp_path / "bounds.npz"), "--network", weights)
    assert code == 4 and "upper bound 0 of row" in told


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for file, data in made().items():
        (GOLDEN / file).write_bytes(data)
