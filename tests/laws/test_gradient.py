"""Law: gradients are the adjoint of linear maps, exactly, and the derivative elsewhere.

Derivatives are taken in exact arithmetic with a step of 2^-60, so that no difference cancels.  At a kink the gradient
must lie between the derivatives on both sides: it is a subgradient, of a function or of its negation.
"""

from __future__ import annotations

from math import prod

import flint
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from laws.budget import COUNT
from laws.checks import PRECISION, form_of
from laws.forms import MAPS
from laws.numbers import Draw
from laws.strategies import EXAMPLES, FOLDED, Case
from workbench.autodiff import gradient_graph
from workbench.semantics import exact, real
from workbench.semantics.affine import Linear
from workbench.semantics.exact import rational, rationals
from workbench.semantics.gradient import vjp
from workbench.semantics.interval import Interval
from workbench.semantics.plan import plan_of

STEP = flint.fmpq(1, 2**60)


@pytest.mark.parametrize("op", sorted(EXAMPLES.keys() - FOLDED))
@settings(max_examples=COUNT // 2)
@given(st.data())
def test_gradients_are_derivatives(op: str, data: st.DataObject) -> None:
    draw = Draw(data, calm=True)
    case = EXAMPLES[op](draw)
    output = case.graph.outputs[0]
    shape = case.graph[output].shape
    at = draw.integer(0, prod(shape) - 1)
    seed = np.zeros((1, *shape))
    seed.reshape(-1)[at] = 1.0
    row = draw.integer(0, len(next(iter(case.points.values()))) - 1)
    x = {k: v[row : row + 1] for k, v in case.points.items()}
    d = {k: draw.numbers(v.shape, "whole") for k, v in x.items()}
    _, grads = vjp(case.plan, x, {output: seed})
    slope = sum((rationals(grads[k]) * rationals(d[k])).sum() for k in x if k in grads) + rational(0)
    ahead, here, behind = (_moved(case, x, d, step).reshape(-1)[at] for step in (STEP, 0, -STEP))
    sides = sorted((float((ahead - here) / STEP), float((here - behind) / STEP)))
    assume(op != "Sign" or max(map(abs, sides)) < 2.0**50)  # a jump has no derivative
    scale = 1e-9 * max(
        1.0, *(abs(s) for s in sides), *(float(np.abs(g).max(initial=0)) for g in grads.values())
    )
    assert sides[0] - scale <= float(slope) <= sides[1] + scale, (
        f"slope {float(slope)!r}, derivatives {sides}"
    )


def _moved(case: Case, x: dict[str, np.ndarray], d: dict[str, np.ndarray], step: object) -> np.ndarray:
    given_ = {k: rationals(v) + rationals(d[k]) * step for k, v in x.items()}
    return exact.run(case.plan, given_, PRECISION)[case.graph.outputs[0]]


@pytest.mark.parametrize("op", sorted(EXAMPLES.keys() - FOLDED))
@settings(max_examples=COUNT // 6)
@given(st.data())
def test_the_gradient_as_a_graph_has_the_numbers_of_the_gradient(op: str, data: st.DataObject) -> None:
    """Every operator with any of its attributes, at any point: kinks, ties and both operands."""
    draw = Draw(data, calm=True)
    case = EXAMPLES[op](draw)
    output = case.graph.outputs[0]
    row = draw.integer(0, len(next(iter(case.points.values()))) - 1)
    x = {k: v[row : row + 1] for k, v in case.points.items()}
    u = draw.numbers((1, *case.graph[output].shape), "whole")
    twice = gradient_graph(case.graph, seeded=True, dtype="float64")
    (seed,) = [n for n in twice.inputs if n not in case.graph.inputs]
    values = real.run(plan_of(twice), {**x, seed: u}, np.float64)
    _, grads = vjp(case.plan, x, {output: u})
    for name, found in zip(case.graph.inputs, twice.outputs, strict=True):
        ours = values[found] if found in values else plan_of(twice).constants[found][None]
        theirs = grads.get(name, np.zeros_like(ours))
        assert ours.shape == x[name].shape
        size = 1e-9 * max(1.0, float(np.abs(theirs).max(initial=0)), float(np.abs(u).max(initial=0)))
        assert (np.abs(ours - theirs) <= size).all(), f"{ours} as a graph, {theirs} in numbers"


@pytest.mark.parametrize("op", MAPS)
@settings(max_examples=COUNT // 2)
@given(st.data())
def test_the_adjoint_of_a_linear_map_is_its_gradient(op: str, data: st.DataObject) -> None:
    """<A x, y> = <x, A^T y>, with A x from the exact run and A^T y from the gradient rule."""
    draw = Draw(data, calm=True)
    case = EXAMPLES[op](draw)
    form = form_of(case, {k: Interval(lo, hi) for k, (lo, hi) in case.boxes.items()})
    assume(isinstance(form, Linear))
    assert isinstance(form, Linear)
    output = case.graph.outputs[0]
    y = draw.numbers((1, *case.graph[output].shape), "whole")
    x = {k: draw.numbers(lo.shape, "whole") for k, (lo, _) in case.boxes.items()}
    zero = {k: np.zeros_like(v) for k, v in x.items()}
    _, grads = vjp(case.plan, x, {output: y})
    image = exact.run(case.plan, x, PRECISION)[output] - exact.run(case.plan, zero, PRECISION)[output]
    left = (image * rationals(y)).sum()
    right = sum(((rationals(grads[k]) * rationals(x[k])).sum() for k in x), start=rational(0))
    matrices = [
        m.apply(np.eye(n := prod(s)).reshape(n, *s))
        for m, s in zip(form.maps, case.step.call.shapes, strict=True)
        if m
    ]
    matrices += [w for w in case.graph.weights.values() if w.dtype.kind == "f"]
    whole = all(np.array_equal(a, np.round(a)) for a in matrices)
    if whole:
        assert left == right, "the two scalar products of whole numbers differ"
    else:
        assert abs(float(left - right)) <= 1e-12 * max(1.0, abs(float(left)), abs(float(right)))
