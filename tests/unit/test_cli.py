"""The command line's answers, and what it says of bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from commands import CENTER, answer, fails, run
from workbench import examples
from workbench.cli import text
from workbench.methods.named import METHODS


def network(
    folder: Path, *nodes: onnx.NodeProto, weights: dict[str, np.ndarray[Any, Any]] | None = None
) -> Path:
    """An ONNX file with input x of shape (1, 4) and output y."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, key) for key, value in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


# ------------------------------------------------------------------------------------------------ the answers


@pytest.mark.parametrize("method", METHODS)
def test_bounds_json_has_the_promised_form_and_the_exact_numbers(method: str) -> None:
    found = answer("bounds", "example:digits", *CENTER, "--method", method)
    model = examples.digits()
    wanted = model.bounds(method)
    assert set(found) == {"network", "method", "semantics", "region", "nodes", "outputs"}
    assert found["network"] == {"path": str(examples.path("digits")), "sha256": model.sha256}
    assert (found["method"], found["semantics"], found["outputs"]) == (method, "real", ["logits"])
    assert set(found["region"]) == {"lower", "upper"}
    assert found["region"]["lower"] == model.region.lower.ravel().tolist()
    assert list(found["nodes"]) == ["x", "flatten", "fc1", "relu_1", "fc2", "relu_2", "logits"]
    for name, node in found["nodes"].items():
        assert set(node) == {"op", "shape", "lower", "upper"}
        assert node["op"] == model.graph[name].op
        assert node["shape"] == list(model.graph[name].shape)
        assert node["lower"] == wanted[name].lower.ravel().tolist()  # bit for bit, through the text
        assert node["upper"] == wanted[name].upper.ravel().tolist()


def test_rounding_json_has_bounds_and_says_what_it_assumes() -> None:
    found = answer("rounding", "example:digits", *CENTER, "--format", "bfloat16")
    wanted = examples.digits().rounding("bfloat16")
    assert {"network", "method", "semantics", "region", "nodes", "outputs"} <= set(found)
    assert (found["format"], found["order"]) == ("bfloat16", "any")
    assert found["assumptions"] == list(wanted.assumptions) != []
    for name, node in found["nodes"].items():
        assert set(node) == {"op", "shape", "bound"}
        assert node["bound"] == wanted[name].ravel().tolist()


def test_show_json_has_the_structure() -> None:
    found = answer("show", "example:toy")
    assert found["parameters"] == 17
    assert found["operators"] == {"Gemm": 2, "Relu": 1}
    assert found["missing"] == {}
    assert [n["name"] for n in found["graph"]["nodes"]] == ["x", "fc1", "relu_1", "fc2"]


def test_an_l2_ball_is_described_beside_its_box() -> None:
    found = answer("bounds", "example:toy", "--center", "example:0", "--eps", "0.5", "--norm", "2")
    assert found["region"]["norm"] == "2"
    assert found["region"]["eps"] == 0.5
    assert found["region"]["center"] == [0.5, 0.25]


def test_infinite_ends_are_strings_that_float_reads(tmp_path: Path) -> None:
    net = network(tmp_path, helper.make_node("Exp", ["x"], ["e"]), helper.make_node("Exp", ["e"], ["y"]))
    np.save(tmp_path / "x.npy", np.array([700.0, 0, 0, 0]))
    found = answer("bounds", net, "--center", tmp_path / "x.npy", "--eps", "20")
    upper = found["nodes"]["y"]["upper"]
    assert upper[0] == "inf"
    assert np.array(upper, float)[0] == np.inf


def test_the_texts_say_what_is_claimed_and_list_the_outputs() -> None:
    shown = run("bounds", "example:digits", *CENTER).stdout
    assert "for every real input in the region" in shown
    lower, upper = (
        getattr(examples.digits().bounds("crown").output, end)[0, 0, 7] for end in ("lower", "upper")
    )
    assert f"logits[0, 7] in [{float(lower)!r}, {float(upper)!r}]" in shown
    rounding = run("rounding", "example:digits", *CENTER).stdout
    assert "at most the bound" in rounding
    assert all(f"assumed    {a}" in rounding for a in examples.digits().rounding().assumptions)
    assert "relu_1 : float32[1,128] = Relu(fc1)" in run("show", "example:digits").stdout


