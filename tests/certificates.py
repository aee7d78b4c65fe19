"""Small networks and claims in the form of a certificate, for the tests of the checker."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from workbench import ops
from workbench.certificate.claim import Case, parsed_case
from workbench.certificate.produce import Prover, Tree, certificate
from workbench.certificate.program import lower
from workbench.certificate.replay import exactly
from workbench.graph import Graph, Node
from workbench.semantics.plan import infer

assert ops.FAMILIES  # the operators are registered: shapes are inferred with their rules


def tensor(shape: list[int], data: list[int], exponent: int = 0) -> dict[str, Any]:
    return {"shape": shape, "exponent": exponent, "data": data}


def node(op: str, inputs: list[str], output: str, **attributes: Any) -> dict[str, Any]:
    return {"op": op, "inputs": inputs, "output": output, "attributes": attributes}


def network(shape: list[int], nodes: list[dict[str, Any]], tensors: dict[str, Any]) -> dict[str, Any]:
    return {
        "sha256": "0" * 64,
        "name": "small",
        "input": {"name": "x", "shape": shape},
        "output": nodes[-1]["output"],
        "nodes": nodes,
        "tensors": tensors,
    }


def dense(sizes: list[int], seed: int = 0, bits: int = 6, leaky: bool = False) -> dict[str, Any]:
    """A chain of MatMul, Add and Relu with random dyadic weights."""
    rng = random.Random(seed)  # noqa: S311
    nodes, tensors, at = [], {}, "x"
    for k, (n, m) in enumerate(pairwise(sizes)):
        numbers = [rng.randint(-(2**bits), 2**bits) for _ in range(n * m)]
        tensors[f"w{k}"] = tensor([n, m], numbers, -bits)
        tensors[f"b{k}"] = tensor([m], [rng.randint(-(2**bits), 2**bits) for _ in range(m)], -bits - 1)
        nodes += [node("MatMul", [at, f"w{k}"], f"m{k}"), node("Add", [f"m{k}", f"b{k}"], f"z{k}")]
        at = f"z{k}"
        if k < len(sizes) - 2:
            alpha = {"alpha": {"mantissa": 3, "exponent": -5}} if leaky else {}
            nodes.append(node("LeakyRelu" if leaky else "Relu", [at], f"a{k}", **alpha))
            at = f"a{k}"
    return network([1, sizes[0]], nodes, tensors)


def convolution(seed: int = 0) -> dict[str, Any]:
    """A convolution with strides, pads and a bias, a residual sum, and a dense layer."""
    rng = random.Random(seed)  # noqa: S311
    some = lambda n: [rng.randint(-8, 8) for _ in range(n)]  # noqa: E731
    tensors = {
        "k": tensor([3, 2, 3, 3], some(54), -3),
        "kb": tensor([3], some(3), -2),
        "s": tensor([3, 3, 1, 1], some(9), -3),
        "g": tensor([2, 27], some(54), -4),
        "gb": tensor([2], some(2), 0),
    }
    nodes = [
        node("Conv", ["x", "k", "kb"], "c", strides=[2, 2], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "s"], "d"),
        node("Add", ["d", "r"], "e"),
        node("Relu", ["e"], "f"),
        node("Flatten", ["f"], "v", axis=1),
        node("Gemm", ["v", "g", "gb"], "y", transB=1),
    ]
    return network([1, 2, 5, 5], nodes, tensors)


def pools(seed: int = 0) -> dict[str, Any]:
    """Pools of three kinds, batch normalisation, factors that are no dyadic numbers, and smooth functions."""
    rng = random.Random(seed)  # noqa: S311
    some = lambda n: [rng.randint(-8, 8) for _ in range(n)]  # noqa: E731
    curve = lambda: rng.choice(["Sigmoid", "Tanh", "Relu", "Softplus", "Erf", "Sin"])  # noqa: E731
    average = rng.choice(["AveragePool", "GlobalAveragePool"])
    many = 3 * (9 if average == "AveragePool" else 1)
    tensors = {
        "k": tensor([3, 2, 3, 3], some(54), -4),
        "scale": tensor([3], some(3), -2),
        "bias": tensor([3], some(3), -2),
        "mean": tensor([3], some(3), -2),
        "var": tensor([3], [rng.randint(1, 99) for _ in range(3)], -5),
        "third": tensor([3, 1, 1], [3, 5, rng.choice([1, -7])], 0),
        "g": tensor([4, many], some(4 * many), -4),
        "h": tensor([4, 2], some(8), -3),
    }
    kernel = {"kernel_shape": [2, 2], "strides": [2, 2]}
    kernel["pads"] = rng.choice([[0, 0, 0, 0], [1, 0, 0, 1], [0, 1, 1, 0]])
    means = {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0], "count_include_pad": rng.randint(0, 1)}
    nodes = [
        node("Pad", ["x"], "p", pads=[0, 0, 1, 0, 0, 0, 0, 1]),
        node("Conv", ["p", "k"], "c", kernel_shape=[3, 3], pads=[0, 1, 1, 0]),
        node("BatchNormalization", ["c", "scale", "bias", "mean", "var"], "n", epsilon=EPSILON),
        node(curve(), ["n"], "r"),
        node("MaxPool", ["r"], "m", **kernel),
        node("Div", ["m", "third"], "d"),
        node(average, ["d"], "a", **(means if average == "AveragePool" else {})),
        node("Flatten", ["a"], "v", axis=1),
        node("Gemm", ["v", "g"], "z", transB=1),
        node(curve(), ["z"], "s"),
        node("MatMul", ["s", "h"], "y"),
    ]
    return network([1, 2, 6, 6], nodes, tensors)


EPSILON = {"mantissa": 5, "exponent": -9}


def box(n: int, radius: int, denominator: int, center: list[int] | None = None) -> dict[str, Any]:
    """``[(c - radius) / denominator, (c + radius) / denominator]`` in every input."""
    middle = center or [0] * n
    return {
        "lower": [[c - radius, denominator] for c in middle],
        "upper": [[c + radius, denominator] for c in middle],
        "open": [],
    }


def at_least(output: int, bound: int) -> list[dict[str, Any]]:
    """The unsafe alternative ``y_output >= bound``."""
    return [{"terms": [[output, -1]], "bound": -bound, "strict": False}]


def proved(net: dict[str, Any], case: dict[str, Any], tree: Tree | None = None) -> dict[str, Any]:
    """A certificate that no input of the case is unsafe."""
    program = lower(net)
    prover = Prover(program)
    tokens = prover.proof(parsed_case(case, program), tree)
    claim = {"verdict": "verified", "semantics": "real", "cases": [case]}
    return certificate(net, claim, {"precision": prover.rules.P, "cases": [tokens]}, "test", 0.0)


def points(case: Case, count: int, seed: int = 0) -> list[tuple[Fraction, ...]]:
    """Inputs of a case: corners, and others."""
    rng = random.Random(seed)  # noqa: S311
    found = []
    for k in range(count):
        parts = [Fraction(rng.choice([0, 8]) if k % 2 else rng.randint(0, 8), 8) for _ in case.lower]
        found.append(tuple(l + (h - l) * t for l, h, t in zip(case.lower, case.upper, parts, strict=True)))
    return found


def graph_of(net: dict[str, Any]) -> Graph:
    """The same network for the engine, in float64: exact for these small weights."""
    arrays = {
        k: (np.array(t["data"], float) * 2.0 ** t["exponent"]).reshape(t["shape"])
        for k, t in net["tensors"].items()
    }
    nodes = [Node("x", "Input", shape=tuple(net["input"]["shape"]), dtype="float64")]
    for n in net["nodes"]:
        attributes = {
            k: tuple(v)
            if isinstance(v, list)
            else v["mantissa"] * 2.0 ** v["exponent"]
            if isinstance(v, dict)
            else v
            for k, v in n["attributes"].items()
        }
        nodes.append(Node(n["output"], n["op"], tuple(n["inputs"]), attributes))
    return Graph(infer(nodes, arrays), (net["output"],), arrays)


def of_a_tree() -> dict[str, Any]:
    """A certificate that needs a tree of several leaves."""
    net, case = dense([3, 8, 8, 2]), box(3, 1, 1)
    program = lower(net)
    inputs = points(parsed_case({**case, "unsafe": []}, program), 200)
    largest = max(exactly(program, x)[0] for x in inputs)
    half = Tree((Tree(clipped=True), Tree()), axis=1, place=Fraction(1, 8))
    tree = Tree((half, Tree((Tree(), half), axis=2, place=0.0)), axis=0, place=-0.25)
    found = proved(net, {**case, "unsafe": [at_least(0, int(largest) + 1)]}, tree)
    assert len(found["proof"]["cases"][0]) > 12
    return found


def simple() -> dict[str, Any]:
    """y = x + 1/2 over [0, 1]."""
    tensors = {"w": tensor([1, 1], [1]), "b": tensor([1], [1], -1)}
    return network([1, 1], [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "b"], "y")], tensors)


def falsified(point: list[list[int]], **changes: Any) -> dict[str, Any]:
    case = {"lower": [[0, 1]], "upper": [[1, 3]], "open": [], "unsafe": [at_least(0, 0)], **changes}
    claim = {"verdict": "falsified", "semantics": "real", "cases": [case]}
    return certificate(simple(), claim, {"case": 0, "point": point}, "test", 0.0)
