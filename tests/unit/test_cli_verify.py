"""workbench verify, supports and bench: answers, exit codes, and what is said of everything that does not fit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from commands import fails, run

BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench" / "acasxu_2023"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = (relu(x0 - x1), relu(x1)) with x of shape (1, 2)."""
    folder = tmp_path_factory.mktemp("net")
    weights = {"w": np.array([[1, 0], [-1, 1]], np.float32)}
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 2))],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7),
        folder / "net.onnx",
    )
    return folder / "net.onnx"


ONE = """(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)
(assert (>= X_0 0))(assert (<= X_0 1))(assert (>= X_1 0.25))(assert (<= X_1 0.5))
"""
TWO = """(vnnlib-version <2.0>)
(declare-network f (declare-input A {t} [1,2]) (declare-hidden H {t} [1,2] "h") (declare-output B {t} [1,2]))
(assert (and (>= A[0,0] 0.0) (<= A[0,0] 1.0) (>= A[0,1] 0.25) (<= A[0,1] 0.5)))
"""


def query(folder: Path, text: str) -> Path:
    path = folder / "query.vnnlib"
    path.write_text(text)
    return path


def test_version_one_answers_like_the_competition(net: Path, tmp_path: Path) -> None:
    never = query(tmp_path, ONE + "(assert (>= Y_0 0.76))")
    result = run("verify", never, "--network", net, "--timeout", 60)
    assert (result.exit_code, result.stdout) == (0, "unsat\n")
    assert "in real arithmetic" in result.stderr
    happens = query(tmp_path, ONE + "(assert (>= Y_0 0.5))(assert (<= Y_1 0.4))")
    written = tmp_path / "results.txt"
    result = run("verify", happens, "--network", net, "--timeout", 60, "--results", written)
    assert result.exit_code == 0
    assert written.read_text() == result.stdout
    word, values = result.stdout.split("\n", 1)
    assert word == "sat"
    assert values.startswith("((X_0 ")
    assert values.endswith("))\n")
    pairs = dict(line.strip("()").split() for line in values.splitlines())
    assert list(pairs) == ["X_0", "X_1", "Y_0", "Y_1"]
    x0, x1, y0, y1 = (float(v) for v in pairs.values())
    assert 0 <= x0 <= 1
    assert 0.25 <= x1 <= 0.5
    assert (y0, y1) == (max(np.float32(x0) - np.float32(x1), 0), np.float32(x1))
    assert y0 >= 0.5
    assert y1 <= 0.4


@pytest.mark.parametrize(
    ("kind", "about"), [("float32", "the network's own float"), ("real", "in real arithmetic")]
)
def test_version_two_answers_in_the_standards_format(
    net: Path, tmp_path: Path, kind: str, about: str
) -> None:
    pytest.importorskip("vnnlib")
    never = query(
        tmp_path, TWO.format(t=kind) + "(assert (or (> (+ H[0,0] H[0,1]) 1.5) (< H[0,1] (- A[0,1] 0.001))))"
    )
    result = run("verify", never, "--network", f"f={net}", "--timeout", 60)
    assert result.exit_code == 0
    assert result.stdout == "unsat\n"
    assert about in result.stderr
    happens = query(tmp_path, TWO.format(t=kind) + "(assert (>= (* B[0,0] A[0,1]) 0.2))")
    result = run("verify", happens, "--network", f"f={net}", "--timeout", 60)
    lines = result.stdout.splitlines()
    assert lines[0] == "sat"
    assert [lines[k] for k in (1, 4, 7)] == [f"{name} {kind} [1,2]" for name in "AHB"]
    a, b = float(lines[2]), float(lines[3])
    assert (0 <= a <= 1, 0.25 <= b <= 0.5, max(a - b, 0) * b >= 0.2) == (True, True, True)
    assert float(lines[5]) == float(lines[8]) == np.float32(a) - np.float32(b)