def test_the_few_digits_of_a_table_are_rounded_outward() -> None:
    rng = np.random.default_rng(0)
    for value in [*(rng.standard_normal(200) * 10.0 ** rng.integers(-30, 30, 200)), 0.0, -0.0, 1e308, 5e-324]:
        assert float(text.down(value)) <= value <= float(text.up(value))
    assert (text.down(-np.inf), text.up(np.inf)) == ("-inf", "inf")


def test_a_number_that_needs_no_more_digits_is_printed_as_it_is() -> None:
    assert (text.up(1.0), text.down(-0.25), text.up(0.0), text.up(0.1)) == ("1", "-0.25", "0", "0.10001")
    shown = run("bounds", "example:toy", "--center", "example:0", "--eps", "0.5").stdout
    assert "2 inputs, each at most 1 wide" in shown
    assert "rounded outward" in shown


def test_what_is_not_asked_is_said(tmp_path: Path) -> None:
    (tmp_path / "p.vnnlib").write_text(PROPERTY)
    shown = run("bounds", "example:toy", "--vnnlib", tmp_path / "p.vnnlib", "--box", "1").stdout
    assert "not asked  what the property says about outputs" in shown
    assert "not asked" not in run("bounds", "example:toy", "--center", "example:0", "--eps", "1").stdout


def test_the_sentence_about_a_ball_says_that_its_box_cuts_it() -> None:
    shown = run("bounds", "example:toy", "--center", "example:0", "--eps", "0.5", "--norm", "2").stdout
    assert "within 0.5 of the centre in the 2 norm;" in shown
    assert "cuts the ball" in shown


def test_dot_and_svg(tmp_path: Path) -> None:
    assert run("show", "example:toy", "--dot").stdout == examples.toy().graph.to_dot() + "\n"
    assert run("show", "example:toy", "--svg", tmp_path / "toy.svg").exit_code == 0
    assert "relu_1" in (tmp_path / "toy.svg").read_text()


# ------------------------------------------------------------------------------------------------ the regions


def test_centres_are_read_from_every_kind_of_file(tmp_path: Path) -> None:
    x = np.array([[0.1, 0.7]])
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "one.npz", anything=x)
    np.savez(tmp_path / "named.npz", center=x, other=2 * x)
    (tmp_path / "x.csv").write_text("0.1,0.7\n")
    (tmp_path / "x.txt").write_text("0.1\n0.7\n")
    files = ("x.npy", "one.npz", "named.npz", "x.csv", "x.txt")
    found = [answer("bounds", "example:toy", "--center", tmp_path / f, "--eps", "0.25") for f in files]
    assert all(other == found[0] for other in found)
    assert found[0]["nodes"]["x"]["upper"][1] == np.nextafter(0.7 + 0.25, 2) or (
        found[0]["nodes"]["x"]["upper"][1] == 0.7 + 0.25
    )


PROPERTY = """
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
(declare-const Y_1 Real)
(assert (or (and (>= X_0 0) (<= X_0 1) (>= X_1 0) (<= X_1 1)) (and (>= X_0 2) (<= X_0 3) (>= X_1 -1) (<= X_1 0))))
(assert (<= Y_0 0))
"""


