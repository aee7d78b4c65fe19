"""Property files: exact numbers, boxes, alternatives, and one clear error for everything malformed."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workbench.io import vnnlib
from workbench.io.vnnlib import VnnlibError
from workbench.region import RegionError
from workbench.spec import Constraint, float_of, in_words, misclassified

BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench"
ABSENT = pytest.param(
    None, marks=pytest.mark.skip("the reference networks (../shared/bench) are not on this machine")
)
FILES = sorted(BENCH.glob("**/*.vnnlib"))


def text(conditions: str, inputs: int = 1, outputs: int = 2) -> str:
    declared = [
        f"(declare-const {n} Real)"
        for n in [f"X_{i}" for i in range(inputs)] + [f"Y_{i}" for i in range(outputs)]
    ]
    return "\n".join([*declared, conditions])


BOX = "(assert (>= X_0 -1)) (assert (<= X_0 0.5))"


def test_a_small_property() -> None:
    found = vnnlib.parse(
        text(BOX + "; a comment (assert (\n(assert (or (<= Y_0 Y_1) (and (>= Y_0 3.25) (<= Y_1 -1e-3))))")
    )
    assert (found.inputs, found.outputs, len(found.cases)) == (1, 2, 1)
    assert found.region().lower.tolist() == [[-1.0]]
    assert found.region().upper.tolist() == [[0.5]]
    assert in_words(found.cases[0].unsafe) == "Y_0 <= Y_1 or (Y_0 >= 3.25 and Y_1 <= -0.001)"
    case = found.cases[0]
    assert case.is_unsafe([1.0, 1.0])
    assert not case.is_unsafe([2.0, 1.0])
    assert case.is_unsafe([4.0, -0.001]) is (Fraction(-0.001) <= Fraction(-1, 1000))


def test_linear_terms_are_exact() -> None:
    found = vnnlib.parse(text(BOX + "(assert (<= (+ (* 2 Y_0) (- Y_1 0.1) (- Y_0)) (/ 1 3)))"))
    (((constraint,),),) = (c.unsafe for c in found.cases)
    assert constraint == Constraint((Fraction(1), Fraction(1)), Fraction(1, 3) + Fraction(1, 10))
    assert str(constraint) == "Y_0 + Y_1 <= 13/30"
    assert constraint.row().tolist() == [1.0, 1.0]
    assert vnnlib.parse(
        text("(assert (<= (* -2 X_0) 1)) (assert (= (* 4 X_0) 2))")
    ).region().lower.tolist() == [[0.5]]


def test_alternatives_over_inputs_are_boxes() -> None:
    found = vnnlib.parse(
        text(
            """(assert (or (and (>= X_0 0) (<= X_0 1) (<= Y_0 Y_1)) (and (>= X_0 2) (<= X_0 3) (<= Y_1 Y_0))
                       (and (>= X_0 0) (<= X_0 1) (<= Y_0 7))))
               (assert (<= X_1 1)) (assert (>= X_1 0)) (assert (>= Y_0 -5))""",
            inputs=2,
        )
    )
    assert found.region((1, 2)).lower.tolist() == [[[0, 0]], [[2, 0]]]
    assert [in_words(c.unsafe) for c in found.cases] == [
        "(Y_0 >= -5 and Y_0 <= Y_1) or (Y_0 >= -5 and Y_0 <= 7)",
        "Y_0 >= -5 and Y_1 <= Y_0",
    ]
    assert "in box 1 unsafe where" in str(found)


def test_no_condition_on_outputs_is_always_unsafe() -> None:
    assert in_words(vnnlib.parse(text(BOX)).cases[0].unsafe) == "always"
    assert in_words(vnnlib.parse(text(BOX + "(assert (or (<= Y_0 1) (<= 1 2)))")).cases[0].unsafe) == "always"


def test_names_from_declare_fun_and_ignored_commands() -> None:
    found = vnnlib.parse(
        '(set-logic LRA)(set-info :x "a;b(")(declare-fun X_0 () Real)(declare-const Y_0 Real)'
        + BOX
        + "(check-sat)"
    )
    assert found.inputs == 1


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_written_out_reads_back_exactly(value: float) -> None:
    from decimal import Decimal

    digits = format(Decimal(value), "f")
    found = vnnlib.parse(text(f"(assert (<= X_0 {digits})) (assert (>= X_0 {digits}))")).region()
    assert found.lower.tolist() == found.upper.tolist() == [[value]]


@given(st.fractions(), st.integers(-400, 400))
@example(Fraction(9), 308)
@example(Fraction(-9), 308)
@example(Fraction(1), -400)
def test_ends_are_rounded_outward_by_at_most_one_float(value: Fraction, exponent: int) -> None:
    value *= Fraction(10) ** exponent
    low, high = float_of(value, -1), float_of(value, 1)
    assert low == -math.inf or Fraction(low) <= value
    assert high == math.inf or value <= Fraction(high)
    if Fraction(-sys.float_info.max) <= value <= Fraction(sys.float_info.max):
        assert high in (low, math.nextafter(low, math.inf))


def test_a_decimal_that_is_no_float_is_enclosed() -> None:
    region = vnnlib.parse(text("(assert (<= X_0 0.1)) (assert (>= X_0 0.1))")).region()
    assert Fraction(region.lower[0, 0]) < Fraction(1, 10) < Fraction(region.upper[0, 0])
    assert np.nextafter(region.lower, np.inf) == region.upper


def test_misclassified_names_every_other_class() -> None:
    assert in_words(misclassified(1, 3)) == "Y_1 <= Y_0 or Y_1 <= Y_2"
    for label in (-1, 3):
        with pytest.raises(ValueError, match="one of 0 to 2"):
            misclassified(label, 3)


BAD = [
    ("", "declares no input"),
    ("(declare-const X_0 Real)" + BOX, "declares no output"),
    (text("(assert (<= X_0 1)"), "line 4: an opening parenthesis is never closed"),
    (text("(assert (<= X_0 1)))"), "line 4: a closing parenthesis"),
    ("(" * 1000 + ")" * 1000, "nested more than 100"),
    ("(" * 10**6, "nested more than 100"),
    (text(BOX + '(set-info "no end)'), "quote that does not end"),
    (text("(assert (<= X_0 nan))"), "'nan' is neither a number"),
    (text("(assert (<= X_0 inf))"), "'inf' is neither a number"),
    (text("(assert (<= X_0 0x10))"), "'0x10' is neither"),
    (text("(assert (<= X_0 1_000))"), "'1_000' is neither"),
    (text("(assert (<= X_0 ٣))"), "neither"),
    (text("(assert (<= X_0 1e999999999))"), "too long or too large"),
    (text(f"(assert (<= X_0 {'9' * 100_000}))"), "too long or too large"),
    (text("(assert (<= X_0 1e400)) (assert (>= X_0 0))"), "beyond the range of float64"),
    (text("(assert (<= X_7 1))"), "X_7 is not declared"),
    (text("(assert (<= Z_0 1))"), "'Z_0' is neither"),
    (text("(declare-const Z_0 Real)"), "'Z_0': inputs are named"),
    (text("(declare-const X_0 Real)"), "X_0 is declared twice"),
    (text("(declare-const X_999999999 Real)"), "X_999999999 is declared, but X_1 is not"),
    (text("(declare-const X_1 Int)"), "a declaration reads"),
    (text("(declare-const)"), "a declaration reads"),
    (text(BOX + "(assert)"), "assert takes one condition"),
    (text(BOX + "(assert true)"), "'true' is not a condition"),
    (text(BOX + "(assert ())"), "is not a condition"),
    (text(BOX + "(assert ((<= X_0 1)))"), "is not a condition"),
    (text(BOX + "(assert (not (<= X_0 1)))"), "'not' is not one of"),
    (text(BOX + "(assert (<= Y_0 1 2))"), "compares two expressions"),
    (text(BOX + "(assert (<= (* Y_0 Y_1) 2))"), "multiplies variables"),
    (text(BOX + "(assert (<= (/ 1 Y_0) 2))"), "not a sum of multiples"),
    (text(BOX + "(assert (<= (/ Y_0 0) 2))"), "not a sum of multiples"),
    (text(BOX + "(assert (<= (sin Y_0) 2))"), "not a sum of multiples"),
    (text(BOX + "(assert (<= () 2))"), "not a sum of multiples"),
    (text(BOX + "(assert (<= X_0 Y_0))"), "mixes inputs and outputs"),
    (
        text(BOX + "(assert (<= X_0 X_1)) (assert (>= X_1 0)) (assert (<= X_1 1))", inputs=2),
        "comparison among inputs (X_0, X_1)",
    ),
    (text("(assert (<= X_0 1))"), "X_0 has no lower bound"),
    (text("(assert (>= X_0 1))"), "X_0 has no upper bound"),
    (text(BOX + "(assert (or))"), "contradict each other"),
    (text(BOX + "(assert (<= 2 1))"), "contradict each other"),
    (text(BOX + "(assert (or (<= Y_0 1) (<= Y_0 2)))" * 40), "more than 100,000 alternatives"),
    (text(BOX + "(exec rm)"), "neither a declaration nor an assertion"),
    (text(BOX + "word"), "neither a declaration nor an assertion"),
]


@pytest.mark.parametrize(("content", "said"), BAD, ids=[b[1] for b in BAD])
def test_malformed_files_are_one_clear_error(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.vnnlib"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(VnnlibError) as caught:
        vnnlib.load(path)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("ends", [("1", "0"), ("0.1000000000000000000000001", "0.1")])
def test_an_empty_box_is_refused_even_where_rounding_would_hide_it(ends: tuple[str, str]) -> None:
    with pytest.raises(RegionError, match="empty: X_0"):
        vnnlib.parse(text(f"(assert (>= X_0 {ends[0]})) (assert (<= X_0 {ends[1]}))"))


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00(assert")
    for path in (tmp_path, tmp_path / "none", tmp_path / "binary", "a\0b"):
        with pytest.raises(VnnlibError):
            vnnlib.load(path)


# version 2.0, through the standard's own parser

TWO = """(vnnlib-version <2.0>)
(declare-network f (declare-input A float32 [1,3]) (declare-output B float32 [2,1]))
(assert (<= A[0,0] 0.1)) (assert (>= A[0,0] -0.1))
(assert (and (>= A[0,1] 0.0) (<= A[0,1] 1.0) (>= A[0,2] (- 1.0)) (<= A[0,2] 1.0)))
(assert (or (>= B[0,0] B[1,0]) (<= (+ (* 2.0 B[0,0]) (- B[1,0] 0.5)) 3.0)))
"""


def test_version_two() -> None:
    pytest.importorskip("vnnlib")
    found = vnnlib.parse(TWO)
    assert (found.inputs, found.outputs) == (3, 2)
    assert in_words(found.cases[0].unsafe) == "Y_1 <= Y_0 or 2 Y_0 + Y_1 <= 3.5"
    region = found.region((1, 3))
    assert region.lower[0, 0, 1:].tolist() == [0.0, -1.0]
    assert Fraction(region.lower[0, 0, 0]) < Fraction(-1, 10)  # the decimal, not the nearest float


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<2.0>", "", "not VNN-LIB 2.0"),
        ("A[0,0] 0.1", "A[9,0] 0.1", "not VNN-LIB 2.0"),
        ("A[0,0] 0.1", "C[0,0] 0.1", "not VNN-LIB 2.0"),
        ("(<= A[0,0] 0.1)", "(<= A[0,0] B[0,0])", "mixes inputs and outputs"),
        ("(<= A[0,0] 0.1)", "(>= A[0,0] 0.0)", "X_0 has no upper bound"),
        ("[1,3])", "[1,3]) (declare-input C float32 [1])", "only one input"),
        ("[1,3]", "[100000,3000]", "too many"),
    ],
)
def test_malformed_version_two(old: str, new: str, said: str) -> None:
    pytest.importorskip("vnnlib")
    with pytest.raises(VnnlibError) as caught:
        vnnlib.parse(TWO.replace(old, new, 1))
    assert said in str(caught.value)


def test_version_two_without_its_package_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vnnlib", None)
    with pytest.raises(VnnlibError, match=r"install it, or use a 1\.0 file"):
        vnnlib.parse(TWO)


@pytest.mark.bench
@pytest.mark.parametrize("path", FILES or [ABSENT], ids=lambda p: getattr(p, "stem", "absent"))
def test_reference_properties(path: Path) -> None:
    found = vnnlib.load(path)
    region = found.region()
    assert region.lower.shape == (len(found.cases), found.inputs)
    declared = path.read_text().count("(declare-const Y_")
    assert found.outputs == declared
    assert all(
        len(c.coefficients) == declared for case in found.cases for every in case.unsafe for c in every
    )
    assert all(case.unsafe and all(case.unsafe) for case in found.cases)
    assert len(found.cases) == (
        2 if path.parent.parent.name == "acasxu_2023" and path.stem == "prop_6" else 1
    )
