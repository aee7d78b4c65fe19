"""Making certificates: the engine's choices, tried on the exact rules leaf by leaf, and split further where they fail.

Nothing here needs to be believed: what is written is checked by `check.py`, which computes every bound again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

import workbench
from workbench.certificate.check import SEMANTICS, assumptions, check, root
from workbench.certificate.claim import parsed_case
from workbench.certificate.format import NAME, CannotCheck
from workbench.certificate.onnx_file import dyadic, integers_of
from workbench.certificate.plans import Tree
from workbench.certificate.program import lower
from workbench.certificate.rounding import widened
from workbench.certificate.search import PRECISION, NotProved, Prover
from workbench.certificate.smooth import FUNCTIONS
from workbench.graph import Array, Graph
from workbench.spec import Property

SHORT = 1000  # characters of a name that a reader takes

__all__ = ["NotProved", "Prover", "Tree", "certificate", "certify", "claim_of", "dumps", "network_of"]


def network_of(graph: Graph, sha256: str = "") -> dict[str, Any]:
    """A graph as the network of a certificate (for one that comes from no ONNX file, or whose file is not at hand)."""
    nodes = []
    for node in graph.nodes:
        if node.op != "Input":
            said = {"auto_pad": "NOTSET", "mode": "constant"}  # defaults, which need not be written
            attributes = {k: _attribute(v) for k, v in node.attrs.items() if said.get(k) != v}
            inputs = list(node.inputs)
            while inputs and not inputs[-1]:
                inputs.pop()
            nodes.append({"op": node.op, "inputs": inputs, "output": node.name, "attributes": attributes})
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise CannotCheck("a network that has not exactly one input and one output")
    source = graph[graph.inputs[0]]
    return {
        "sha256": sha256,
        "name": graph.name,
        "input": {"name": source.name, "shape": list(source.shape)},
        "output": graph.outputs[0],
        "nodes": nodes,
        "tensors": {k: _tensor(w) for k, w in graph.weights.items()},
    }


def _attribute(value: Any) -> Any:
    if isinstance(value, float):
        mantissa, exponent = dyadic(value)
        return {"mantissa": mantissa, "exponent": exponent}
    return list(value) if isinstance(value, tuple) else value


def _tensor(array: Array) -> dict[str, Any]:
    if array.dtype.kind == "f":
        return {"shape": list(array.shape), **integers_of(array.reshape(-1).astype(np.float64).tolist())}
    return {"shape": list(array.shape), "exponent": 0, "data": [int(v) for v in array.reshape(-1).tolist()]}


def claim_of(asked: Property, verdict: str, semantics: str = SEMANTICS) -> dict[str, Any]:
    """The claim about a property: its boxes and constraints exactly."""
    cases = []
    for case in asked.cases:
        if not case.region.is_box:
            raise CannotCheck("certificates are about boxes: this region is a ball")
        if case.ends is not None:
            low, high, sides = case.ends.lower, case.ends.upper, case.ends.open
        else:
            low, high = (
                tuple(map(Fraction, e.reshape(-1).tolist())) for e in (case.region.lower, case.region.upper)
            )
            sides = frozenset[tuple[int, int]]()
        cases.append(
            {
                "lower": [[v.numerator, v.denominator] for v in low],
                "upper": [[v.numerator, v.denominator] for v in high],
                "open": sorted(list(s) for s in sides),
                "unsafe": [[_constraint(c) for c in every] for every in case.unsafe],
            }
        )
    return {"verdict": verdict, "semantics": semantics, "cases": cases}


def _constraint(c: Any) -> dict[str, Any]:
    """Scaled to integers by a positive number: the same constraint."""
    scale = lcm(c.bound.denominator, *(v.denominator for v in c.coefficients))
    terms = [[i, int(v * scale)] for i, v in enumerate(c.coefficients) if v]
    return {"terms": terms, "bound": int(c.bound * scale), "strict": c.strict}


def certificate(
    network: Mapping[str, Any],
    claim: Mapping[str, Any],
    proof: Mapping[str, Any],
    method: str,
    seconds: float,
) -> dict[str, Any]:
    """All parts of a certificate together."""
    smooth = any(n["op"] in FUNCTIONS for n in network["nodes"])
    made = {
        "workbench": workbench.__version__,
        "engine": "workbench",
        "method": method[:SHORT],
        "seconds": f"{seconds:.3g}",
    }
    return {
        "format": NAME,
        "made_by": made,
        "claim": claim,
        "trust": {"assumptions": list(assumptions(claim["semantics"], smooth))},
        "proof": proof,
        "network": {**network, "name": network["name"][:SHORT]},
    }


Plans = Callable[[tuple[tuple[str, int], ...]], Sequence[Tree | None]]


def certify(
    network: Mapping[str, Any],
    asked: Property,
    *,
    counterexample: tuple[int, Sequence[Fraction]] | None = None,
    plans: Plans | None = None,
    method: str = "",
    seconds: float = 0.0,
    limit: float | None = None,
    precision: int = PRECISION,
    semantics: str = SEMANTICS,
) -> dict[str, Any]:
    """A certificate of a verdict, every step of which the checker's own `Parts` took; `attach` checks the whole again.

    Parameters
    ----------
    network : from `onnx_file.read`, or `network_of`.
    asked : the property.
    counterexample : the case and the exact point, where the verdict is "falsified"; None for "verified".
    plans : given the network's relus (name, size) in order: how the engine split each case, to go along.
    method, seconds : how the engine found the verdict, and how long it took: for people.
    limit : seconds that this may take.
    semantics : "real", or the format in which the network runs.

    Raises
    ------
    NotProved
        Where the exact rules do not prove what the engine did.
    CannotCheck
        A network or a region that certificates have no rules for; no time left.
    Rejected
        A counterexample that is none.
    """
    claim = claim_of(asked, "verified" if counterexample is None else "falsified", semantics)
    program = lower(network)
    if counterexample is not None:
        case, point = counterexample
        pairs = [[v.numerator, v.denominator] for v in point]
        found = certificate(network, claim, {"case": case, "point": pairs}, method, seconds)
        check(found, seconds=limit)
        return found
    prover = Prover(program, precision=precision, seconds=limit)
    relus = tuple((s.name, s.size) for s in program.steps if s.kind == "relu")
    along = list(plans(relus)) if plans is not None else []
    along += [None] * (len(asked.cases) - len(along))
    cases = []
    for c, t in zip(claim["cases"], along, strict=True):
        of = parsed_case(c, program)
        cases.append(prover.proof(widened(prover.rules, root(prover.rules, of), of, semantics), t))
    # Every step was taken by the checker's own `Parts` (a step that it rejects is not written): what `check` would do
    # again here.  Whoever reads the file does it again.
    return certificate(network, claim, {"precision": precision, "cases": cases}, method, seconds)


def dumps(certificate: Mapping[str, Any]) -> bytes:
    """The bytes of a certificate's file."""
    return json.dumps(certificate, separators=(",", ":")).encode() + b"\n"
