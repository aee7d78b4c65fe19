"""Certificates that a hostile reviewer had accepted although their claims are false: each is refused."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import workbench as wb
from certificates import network, node, tensor
from workbench.certificate.check import check
from workbench.certificate.format import CannotCheck, Rejected, loads
from workbench.certificate.produce import certificate, dumps
from workbench.graph import Graph, Node
from workbench.model import Model
from workbench.region import Region
from workbench.semantics.plan import infer

SQUARE = Region(np.zeros((1, 2)), np.ones((1, 2)))

LEAF = ["leaf", [{"rows": []}]]
AT_MOST_0 = [[{"terms": [[0, 1]], "bound": 0, "strict": False}]]  # y <= 0, which happens in each of them


def forged(net: Any, inputs: list[tuple[int, int]], tree: list[Any], precision: int) -> Any:
    case = {
        "lower": [[low, 1] for low, _ in inputs],
        "upper": [[high, 1] for _, high in inputs],
        "open": [],
        "unsafe": AT_MOST_0,
    }
    claim = {"verdict": "verified", "semantics": "real", "cases": [case]}
    made = certificate(net, claim, {"precision": precision, "cases": [tree]}, "test", 0.0)
    return loads(json.dumps(made).encode())


def test_a_constant_is_not_multiplied_by_a_unit_that_the_sum_does_not_know() -> None:
    """Bounds by "interval" after "reduce": the sum of the second unit has fewer columns than there are units."""
    net = network(
        [1, 1],
        [
            node("MatMul", ["x", "w0"], "m0"),
            node("Add", ["m0", "b0"], "z0"),
            node("Relu", ["z0"], "a0"),
            node("MatMul", ["a0", "w1"], "m1"),
            node("Add", ["m1", "b1"], "y"),
        ],
        {
            "w0": tensor([1, 2], [1, 1]),
            "b0": tensor([2], [20, 1], -1),
            "w1": tensor([2, 1], [0, 1]),
            "b1": tensor([1], [0]),
        },
    )
    tree = [["bounds", ["interval"]], ["z", "a0", 0], LEAF, ["reduce"], ["bounds", ["interval"]], LEAF]
    with pytest.raises(Rejected):
        check(forged(net, [(-1, 1)], tree, 40))


def test_numbers_that_ran_into_each_other_are_not_read() -> None:
    """A row that is shifted by P before it is unpacked."""
    net = network(
        [1, 2],
        [
            node("MatMul", ["x", "w0"], "m0"),
            node("Add", ["m0", "b0"], "z0"),
            node("Relu", ["z0"], "a0"),
            node("MatMul", ["a0", "w1"], "m1"),
            node("Add", ["m1", "b1"], "y"),
        ],
        {
            "w0": tensor([2, 1], [2**64, 1]),
            "b0": tensor([1], [-3 * 2**63]),
            "w1": tensor([1, 1], [1]),
            "b1": tensor([1], [0]),
        },
    )
    tree = [["bounds", ["interval"]], ["reduce"], ["bounds", ["interval"]], LEAF]
    with pytest.raises((Rejected, CannotCheck)):
        check(forged(net, [(1, 2), (0, 1)], tree, 8))


def test_sums_of_sums_are_told_apart_or_not_read() -> None:
    """An addition doubles sizes; the affine step after it unpacks."""
    net = network(
        [1, 2],
        [
            node("MatMul", ["x", "w0"], "m0"),
            node("Add", ["m0", "m0"], "s"),
            node("MatMul", ["s", "w1"], "m1"),
            node("Add", ["m1", "b1"], "z"),
            node("Relu", ["z"], "a0"),
            node("MatMul", ["a0", "w2"], "m2"),
            node("Add", ["m2", "b2"], "y"),
        ],
        {
            "w0": tensor([2, 1], [3 * 2**69, 1]),
            "w1": tensor([1, 1], [1], -70),
            "b1": tensor([1], [-9], -1),
            "w2": tensor([1, 1], [1]),
            "b2": tensor([1], [0]),
        },
    )
    tree = [["bounds", ["interval"]], ["reduce"], ["bounds", ["rows"]], LEAF]
    with pytest.raises((Rejected, CannotCheck)):
        check(forged(net, [(1, 2), (0, 1)], tree, 8))


def small_net(name: str) -> Graph:
    weights = {"w": np.eye(2, dtype=np.float32), "b": np.zeros(2, np.float32)}
    nodes = [
        Node("x", "Input", shape=(1, 2)),
        Node("g", "Gemm", ("x", "w", "b")),
        Node("r", "Tanh", ("g",)),
        Node("y", "Gemm", ("r", "w", "b")),
    ]
    return Graph(infer(nodes, weights), ("y",), weights, name)


def test_a_verdict_says_nothing_of_a_file_that_no_reader_takes() -> None:
    digits = "2." + "0" * 700 + "1"
    verdict = Model(small_net("t")).verify(wb.linear([1, 0], digits), SQUARE, certify=True)
    assert verdict.status == "verified"
    assert verdict.certificate is None
    assert verdict.uncertified is not None and "660 digits" in verdict.uncertified
    assert verdict.level != "exactly checked"


def test_a_long_name_does_not_unprove_a_verdict() -> None:
    verdict = Model(small_net("t" * 1001)).verify(wb.linear([1, 0], 2), SQUARE, certify=True)
    assert (verdict.status, verdict.level) == ("verified", "exactly checked")
    assert check(loads(dumps(verdict.certificate))).verdict == "verified"


def test_constants_and_additions_that_are_used_often_are_worked_out_once() -> None:
    pad = {"pads": [0, 0, 0, 200_000]}
    many = [node("Pad", ["x"], "p", **pad), node("Div", ["p", "c"], "y")]
    slow = network([1, 1], many, {"c": {"shape": [], "exponent": -2200, "data": [3**1300]}})
    start = time.process_time()
    with suppress(CannotCheck, Rejected):
        check(forged(slow, [(0, 1)], LEAF, 20))
    side = 300
    more = [node("MatMul", ["x", "w"], "a0")]
    more += [node("Add", [f"a{k}", "z"], f"a{k + 1}") for k in range(400)]
    tensors = {"w": tensor([side, side], [1] * side**2), "z": tensor([], [0])}
    with pytest.raises(CannotCheck, match="too large"):
        check(forged({**network([1, side], more, tensors), "output": "a400"}, [(0, 1)] * side, LEAF, 20))
    assert time.process_time() - start < 20