def test_assignments_are_serialised_when_asked(net: Path, tmp_path: Path) -> None:
    pytest.importorskip("vnnlib")
    happens = query(tmp_path, TWO.format(t="float32") + "(assert (>= B[0,0] 0.5))")
    result = run("verify", happens, "--network", f"f={net}", "--serialise-assignments", tmp_path / "out")
    assert result.stdout == "sat\n"
    found = {
        name: numpy_helper.to_array(onnx.TensorProto.FromString((tmp_path / f"out/{name}.pb").read_bytes()))
        for name in "AHB"
    }
    assert all((v.shape, v.dtype) == ((1, 2), np.float32) for v in found.values())
    assert found["B"][0, 0] == found["A"][0, 0] - found["A"][0, 1] >= 0.5


def test_contradicting_inputs_are_unsat_in_version_two_and_an_error_in_one(net: Path, tmp_path: Path) -> None:
    pytest.importorskip("vnnlib")
    empty = query(tmp_path, TWO.format(t="real") + "(assert (<= A[0,0] -1.0))")
    result = run("verify", empty, "--network", f"f={net}")
    assert (result.exit_code, result.stdout) == (0, "unsat\n")
    assert "no input satisfies" in result.stderr
    assert "region is empty" in fails(
        2, "verify", query(tmp_path, ONE + "(assert (<= X_0 -1))"), "--network", net
    )


