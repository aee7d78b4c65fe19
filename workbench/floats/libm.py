"""Every input of a unary library function, held against guaranteed enclosures: an assumption becomes a checked fact.

A network's float program leans on exp, tanh and their kin, of which no standard says how exact they are.  Over a
16-bit format, or over binary32, all inputs can be tried.  What comes out is a statement about *this* implementation on
*this* machine: the largest error in ulps, where it occurs, and a hash of all the answers, so that whoever finds the
same hash has the same function.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from math import ceil
from types import MappingProxyType
from typing import Any

import numpy as np

from workbench.arrays import balls, elementary
from workbench.floats.bits import decode, width
from workbench.floats.format import BFLOAT16, BINARY16, BINARY32, FORMATS, Format, ulp
from workbench.floats.rounding import is_number_of
from workbench.graph import Array

CHUNK = 1 << 18  # inputs at once, and the step of the hash: part of its definition
ALLOWED = {f.name: f for f in (BINARY32, BINARY16, BFLOAT16)}
Enclosure = Callable[[Array, Array], tuple[Array, Array]]

# name -> (guaranteed enclosure, where the real function is defined)
REFERENCES: Mapping[str, tuple[Enclosure, Callable[[Array], Array]]] = MappingProxyType(
    {
        "exp": (elementary.exp, np.isfinite),
        "expm1": (elementary.expm1, np.isfinite),
        "log": (elementary.log, lambda x: np.isfinite(x) & (x > 0)),
        "log1p": (elementary.log1p, lambda x: np.isfinite(x) & (x > -1)),
        "sqrt": (elementary.sqrt, lambda x: np.isfinite(x) & (x >= 0)),
        "tanh": (elementary.tanh, np.isfinite),
        "erf": (elementary.erf, np.isfinite),
        "sin": (elementary.sin, np.isfinite),
        "cos": (elementary.cos, np.isfinite),
        "sigmoid": (elementary.sigmoid, np.isfinite),
    }
)


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan, finished or not; `text` and `from_text` carry it over an interruption.

    Parameters
    ----------
    function, form : names of the reference and of the format.
    done, total : codes of inputs tried, in order from 0, and all of them.
    worst, worst_input : an upper bound on the largest error in ulps so far (of the format, at the exact value), which
        exceeds the true one by less than 2^-20; and the input, -1 codes for none.
    faults : inputs whose answer is wrong in kind: a NaN where there is a value, a number where there is none, an
        infinity where the exact value is far from overflow; the first of them is `first_fault`.
    digest : SHA-256 over the answers' binary64 codes, chained chunk by chunk.
    """

    function: str
    form: str
    done: int
    total: int
    worst: float = 0.0
    worst_input: float | None = None
    faults: int = 0
    first_fault: float | None = None
    digest: str = ""

    @property
    def finished(self) -> bool:
        """Whether every input was tried."""
        return self.done == self.total

    @property
    def most(self) -> str:
        """The largest error in ulps, with three digits after the point, rounded up."""
        return f"{ceil(self.worst * 1000) / 1000:.3f}"

    def text(self) -> str:
        """JSON of it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Scan:
        """What `text` gave.

        Raises
        ------
        ValueError
            A text that is no scan's.
        """
        try:
            scan = cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise ValueError(f"this is no saved scan: {error}") from error
        _checked(scan.function, FORMATS.get(scan.form, scan.form))
        if not 0 <= scan.done <= scan.total:
            raise ValueError(f"this is no saved scan: {scan.done} of {scan.total} inputs done")
        return scan

    def sentence(self) -> str:
        """What was found, in words."""
        part = "all" if self.finished else f"the first {self.done} of"
        kind = (
            ""
            if not self.faults
            else f"; {self.faults} answers wrong in kind, the first at {self.first_fault!r}"
        )
        at = "" if self.worst_input is None else f" (at {self.worst_input!r})"
        return (
            f"{self.function} in {self.form}: at most {self.most} ulp{at} over {part} {self.total} inputs{kind}; "
            f"answers {self.digest[:16]}"
        )


def start(function: str, form: Format) -> Scan:
    """A scan that has tried nothing yet.

    Raises
    ------
    ValueError
        A function without a reference, or a format whose inputs are too many or have no bits.
    """
    _checked(function, form)
    return Scan(function, form.name, 0, 1 << width(form))


def _checked(function: str, form: Format | str) -> None:
    if function not in REFERENCES:
        raise ValueError(f"there is no reference for {function!r}: choose one of {', '.join(REFERENCES)}")
    if not isinstance(form, Format) or form.name not in ALLOWED:
        name = form.name if isinstance(form, Format) else form
        raise ValueError(f"inputs of {name} cannot all be tried: choose one of {', '.join(ALLOWED)}")


def scan(
    state: Scan,
    implementation: Callable[[Array], Any],
    *,
    inputs: int | None = None,
    progress: Callable[[Scan], bool | None] | None = None,
) -> Scan:
    """Go on with a scan.

    Parameters
    ----------
    state : from `start`, or an unfinished scan.
    implementation : what is tried: takes an array of inputs (float32 for binary32, float16 for binary16, else float32
        numbers of the format), returns numbers of the format in any float type.
    inputs : how many to try now, rounded up to whole chunks; all that are left where nothing is said.
    progress : called after each chunk; True stops there.

    Raises
    ------
    ValueError
        Answers of another shape than the inputs, or finite ones that are not numbers of the format.
    """
    form = ALLOWED[state.form]
    until = state.total if inputs is None else min(state.total, state.done + inputs)
    while state.done < until:
        size = min(CHUNK, state.total - state.done)
        with np.errstate(all="ignore"):
            x, given = _inputs(state.done, size, form)
            answers = np.asarray(implementation(given))
            got = answers.astype(np.float64)
            if got.shape != x.shape:
                raise ValueError(
                    f"the implementation made shape {got.shape} of {x.shape}: it must work elementwise"
                )
            own = form is BINARY32 and answers.dtype == np.float32
            alien = np.zeros(1, bool) if own else np.isfinite(got) & ~is_number_of(got, form)
            if alien.any():
                raise ValueError(f"the answer {float(got[alien][0])!r} is not a number of {form.name}")
            state = _with(state, x, got, form)
        if progress is not None and progress(state):
            break
    return state


def _inputs(first: int, size: int, form: Format) -> tuple[Array, Array]:
    """The numbers with these codes, in float64 and as an implementation is given them."""
    if form is BINARY32:
        given = np.arange(first, first + size, dtype=np.uint64).astype(np.uint32).view(np.float32)
        return given.astype(np.float64), given
    x = decode(np.arange(first, first + size, dtype=np.uint64), form)
    return x, x.astype(np.float16 if form is BINARY16 else np.float32)


def _with(state: Scan, x: Array, got: Array, form: Format) -> Scan:
    """The state after one more chunk."""
    error, fault = errors(state.function, x, got, form)
    clean = np.where(np.isnan(got), np.nan, got)  # NaNs of any payload are one answer
    digest = hashlib.sha256(bytes.fromhex(state.digest) + clean.astype("<f8").tobytes()).hexdigest()
    state = replace(state, done=state.done + x.size, digest=digest, faults=state.faults + int(fault.sum()))
    if fault.any() and state.first_fault is None:
        state = replace(state, first_fault=float(x[fault][0]))
    i = int(np.argmax(error))
    if error[i] > state.worst:
        state = replace(state, worst=float(error[i]), worst_input=float(x[i]))
    return state


def errors(function: str, x: Array, got: Array, form: Format) -> tuple[Array, Array]:
    """Bounds on the errors of answers in ulps, and which answers are wrong in kind (those have error 0).

    At an exact value y the unit is ulp(y) of the format: the spacing of its subnormal numbers where y is small.  An
    infinity is right where y lies at most one ulp short of what rounds to it; its error is then called 0.
    """
    enclosure, defined = REFERENCES[function]
    inside = np.asarray(defined(x))
    safe = np.where(inside, x, 1.0)
    low, high = enclosure(safe, safe)
    finite = np.isfinite(got) & inside
    answer = np.where(finite, got, 0.0)
    # float64's rounding of these differences, and the enclosure's width, are below 2^-24 of the format's ulp
    distance = np.maximum(np.abs(answer - low), np.abs(high - answer)) * (1 + 2.0**-50)
    unit = ulp(np.minimum(np.abs(low), np.abs(high)), form)
    exact = (low == high) & (answer == low)
    error = np.where(finite & ~exact, distance / unit, 0.0)
    # beyond the largest number the last unit is that of the largest
    error = np.where(finite & (np.abs(answer) == form.largest) & np.isinf(error), 0.0, error)
    edge = form.largest * (1 - 2 * form.unit)
    infinite = np.isinf(got) & inside
    wrong = infinite & ~(np.where(got > 0, high, -low) > edge)
    wrong |= inside & np.isnan(got)
    return error, np.asarray(wrong | (_undefined(function, x) & ~np.isnan(got)))


def _undefined(function: str, x: Array) -> Array:
    """Where the answer must be NaN."""
    nan = np.isnan(x)
    match function:
        case "log" | "sqrt":
            return np.asarray(nan | (x < 0))
        case "log1p":
            return np.asarray(nan | (x < -1))
        case "sin" | "cos":
            return np.asarray(nan | np.isinf(x))
    return np.asarray(nan)


def checked_by_balls(scan: Scan) -> tuple[float, float]:
    """The exact value at the worst input between two float64, from FLINT's balls: a second opinion on the enclosure.

    Raises
    ------
    ValueError
        A scan without errors so far, or a function that the balls are not asked for here.
    """
    if scan.worst_input is None or scan.function == "sigmoid":
        raise ValueError(f"there is nothing to check again in: {scan.sentence()}")
    x = np.array([scan.worst_input])
    low, high = balls.image(scan.function, x, x, None)
    return float(low[0]), float(high[0])
