"""Assignments: a counterexample written down as VNN-COMP and the VNN-LIB standard (section 5.3.1) want it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli.faults import BadInput

if TYPE_CHECKING:
    from workbench.graph import Array
    from workbench.io.joined import Joined
    from workbench.io.query import Query
    from workbench.methods.replay import Counterexample
    from workbench.verdict import Verdict


def assignment(query: Query, joined: Joined, verdict: Verdict) -> Iterator[str]:
    """A counterexample in VNN-COMP's format, or in that of the standard (section 5.3.1)."""
    from workbench.spec import decimal

    found = verdict.counterexample
    assert found is not None
    if query.version == "1.0":
        names = [f"X_{i}" for i in range(found.input.size)] + [f"Y_{i}" for i in range(found.outputs.size)]
        values = [_digits(v) for v in found.input.reshape(-1).tolist()]
        outputs = [_digits(v) for v in found.outputs.reshape(-1).tolist()]
        if not found.representable and verdict.semantics == "real":
            # the point that was proved unsafe, not what a float program would be given: that may leave the region
            values = [decimal(v) for v in found.point]
            outputs = [
                decimal(a) if a == b else y for (a, b), y in zip(found.enclosure, outputs, strict=True)
            ]
        values += outputs
        rows = [f"({name} {value})" for name, value in zip(names, values, strict=True)]
        yield "(" + "\n".join(rows) + ")"
        return
    exactly = None if found.representable or verdict.semantics != "real" else _exact_values(joined, found)
    for tensor, value in assigned(query, joined, verdict):
        yield f"{tensor.name} {tensor.type} [{','.join(map(str, tensor.shape))}]"
        if exactly is None:
            yield from map(_digits, value.reshape(-1).tolist())
        else:
            node, _ = joined.places[tensor.name]
            yield from (decimal(Fraction(int(v.p), int(v.q))) for v in exactly[node].reshape(-1).tolist())


def _exact_values(joined: Joined, found: Counterexample) -> dict[str, Array] | None:
    """Every value at the point itself, in rationals: None where they cannot be had."""
    import flint
    import numpy as np

    from workbench.semantics import exact
    from workbench.semantics.plan import plan_of

    name = joined.graph.inputs[0]
    point = np.empty(len(found.point), dtype=object)
    point[:] = [flint.fmpq(v.numerator, v.denominator) for v in found.point]
    try:
        values = exact.run(plan_of(joined.graph), {name: point.reshape(1, *joined.graph[name].shape)})
    except (ValueError, TypeError, ArithmeticError, AttributeError):
        return None
    wanted = {node: values[node][0] for node, _ in joined.places.values()}
    rational = all(isinstance(v, flint.fmpq) for x in wanted.values() for v in x.reshape(-1).tolist())
    return wanted if rational else None


def assigned(query: Query, joined: Joined, verdict: Verdict) -> Iterator[tuple[Any, Array]]:
    """Every declared variable, in order, with its value in a run of the network on the counterexample."""
    from workbench.semantics import real
    from workbench.semantics.plan import plan_of

    found = verdict.counterexample
    assert found is not None
    plan = plan_of(joined.graph)
    values = real.run(plan, {joined.graph.inputs[0]: found.input[None]})
    for network in query.networks:
        for tensor in network.tensors:
            node, shape = joined.places[tensor.name]
            yield tensor, values[node][0].reshape(shape)


def write_assignment(folder: Path, verdict: Verdict, query: Query, joined: Joined) -> None:
    """One file a variable: an ONNX TensorProto."""
    from onnx import numpy_helper

    if query.version == "1.0":
        raise BadInput("--serialise-assignments goes with VNN-LIB 2.0, whose variables have types and shapes")
    folder.mkdir(parents=True, exist_ok=True)
    for tensor, value in assigned(query, joined, verdict):
        proto = numpy_helper.from_array(value, tensor.name)
        (folder / f"{tensor.name}.pb").write_bytes(proto.SerializeToString())


def _digits(value: float | bool) -> str:
    """A float so that it reads back exactly, also as a float64."""
    return repr(value)