def test_json_has_the_verdict(net: Path, tmp_path: Path) -> None:
    result = run(
        "verify",
        query(tmp_path, ONE + "(assert (>= Y_0 0.76))"),
        "--network",
        net,
        "--json",
        "--semantics",
        "onnx",
    )
    found = json.loads(result.stdout)
    assert (found["answer"], found["verdict"]["status"], found["verdict"]["semantics"]) == (
        "unsat",
        "verified",
        "onnx",
    )
    assert any("any order" in a for a in found["verdict"]["assumptions"])
    assert len(found["verdict"]["network"]["sha256"]) == 64


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (ONE, [], "needs a model: add --network"),
        (ONE, ["--network", "{net}", "--network", "{net}"], "two models"),
        (ONE, ["--network", "none.onnx"], "there is no file 'none.onnx'"),
        (ONE, ["--network", "{net}", "--semantics", "exactly"], "--semantics must be one of real, onnx"),
        (ONE, ["--network", "{net}", "--timeout", "-1"], "--timeout takes a number of seconds"),
        (ONE.replace("X_1", "X_2"), ["--network", "{net}"], "X_2 is declared, but X_1 is not"),
        (ONE + "(declare-const Y_2 Real)", ["--network", "{net}"], "2 inputs and 3 outputs"),
        (TWO.format(t="float32"), [], "needs a model: add --network f=FILE"),
        (TWO.format(t="float32"), ["--network", "g={net}"], "needs no model for 'g'"),
        (
            TWO.format(t="float64"),
            ["--network", "f={net}"],
            "declared float64, but 'x' in its model is float32",
        ),
        (
            TWO.format(t="float16"),
            ["--network", "f={net}"],
            "float16 is declared, which is not analysed soundly",
        ),
        (TWO.format(t="real").replace('"h"', '"k"'), ["--network", "f={net}"], "no tensor 'k'"),
        (TWO.format(t="real").replace("[1,2]", "[2]"), ["--network", "f={net}"], "not VNN-LIB 2.0"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_exit_code_two(
    net: Path, tmp_path: Path, text: str, options: list[str], said: str
) -> None:
    if "vnnlib-version" in text:
        pytest.importorskip("vnnlib")
    options = [o.format(net=net) for o in options]
    assert said in fails(2, "verify", query(tmp_path, text), *options)


def test_a_timeout_is_an_answer(net: Path, tmp_path: Path) -> None:
    result = run("verify", query(tmp_path, ONE + "(assert (>= Y_0 0.76))"), "--network", net, "--timeout", 0)
    assert (result.exit_code, result.stdout) == (0, "timeout\n")
    pytest.importorskip("vnnlib")
    late = query(tmp_path, TWO.format(t="real") + "(assert (>= B[0,0] 0.76))")
    assert run("verify", late, "--network", f"f={net}", "--timeout", 0).stdout == "timed-out\n"


@pytest.mark.bench
@pytest.mark.skipif(
    not BENCH.is_dir(), reason="the reference networks (../shared/bench) are not on this machine"
)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_an_answer_and_no_traceback(sent: signal.Signals) -> None:
    command = [sys.executable, "-m", "workbench.cli", "verify", str(BENCH / "vnnlib/prop_2.vnnlib")]
    command += ["--network", str(BENCH / "onnx/ACASXU_run2a_3_3_batch_2000.onnx"), "--timeout", "100"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    time.sleep(6)
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "unknown\n")
    assert "Traceback" not in err
    assert "interrupted" in err


# ------------------------------------------------------------------------------------------------ supports


def test_the_eleven_capabilities_have_the_standards_forms() -> None:
    forms = {
        "onnx-opset-versions": lambda lines: len(lines) == 2 and int(lines[0]) < int(lines[1]),
        "onnx-element-types": lambda lines: set(lines) == {"float32", "float64", "real"},
        "onnx-operators": lambda lines: (
            {"Conv", "Relu", "Gemm", "MatMul", "Softmax"} <= set(lines) and "Input" not in lines
        ),
        "vnnlib-versions": lambda lines: lines == ["1.0", "2.0"],
        "hidden-node-theories": lambda lines: set(lines) == {"NH", "H"},
        "multiple-input-output-theories": lambda lines: set(lines) == {"SIO", "MIO"},
        "multiple-network-theories": lambda lines: set(lines) == {"SNET", "MENET", "MINET", "MNET"},
        "multiple-node-comparison-theories": lambda lines: set(lines) == {"SNC", "MNC"},
        "arithmetic-complexity-theories": lambda lines: set(lines) == {"BND", "OUTC", "LIN", "POLY"},
        "optimised-disjunctive-reasoning": lambda lines: lines == ["false"],
        "serialise-assignments": lambda lines: lines == ["true"],
    }
    for name, fits in forms.items():
        result = run("supports", f"--{name}")
        assert result.exit_code == 0
        assert result.stdout.endswith("\n")
        assert fits(result.stdout.splitlines()), name
    for wrong in ([], ["--onnx-op"], ["--hidden-node-theories", "--onnx-operators"], ["onnx-operators"]):
        assert "name one capability" in fails(2, "supports", *wrong)


def test_name_and_version() -> None:
    import workbench

    assert run("--name").stdout == "NN Workbench\n"
    assert run("--version").stdout == f"{workbench.__version__}\n"


# ------------------------------------------------------------------------------------------------ bench


def test_bench_runs_a_folder_and_tabulates(net: Path, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(net.read_bytes())
    (tmp_path / "never.vnnlib").write_text(ONE + "(assert (>= Y_0 0.76))")
    (tmp_path / "happens.vnnlib").write_text(ONE + "(assert (>= Y_0 0.5))")
    (tmp_path / "instances.csv").write_text(
        "net.onnx,never.vnnlib,60\nnet.onnx,happens.vnnlib,60\nnet.onnx,no.vnnlib,60\n"
    )
    (tmp_path / "known.csv").write_text("net.onnx,never.vnnlib,sat\n")
    table, cactus = tmp_path / "table.md", tmp_path / "cactus.html"
    result = run("bench", tmp_path, "--table", table, "--cactus", cactus, "--known", tmp_path / "known.csv")
    lines = result.stdout.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["unsat", "sat", "error"]
    assert lines[3].startswith("2 of 3 decided (1 error, 1 sat, 1 unsat)")
    assert "| net | never | 60 | unsat |" in table.read_text()
    assert "plotly" in cactus.read_text()[:200_000]
    assert result.exit_code == 1  # never is unsat, and the file of known answers says sat
    assert "never.vnnlib: unsat, but known" in result.stderr
    assert "there is no file" in fails(2, "bench", tmp_path / "nowhere")
