"""Certificates that a hostile reviewer had accepted although their claims are false: each is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from certificates import network, node, tensor
from workbench.certificate.check import check
from workbench.certificate.format import CannotCheck, Rejected, loads
from workbench.certificate.produce import certificate

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
