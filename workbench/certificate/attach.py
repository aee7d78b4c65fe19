"""A verdict with its certificate: made from the engine's search, and accepted by the exact checker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import monotonic
from typing import Any

from workbench.certificate.check import SEMANTICS, check
from workbench.certificate.format import CannotCheck, Rejected, loads
from workbench.certificate.plans import plan_of
from workbench.certificate.produce import NotProved, certify, dumps, network_of
from workbench.certificate.rounding import FORMATS
from workbench.graph import Graph

OWN = "onnx"  # the semantics of a verdict about the network's own float program
CHECKED = (
    "a certificate of this verdict was accepted by the exact checker, which shares no code with the engine"
)


def certified(verdict: Any, graph: Graph, until: float | None = None) -> Any:
    """The verdict with its certificate; unknown where the exact rules do not prove what the engine did.

    Parameters
    ----------
    verdict : a `Verdict` about the graph; of one that is unknown nothing can be certified.
    until : when to give up, by `time.monotonic`.

    Returns
    -------
    A `Verdict`, with `certificate` where one was accepted.  Where none can be made (an operator without an exact rule,
    a verdict about floats, no time left), the engine's verdict stands, and `uncertified` says why there is none.
    """
    if verdict.status == "unknown":
        return replace(verdict, uncertified="the verdict is unknown")
    start = monotonic()
    try:
        limit = None if until is None else max(0.0, until - start)
        found = certificate_of(verdict, network_of(graph, verdict.digest), graph, limit=limit)
    except CannotCheck as error:
        return replace(verdict, uncertified=str(error))
    except (NotProved, Rejected) as error:
        if verdict.semantics != "real":  # the rule about rounding is coarser than the engine's
            return replace(verdict, uncertified=f"the exact rules do not prove it about floats: {error}")
        reason = f"the engine says {verdict.status}, but the exact checker does not accept it: {error}"
        return replace(verdict, status="unknown", reason=reason, counterexample=None, uncertified=str(error))
    seconds = verdict.seconds + monotonic() - start
    first = verdict.assumptions[:1] if verdict.semantics == SEMANTICS else found["trust"]["assumptions"][:1]
    return replace(verdict, certificate=found, seconds=seconds, assumptions=(*first, CHECKED))


def certificate_of(
    verdict: Any, network: Mapping[str, Any], graph: Graph | None = None, *, limit: float | None = None
) -> dict[str, Any]:
    """A certificate of a verdict that is not unknown, accepted by the checker.

    Parameters
    ----------
    network : of a certificate: from `onnx_file.read`, or `network_of`.
    graph : what the verdict is about: says which formats the network's own float program has.
    limit : seconds.

    Raises
    ------
    CannotCheck
        A verdict, a network or a region that certificates have no rules for, or no time left.
    NotProved, Rejected
        Where the exact rules do not prove the verdict.
    """
    semantics = verdict.semantics if graph is None or verdict.semantics != OWN else _own(graph)
    if semantics not in (SEMANTICS, *FORMATS):
        raise CannotCheck(
            f"certificates are about real arithmetic, {' and '.join(FORMATS)}, "
            f"and this verdict is about {verdict.semantics}"
        )
    hit = verdict.counterexample
    start = monotonic()
    found = certify(
        network,
        verdict.asked,
        counterexample=None if hit is None else (verdict.case, hit.point),
        plans=lambda relus: [
            plan_of(tree, relus, case.unsafe)
            for tree, case in zip(verdict.trees, verdict.asked.cases, strict=False)
        ],
        method=verdict.method,
        seconds=verdict.seconds,
        limit=limit,
        semantics=semantics,
    )
    # The producer walked with the checker's own steps; what is handed out is read back and checked as a whole too.
    check(
        _read_back(dumps(found)), seconds=None if limit is None else max(0.0, limit - (monotonic() - start))
    )
    return found


def _read_back(data: bytes) -> dict[str, Any]:
    """What a reader of the file gets; what is too large for a file is no fault of the proof."""
    try:
        return loads(data)
    except Rejected as error:
        raise CannotCheck(f"the certificate would not fit a file: {error}") from None


def _own(graph: Graph) -> str:
    """The format in which the network's own program computes; "onnx" where there are several."""
    types = {str(w.dtype) for w in graph.weights.values() if w.dtype.kind == "f"}
    types |= {node.dtype for node in graph.nodes if node.dtype.startswith("float")}
    return {"float32": "binary32", "float64": "binary64"}.get(types.pop(), OWN) if len(types) == 1 else OWN