def test_of_several_boxes_one_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "p.vnnlib").write_text(PROPERTY)
    command = ("bounds", "example:toy", "--vnnlib", tmp_path / "p.vnnlib")
    assert "has 2 boxes: choose one with --box 1" in fails(2, *command)
    assert answer(*command, "--box", "1")["region"] == {"lower": [0, 0], "upper": [1, 1]}
    assert answer(*command, "--box", "2")["region"] == {"lower": [2, -1], "upper": [3, 0]}
    assert answer(*command, "--box", "hull")["region"] == {"lower": [0, -1], "upper": [3, 1]}
    for wrong in ("0", "3", "-1", "first"):
        assert "--box must be from 1 to 2, or hull" in fails(2, *command, f"--box={wrong}")


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "no.onnx"), "there is no file 'no.onnx'"),
        (("show", "."), "is not a file"),
        (("show", "example:mnist"), "there is no example 'mnist'; there are: digits"),
        (("show", "example:toy", "--json", "--dot"), "choose one"),
        (("show", "example:toy", "--svg", "no/such/folder.svg"), "No such file or directory"),
        (("bounds", "example:toy"), "either --vnnlib FILE, or --center FILE"),
        (("bounds", "example:toy", "--center", "example:0"), "add --eps E"),
        (("bounds", "example:toy", "--center", "example:1", "--eps", "1"), "example:0 to example:0"),
        (("bounds", "example:toy", "--center", "x.npy", "--eps", "1"), "there is no file 'x.npy'"),
        (("bounds", "example:toy", "--center", __file__, "--eps", "1"), "read from .npy, .npz, .csv or .txt"),
        (("bounds", "example:toy", "--vnnlib", "no.vnnlib"), "no.vnnlib"),
        (("bounds", "example:toy", "--vnnlib", "no.vnnlib", "--eps", "1"), "go with --center"),
        (
            ("bounds", "example:toy", "--center", "example:0", "--eps", "1", "--box", "1"),
            "goes with --vnnlib",
        ),
        (("bounds", "example:toy", "--center", "example:0", "--eps", "-1"), "not negative"),
        (("bounds", "example:toy", "--center", "example:0", "--eps", "nan"), "finite"),
        (("bounds", "example:toy", "--center", "example:0", "--eps", "inf"), "finite"),
        (("bounds", "example:toy", "--center", "example:0", "--eps", "1", "--clip", "0"), "two numbers"),
        (
            ("bounds", "example:toy", "--center", "example:0", "--eps", "1", "--clip", "1,0"),
            "must not be above",
        ),
        (
            ("bounds", "example:toy", "--center", "example:0", "--eps", "1", "--clip", "9,10"),
            "outside the clip",
        ),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments: tuple[str, ...], says: str) -> None:
    assert says in fails(2, *arguments)


def test_bad_centres(tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text("1,two\n")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY broken")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 broken")
    (tmp_path / "empty.csv").write_text("")
    np.save(tmp_path / "objects.npy", np.array([{}, 1], dtype=object))
    np.save(tmp_path / "text.npy", np.array(["a", "b"]))
    np.save(tmp_path / "nan.npy", np.array([np.nan, 1]))
    np.save(tmp_path / "three.npy", np.zeros(3))
    np.savez(tmp_path / "two.npz", a=np.zeros(2), b=np.zeros(2))
    for file, says in {
        "words.csv": "cannot be read as numbers",
        "broken.npy": "cannot be read as numbers",
        "broken.npz": "cannot be read as numbers",
        "empty.csv": "has shape [0]",
        "objects.npy": "cannot be read as numbers",
        "text.npy": "no numbers",
        "nan.npy": "NaN",
        "three.npy": "has shape [3], but the network's input has shape [1, 2]",
        "two.npz": "name one of them center",
    }.items():
        assert says in fails(2, "bounds", "example:toy", "--center", tmp_path / file, "--eps", "1")


def test_an_unsupported_operator_is_exit_code_3_and_all_are_named(tmp_path: Path) -> None:
    net = network(
        tmp_path,
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Det", ["r"], ["d"]),
        helper.make_node("LSTM", ["d"], ["y"]),
    )
    said = fails(3, "show", net)
    assert "operator 'Det' of node 'd'" in said
    assert said.endswith("In this file not supported: Det, LSTM")
    fails(3, "bounds", net, "--center", "x.npy", "--eps", "1")


def test_names_in_a_file_cannot_command_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;title\x07\x1b[2J"
    net = network(tmp_path, helper.make_node("Relu", ["x"], [evil]), helper.make_node("Relu", [evil], ["y"]))
    np.save(tmp_path / "x.npy", np.zeros(4))
    ball = ("--center", tmp_path / "x.npy", "--eps", "1")
    for command in (("show", net), ("show", net, "--dot"), ("bounds", net, *ball), ("rounding", net, *ball)):
        for extra in ((), ("--json",)) if "--dot" not in command else ((),):
            result = run(*command, *extra)
            assert result.exit_code == 0
            assert "\x1b" not in result.stdout
            assert "\x07" not in result.stdout
    net = network(tmp_path, helper.make_node("Relu", ["x"], [evil]), helper.make_node("Det", [evil], ["y"]))
    assert "\x1b" not in fails(3, "show", net)


def test_a_fault_of_the_program_is_not_blamed_on_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("workbench.cli.reading.open_network", broken)
    assert "a fault of the program, not of your input: ZeroDivisionError: boom" in fails(
        1, "show", "example:toy"
    )
    monkeypatch.setenv("WORKBENCH_TRACEBACK", "1")
    assert isinstance(run("show", "example:toy").exception, ZeroDivisionError)
