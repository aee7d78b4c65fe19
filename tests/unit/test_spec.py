"""Specifications: exact and strict constraints, what refutes them in floats, what is wanted and what is not."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import workbench.ops  # noqa: F401  (registers every operator)
from networks import relu_network
from workbench.io import query, vnnlib
from workbench.io.vnnlib import VnnlibError
from workbench.region import RegionError, box
from workbench.semantics import real
from workbench.semantics.plan import plan_of
from workbench.spec import Case, Constraint, Disjunction, Ends, Rows, in_formulas, in_words
from workbench.wanted import (
    SpecificationError,
    Wanted,
    all_of,
    any_of,
    linear,
    margin,
    output_range,
    property_of,
    unsafe,
)

FRACTIONS = st.one_of(
    st.fractions(-10, 10, max_denominator=40), st.floats(-1e6, 1e6, allow_nan=False).map(Fraction)
)


def constraint(row: list[float | Fraction], bound: float | Fraction, *, strict: bool = False) -> Constraint:
    return Constraint(tuple(map(Fraction, row)), Fraction(bound), strict)


# ------------------------------------------------------------------------------------------------ the normal form


def test_a_strict_constraint_does_not_hold_at_its_border_and_its_negation_does() -> None:
    strict = constraint([1, -1], 0, strict=True)
    assert not strict.holds([2.0, 2.0])
    assert strict.negated().holds([2.0, 2.0])
    assert (str(strict), str(strict.negated())) == ("Y_0 < Y_1", "Y_1 <= Y_0")
    assert str(constraint([0, -2], 3, strict=True)) == "Y_1 > -1.5"
    assert constraint([1, 0.5], 3).text(("a", "b[0]")) == "a + 0.5 b[0] <= 3"


@given(
    st.lists(FRACTIONS, min_size=2, max_size=2),
    st.lists(FRACTIONS, min_size=2, max_size=2),
    FRACTIONS,
    st.booleans(),
)
def test_a_constraint_or_its_negation_holds_and_never_both(
    row: list[Fraction], y: list[Fraction], bound: Fraction, strict: bool
) -> None:
    c = Constraint(tuple(row), bound, strict)
    assert c.holds(y) is not c.negated().holds(y)
    assert c.negated().negated() == c


@given(st.lists(FRACTIONS, min_size=1, max_size=3), FRACTIONS, st.booleans(), st.integers(-3, 3))
@example([Fraction(1)], Fraction(1, 10), False, 0)
@example([Fraction(1)], Fraction(0), True, 0)
@example([Fraction(1, 3)], Fraction(2), True, 0)
def test_the_threshold_is_the_largest_float_that_refutes_nothing(
    row: list[Fraction], bound: Fraction, strict: bool, steps: int
) -> None:
    """A bound above it excludes the constraint, exactly; a bound at it does not have to."""
    rows = Rows(((Constraint(tuple(row), bound, strict),),), len(row))
    (scaled,), (threshold,) = [b for _, b in rows._scaled], rows.threshold.tolist()
    lower = threshold
    for _ in range(abs(steps)):
        lower = math.nextafter(lower, math.copysign(math.inf, steps))
    excluded = Fraction(lower) >= scaled if strict else Fraction(lower) > scaled
    assert (lower > threshold) is excluded
    assert rows.refuted(np.array([[lower]])).tolist() == [[excluded]]
    assert bool(rows.margin(np.array([[lower]]))[0] > 0) is excluded


@given(st.lists(FRACTIONS, min_size=3, max_size=3), st.lists(FRACTIONS, min_size=3, max_size=3))
def test_rows_with_their_slack_are_below_the_exact_ones(row: list[Fraction], y: list[Fraction]) -> None:
    rows = Rows(((Constraint(tuple(row), Fraction(0)),),), 3)
    ((exact, _),) = rows._scaled
    value = sum(a * b for a, b in zip(exact, y, strict=True))
    given_ = sum(Fraction(a) * b for a, b in zip(rows.matrix[0].tolist(), y, strict=True))
    size = np.array([[float(np.nextafter(float(abs(v)), np.inf)) for v in y]])
    assert given_ - Fraction(rows.slack(size)[0, 0]) <= value


def test_coefficients_that_are_no_floats_are_scaled_to_whole_numbers() -> None:
    rows = Rows((((constraint([Fraction(1, 10), Fraction(1, 3)], 1)),),), 2)
    assert rows.matrix.tolist() == [[3.0, 10.0]]
    assert rows.threshold.tolist() == [30.0]
    assert rows.error is None
    assert Rows((((constraint([Fraction(1, 3) + Fraction(1, 2**60), 1], 1)),),), 2).error is not None


def test_shared_constraints_are_one_row_and_an_empty_alternative_is_never_refuted() -> None:
    a, b = constraint([1, 0], 0), constraint([0, 1], 0)
    rows = Rows(((a, b), (b,), ()), 2)
    assert rows.matrix.shape == (2, 2)
    assert [g.tolist() for g in rows.groups] == [[0, 1], [1], []]
    assert rows.refuted(np.array([[1.0, -1.0], [1.0, 1.0]])).tolist() == [
        [True, False, False],
        [True, True, False],
    ]
    assert rows.margin(np.array([[1.0, 1.0]])).tolist() == [-math.inf]
    assert Rows((), 2).margin(np.zeros((1, 0))).tolist() == [math.inf]
    assert not Rows(((a,),), 2).refuted(np.array([[math.nan]])).any()


def test_words_and_formulas() -> None:
    spec: Disjunction = (
        (constraint([1, -1], 0), constraint([0, 1], 2, strict=True)),
        (constraint([-1, 0], 5),),
    )
    assert in_words(spec) == "(Y_0 <= Y_1 and Y_1 < 2) or Y_0 >= -5"
    assert in_formulas(spec) == r"(y_{0} - y_{1} \le 0 \land y_{1} < 2) \lor -y_{0} \le 5"
    assert (in_words(()), in_words(((),))) == ("never", "always")


# ------------------------------------------------------------------------------------------------ what is wanted


WANTED = st.recursive(
    st.one_of(
        st.builds(margin, st.integers(0, 2), st.sampled_from([0, "0.1", 1])),
        st.builds(
            lambda r, d: linear([r], [d]),
            st.lists(st.integers(-2, 2), min_size=3, max_size=3),
            st.integers(-2, 2),
        ),
        st.builds(output_range, st.just(-1), st.integers(0, 2), st.sampled_from([None, 1])),
    ),
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda p: st.sampled_from([all_of(*p), any_of(*p)])
    ),
    max_leaves=4,
)


def holds(wanted: Wanted, y: list[Fraction]) -> bool:
    """What `wanted` means, said in the plainest way."""
    if wanted.constraints is not None:
        return all(c.holds(y) for c in wanted.constraints(len(y)))
    return (all if wanted.kind == "all" else any)(holds(p, y) for p in wanted.parts)


@given(WANTED, st.lists(st.integers(-2, 2).map(Fraction), min_size=3, max_size=3))
def test_unsafe_is_exactly_where_what_is_wanted_does_not_hold(wanted: Wanted, y: list[Fraction]) -> None:
    case = Case(box(np.zeros(1), np.zeros(1)), unsafe(wanted, 3))
    assert case.is_unsafe(y) is not holds(wanted, y)


def test_margins_ranges_and_rows() -> None:
    assert in_words(unsafe(margin(1), 3)) == "Y_1 <= Y_0 or Y_1 <= Y_2"
    assert in_words(unsafe(margin(0, "0.1"), 2)) == "Y_0 - Y_1 <= 0.1"
    assert in_words(unsafe(output_range(-1, [1, 2]), 2)) == "Y_0 < -1 or Y_1 < -1 or Y_0 > 1 or Y_1 > 2"
    assert in_words(unsafe(output_range(upper=3, output=1), 2)) == "Y_1 > 3"
    assert in_words(unsafe(linear([1, "0.1"], 2), 2)) == "-Y_0 - 0.1 Y_1 < -2"
    assert repr(any_of(margin(0), all_of(margin(1)))) == "any_of(margin(0), all_of(margin(1)))"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: unsafe(margin(3), 3), "one of 0 to 2, not 3"),
        (lambda: unsafe(linear([1, 2, 3], 0), 2), "3 columns, but the network has 2 outputs"),
        (lambda: linear([[1, 2]], [1, 2]), "of shape"),
        (lambda: linear([math.nan], 0), "not a finite number"),
        (lambda: linear([1], "many"), "'many' is not a finite number"),
        (output_range, "a lower or an upper end"),
        (lambda: unsafe(output_range([1, 2, 3]), 2), "3 ends for 2 outputs"),
        (lambda: unsafe(output_range(1, output=2), 2), "no output 2"),
        (any_of, "any_of takes specifications"),
        (lambda: all_of(3), "all_of takes specifications"),
        (lambda: unsafe(any_of(*[margin(0)] * 12), 10), "more than 100,000 alternatives"),
        (lambda: property_of(margin(0), None, 2, 2), "give a region"),
        (lambda: property_of("margin", None, 2, 2), "is no specification"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(make: object, said: str) -> None:
    with pytest.raises(SpecificationError, match=said):
        make()  # type: ignore[operator]


# ------------------------------------------------------------------------------------------------ VNN-LIB

DECLARED = "(declare-const X_0 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)"


def test_strict_and_unequal_comparisons_of_outputs() -> None:
    found = vnnlib.parse(
        DECLARED + "(assert (>= X_0 0))(assert (<= X_0 1))(assert (< Y_0 1))(assert (!= Y_1 2))"
    )
    assert in_words(found.cases[0].unsafe) == "(Y_0 < 1 and Y_1 < 2) or (Y_0 < 1 and Y_1 > 2)"
    same = vnnlib.parse(DECLARED + "(assert (>= X_0 0))(assert (<= X_0 1))(assert (== Y_0 1))")
    assert in_words(same.cases[0].unsafe) == "Y_0 <= 1 and Y_0 >= 1"


def test_open_ends_of_inputs_are_kept_beside_the_closed_box() -> None:
    found = vnnlib.parse(DECLARED + "(assert (> X_0 0.1))(assert (>= X_0 0.1))(assert (<= X_0 1))").cases[0]
    assert found.ends == Ends((Fraction(1, 10),), (Fraction(1),), frozenset({(0, -1)}))
    assert not found.ends.contain([Fraction(1, 10)])
    assert found.ends.contain([Fraction(1)])
    with pytest.raises(RegionError, match=r"above 1\.0 and at most 1\.0"):
        vnnlib.parse(DECLARED + "(assert (> X_0 1))(assert (<= X_0 1))")


def test_an_empty_box_beside_another_is_left_out() -> None:
    found = vnnlib.parse(
        DECLARED
        + "(assert (<= X_0 1))(assert (>= X_0 0))(assert (or (and (>= X_0 2) (<= Y_0 1)) (<= Y_0 3)))"
    )
    assert [in_words(c.unsafe) for c in found.cases] == ["Y_0 <= 3"]


TWO = """(vnnlib-version <2.0>)
(declare-network f (declare-input A real [1,2]) (declare-hidden H real [1,3] "r0") (declare-output B real [1,2]))
(declare-network g (isomorphic-to f) (declare-input C real [1,2]) (declare-output D real [1,2]))
(declare-network h (equal-to f) (declare-input E real [1,2]) (declare-output F real [1,2]))
(assert (and (>= A[0,0] 0.0) (<= A[0,0] 1.0) (>= A[0,1] -1.0) (<= A[0,1] 1.0)))
(assert (== A[0,0] C[0,0])) (assert (== C[0,1] A[0,1]))
(assert (and (>= E[0,0] 0.0) (<= E[0,0] 1.0) (== E[0,1] 0.5)))
(assert (<= A[0,0] E[0,0]))
(assert (or (> (+ B[0,0] (* 2.0 D[0,1])) H[0,2]) (<= (* A[0,1] (- F[0,0] 1.0) B[0,1]) 0.25)))
"""


def test_a_query_about_several_networks_is_one_network_and_linear_constraints(tmp_path: object) -> None:
    pytest.importorskip("vnnlib")
    path = tmp_path / "query.vnnlib"  # type: ignore[operator]
    path.write_text(TWO)
    rng = np.random.default_rng(1)
    graphs = {name: relu_network(rng, (2, 3, 2)) for name in "fg"}
    asked = query.load(path)
    assert (asked.needed, asked.semantics, asked.simple) == (("f", "g"), "real", None)
    joined = asked.about(graphs)
    assert joined.asked.inputs == 4  # A and C are the same two numbers
    assert str(joined.asked).count("A[0,1] * B[0,1] * F[0,0]") == 1
    plan = plan_of(joined.graph)
    x = rng.uniform(-1, 1, size=(200, 4)).astype(np.float32)
    values = real.run(plan, {joined.graph.inputs[0]: x}, np.float64)
    got = values[joined.graph.outputs[0]]
    counted = 0
    for k in range(200):
        a = e = None
        a, e = x[k, :2].astype(np.float64), x[k, 2:].astype(np.float64)
        f, g = (real.run(plan_of(graphs[n]), {"x": a.reshape(1, 1, 2)}, np.float64) for n in "fg")
        h = real.run(plan_of(graphs["f"]), {"x": e.reshape(1, 1, 2)}, np.float64)
        b, d, hidden, out = (v.reshape(-1) for v in (f["z1"], g["z1"], f["r0"], h["z1"]))
        first = b[0] + 2 * d[1] - hidden[2]
        second = a[1] * (out[0] - 1.0) * b[1] - 0.25
        third = e[0] - a[0]
        if min(abs(v) for v in (first, second, third)) < 1e-9:
            continue
        counted += 1
        wanted = third >= 0 and (first > 0 or second <= 0)
        assert joined.asked.cases[0].is_unsafe(got[k].tolist()) is bool(wanted)
    assert counted > 150


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("A real", "A float32", "line"),  # isomorphic networks declare the same: the parser says so
        ('"r0"', '"r7"', "no tensor 'r7'"),
        ('[1,3] "r0"', '[1,4] "r0"', r"declared \[1, 4\], but 'r0' in its model is \[1, 3\]"),
        ("real", "float16", "float16 is declared, which is not analysed soundly"),
        ("real", "float64", "declared float64, but 'x' in its model is float32"),
        ("(assert (<= A[0,0] E[0,0]))", "(assert (<= A[0,0] -2.0))", "the region is empty"),
    ],
)
def test_models_that_do_not_fit_their_declarations_are_refused(
    tmp_path: object, old: str, new: str, said: str
) -> None:
    pytest.importorskip("vnnlib")
    path = tmp_path / "query.vnnlib"  # type: ignore[operator]
    path.write_text(TWO.replace(old, new, 1) if old == "A real" else TWO.replace(old, new))
    graphs = {name: relu_network(np.random.default_rng(1), (2, 3, 2)) for name in "fg"}
    with pytest.raises((VnnlibError, RegionError), match=said):
        query.load(path).about(graphs)


def test_too_few_and_too_many_models_are_refused(tmp_path: object) -> None:
    pytest.importorskip("vnnlib")
    path = tmp_path / "query.vnnlib"  # type: ignore[operator]
    path.write_text(TWO)
    graph = relu_network(np.random.default_rng(1), (2, 3, 2))
    with pytest.raises(VnnlibError, match="none is given for 'g'"):
        query.load(path).about({"f": graph})
    with pytest.raises(VnnlibError, match="'h' is not one of them"):
        query.load(path).about({"f": graph, "g": graph, "h": graph})
