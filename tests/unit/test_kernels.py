"""The C++ kernels against NumPy's code, which specifies them: bit for bit, or within the charges of the engine."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from workbench.arrays import kernels
from workbench.floats.execute import HARDWARE, matmul
from workbench.floats.format import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    BINARY64,
    E2M1FN,
    E4M3FN,
    E5M2,
    TF32,
    Format,
    fix,
    fixed_point,
    flt,
    ftz,
)
from workbench.floats.machine import Machine
from workbench.floats.order import Blocked
from workbench.floats.rounding import MODES, round_to
from workbench.graph import Array
from workbench.methods.crown import crown
from workbench.region import Region
from workbench.semantics.plan import plan_of

REPOSITORY = Path(__file__).resolve().parents[2]
needs_kernels = pytest.mark.skipif(
    kernels.NATIVE is None, reason=f"the C++ kernels are not used here ({kernels.status()})"
)
FORMATS = (
    BINARY32,
    BINARY16,
    BFLOAT16,
    TF32,
    E4M3FN,
    E5M2,
    E2M1FN,
    ftz(8, -14),
    flt(11, -30),
    fix(-3),
    fixed_point(8, 4),
    fixed_point(8, 0, signed=False),
    Format("p52", 52, -1000, 1000),
    Format("p1", 1, -3, 3),
    Format("coarse", 3, 10, 20, subnormals=False),
)


def by_numpy(compute: object, *args: object, **named: object) -> Array:
    """A call with the kernels turned off."""
    held = kernels.NATIVE
    kernels.NATIVE = None
    try:
        return compute(*args, **named)  # type: ignore[operator]
    finally:
        kernels.NATIVE = held


def same_bits(a: Array, b: Array) -> bool:
    """Equal, signs of zeros included; one NaN is as good as another."""
    nan = np.isnan(a) & np.isnan(b)
    return bool(((a == b) & (np.signbit(a) == np.signbit(b)) | nan).all())


def awkward(form: Format, rng: np.random.Generator) -> Array:
    """Numbers around everything that a rounding treats apart: ties, ends of the range, subnormal numbers, specials."""
    scale = 2.0 ** np.clip(np.arange(form.emin - form.precision - 3, min(form.emax, 1000) + 4), -1074, 1020)
    scale = np.unique(scale[:: max(1, len(scale) // 60)])
    steps = np.arange(-17, 18) / 8.0
    near = (1 + steps * max(form.unit, 2.0**-50))[:, None] * scale
    ends = np.array([form.largest, form.lowest, form.normal, form.spacing, form.eta])
    ends = ends[np.isfinite(ends)]
    around = np.concatenate([ends, np.nextafter(ends, np.inf), np.nextafter(ends, -np.inf), 0.5 * ends])
    specials = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 2.0**-1022, sys.float_info.max])
    free = rng.standard_normal(3000) * 2.0 ** rng.integers(-40, 40, 3000)
    x = np.concatenate([near.reshape(-1), around, specials, free])
    return np.concatenate([x, -x])


@needs_kernels
@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f.name)
def test_rounding_gives_the_same_bits(form: Format) -> None:
    x = awkward(form, np.random.default_rng(1))
    for mode in MODES:
        for overflow in ("saturate", "inf") if form.infinities or form.nans else ("saturate",):
            out = np.empty_like(x)
            assert kernels.round_to(x, out, form, mode, overflow), "the kernel refused"
            assert same_bits(out, by_numpy(round_to, x, form, mode, overflow=overflow)), (mode, overflow)


@needs_kernels
def test_formats_that_the_kernels_do_not_know_are_left_to_numpy() -> None:
    x = np.linspace(-3, 3, 100)
    for form in (BINARY64, Format("p53", 53, -10, 10), Format("deep", 10, -1060, 10)):
        assert not kernels.round_to(x, np.empty_like(x), form, "nearest-even", "inf")
    assert not kernels.round_to(x[::2][:64], np.empty(50), BINARY16, "up", "inf"), "not row after row"


MACHINES = (
    None,
    Machine(BINARY32),
    Machine(BINARY64),
    Machine(BFLOAT16),
    Machine(BINARY16, overflow="saturate"),
    Machine(E4M3FN),
    Machine(BINARY32, "toward-zero"),
    Machine(BINARY32, subnormals="flush"),
    *(Machine(Format("p5", 5, -6, 7), mode) for mode in MODES if mode != "down"),
)


@needs_kernels
@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_sums_in_an_order_give_the_same_bits(machine: Machine | None) -> None:
    """Shapes below, at and beyond the widths of the vectors; sizes from subnormal numbers to overflow; zeros."""
    rng = np.random.default_rng(2)
    orders = [(o, False) for o in ("sequential", "reversed", "random", "pairwise", Blocked(3), Blocked(8))]
    orders += [("sequential", True)]
    tried = 0
    for (n, k, m), spread, (order, fused) in itertools.product(
        [(3, 1, 2), (2, 7, 17), (5, 33, 70), (40, 20, 3)], (1, 60), orders
    ):
        kind = np.dtype(np.float32) if machine is None else machine.dtype
        x, y = (
            rng.standard_normal(shape)
            * 2.0 ** rng.integers(-spread, spread, shape)
            * (rng.random(shape) > 0.2)
            for shape in ((n, k), (2, k, m))
        )
        x, y = (v.astype(kind) if machine is None else machine.rounded(v) for v in (x, y))
        one = HARDWARE if machine is None else machine
        if fused and kind == np.float64 and one.native:
            continue  # left to NumPy, whose emulation is the specification
        with np.errstate(all="ignore"):
            sequence = np.random.default_rng(5).permutation(k) if order == "random" else np.arange(k)
            sequence = sequence[::-1] if order == "reversed" else sequence
            how = kernels.FUSED if fused else kernels.PAIRWISE if order == "pairwise" else kernels.RUNNING
            how = kernels.BLOCKED if isinstance(order, Blocked) else how
            size = order.size if isinstance(order, Blocked) else 0
            found = kernels.ordered(x, y, how, sequence, size, machine)
            assert found is not None, "the kernel refused"
            wanted = by_numpy(matmul, x, y, order, np.random.default_rng(5), one, fused)
            through = matmul(x, y, order, np.random.default_rng(5), one, fused)
        assert found.dtype == wanted.dtype
        assert same_bits(found, wanted), (n, k, m, spread, order, fused)
        assert same_bits(through, wanted)
        tried += 1
    assert tried >= 40


@needs_kernels
def test_the_kernels_refuse_what_does_not_fit() -> None:
    """Nothing is read or written outside of an array, whatever is asked for."""
    rows, vector = np.ones((1, 2, 5)), np.ones((1, 4))
    native, low = kernels.NATIVE, np.empty((1, 2))
    with pytest.raises(ValueError, match="does not fit"):
        native.dots(rows, vector, None, low, None)
    with pytest.raises(ValueError, match="outside"):
        native.product(np.ones((9, 3)), [(np.array([0, 3]), np.ones((2, 2)))], np.empty((9, 2)))
    with pytest.raises(ValueError, match="size"):
        native.product(np.ones((9, 2)), [(None, np.ones((2, 2)))], np.empty((9, 3)))
    with pytest.raises(TypeError):
        native.dots(rows.astype(np.float32), np.ones((1, 5)), None, low, None)
    fixed = rows.copy()
    fixed.flags.writeable = False
    with pytest.raises(TypeError):
        native.relax(fixed, None, None, *[np.ones((1, 5))] * 2, None, None, np.ones((1, 5)), None, None, low)


def exactly(row: Array, vector: Array) -> tuple[Fraction, Fraction]:
    """The dot product and that of magnitudes, exactly."""
    parts = [Fraction(float(a)) * Fraction(float(b)) for a, b in zip(row, vector, strict=True)]
    return sum(parts, Fraction(0)), sum((abs(p) for p in parts), Fraction(0))


def within(found: float, row: Array, vector: Array) -> bool:
    """Whether a float sum is within gamma_n, and underflow, of the exact one."""
    truth, size = exactly(row, vector)
    n = len(row)
    gamma = Fraction(n, 2**53) / (1 - Fraction(n, 2**53))
    return abs(Fraction(float(found)) - truth) <= gamma * size + n * Fraction(1, 2**1074)


def rough(rng: np.random.Generator, *shape: int) -> Array:
    """Numbers that cancel, of very different sizes, some of them 0 or subnormal."""
    x = rng.standard_normal(shape) * 2.0 ** rng.integers(-30, 30, shape) * (rng.random(shape) > 0.1)
    return np.where(rng.random(shape) < 0.02, 5e-324, x)


@needs_kernels
@pytest.mark.parametrize("regions", [1, 3])
def test_the_relaxation_step_keeps_its_bits_and_its_charges(regions: int) -> None:
    rng = np.random.default_rng(3)
    for k, one, picked in itertools.product((8, 67, 131), (True, False), (True, False)):
        rows = rough(rng, regions, 1 + 1100 // k, k)
        at = np.sort(rng.permutation(k)[: k - 3]) if picked else None
        m = k if at is None else len(at)
        slope, gap, offset, offset_gap = (rough(rng, 1 if one else regions, m) for _ in range(4))
        charge = np.abs(rough(rng, 1 if one else regions, m))
        given = rows if at is None else rows[:, :, at]
        new, size = given * slope[:, None] + np.abs(given) * gap[:, None], np.abs(given)
        mine = rows.copy()
        done = kernels.relax(mine, at, (slope, gap), (offset, offset_gap), charge)
        assert done is not None, "the kernel refused"
        assert same_bits(mine if at is None else mine[:, :, at], new)
        if at is not None:
            rest = np.setdiff1d(np.arange(k), at)
            assert same_bits(mine[:, :, rest], rows[:, :, rest])
        added, cost = done
        assert added is not None
        for b, r in ((0, 0), (regions - 1, len(rows[0]) - 1)):
            here = min(b, len(slope) - 1)
            assert within(cost[b, r], size[b, r], charge[here])
            both = np.concatenate([given[b, r], size[b, r]])
            assert within(added[b, r], both, np.concatenate([offset[here], offset_gap[here]]))


@needs_kernels
def test_dot_products_and_tiles_stay_within_gamma() -> None:
    rng = np.random.default_rng(4)
    for k in (3, 16, 77, 300):
        rows, c, r = rough(rng, 2, 1 + 1100 // k, k), rough(rng, 2, k), np.abs(rough(rng, 1, k))
        found = kernels.dots(rows, c, r)
        assert found is not None, "the kernel refused"
        for b, i in ((0, 0), (1, -1)):
            assert within(found[0][b, i], rows[b, i], c[b])
            assert within(found[1][b, i], np.abs(rows[b, i]), r[0])
    for n, width in ((8, 40), (29, 130), (101, 50)):
        rows, tiles = rough(rng, n, width), []
        for k, j in ((5, 1), (33, 16), (20, 37)):
            tiles.append((rng.permutation(width)[:k], rough(rng, k, j)))
        product = kernels.product(rows, tiles)
        assert product is not None, "the kernel refused"
        first = 0
        for take, matrix in tiles:
            for i, j in ((0, 0), (n - 1, matrix.shape[1] - 1)):
                assert within(product[i, first + j], rows[i, take], matrix[:, j])
            near = np.abs(rows[:, take]) @ np.abs(matrix) * 2.0**-46
            assert (
                np.abs(product[:, first : first + matrix.shape[1]] - rows[:, take] @ matrix) <= near
            ).all()
            first += matrix.shape[1]


@needs_kernels
def test_rows_take_the_lines_of_their_own_region() -> None:
    rng = np.random.default_rng(7)
    rows, which = rough(rng, 60, 21), rng.integers(0, 4, 60)
    slope, gap, offset, offset_gap = (rough(rng, 4, 21) for _ in range(4))
    found = kernels.relax_each(rows, which, (slope, gap), (offset, offset_gap))
    assert found is not None, "the kernel refused"
    assert same_bits(found[0], rows * slope[which] + np.abs(rows) * gap[which])
    for r in (0, 31, 59):
        assert within(found[1][r], rows[r], offset[which[r]])
        assert within(found[2][r], np.abs(rows[r]), offset_gap[which[r]])
    with pytest.raises(ValueError, match="outside"):
        kernels.relax_each(rows, which + 1, (slope, gap), (offset, offset_gap))


EVERYTHING = """
import hashlib, numpy as np
from workbench.arrays import kernels
from workbench.floats.execute import matmul
from workbench.floats.format import BFLOAT16, BINARY32
from workbench.floats.machine import Machine
from workbench.floats.rounding import round_to
rng = np.random.default_rng(8)
x, y = rng.standard_normal((9, 50)), rng.standard_normal((50, 33))
found = [round_to(x, BFLOAT16, "nearest-even"), round_to(x, BFLOAT16, "up")]
for machine in (Machine(BFLOAT16), Machine(BINARY32), Machine(BFLOAT16, "to-odd")):
    a, b = machine.rounded(x), machine.rounded(y)
    found += [matmul(a, b, order, rng, machine) for order in ("sequential", "pairwise")]
    found.append(matmul(a, b, "sequential", rng, machine, True))
rows = rng.standard_normal((1, 60, 37))
kernels.relax(rows, None, (rows[0, :1].copy(), rows[0, 1:2].copy()), None, np.ones((1, 37)))
digest = hashlib.sha256(b"".join(v.tobytes() for v in [*found, rows])).hexdigest()
size = np.abs(x) @ np.abs(y)
near = kernels.product(x, [(np.arange(50), y), (np.arange(50)[::-1].copy(), y[::-1].copy())])
low, loss = kernels.dots(rows, rows[0, :1].copy(), None)
close = (np.abs(near[:, :33] - x @ y) <= 1e-14 * size).all() and (np.abs(near[:, 33:] - x @ y) <= 1e-14 * size).all()
print(kernels.NATIVE.instructions, digest, close and np.abs(low - rows @ rows[0, 0]).max() < 1e-13)
"""


@needs_kernels
def test_every_set_of_instructions_gives_the_same_bits() -> None:
    """What other processors run: the loops are compiled for three, of which the import chooses one."""
    here = kernels.NATIVE.instructions
    sets = ("base", "avx2", "avx512")
    said = set()
    for name in sets[: sets.index(here) + 1]:
        asked = {**os.environ, "WORKBENCH_KERNELS": name}
        command = [sys.executable, "-c", EVERYTHING]
        done = subprocess.run(command, env=asked, capture_output=True, text=True, check=True).stdout.split()
        assert done[0] == name
        assert done[2] == "True"
        said.add(done[1])
    assert len(said) == 1


@needs_kernels
def test_bounds_with_and_without_kernels_agree() -> None:
    """On a convolutional and on a dense network, alone and in a batch: the same up to what floats round."""
    from workbench import examples

    for model in (examples.digits(), examples.digits_conv()):
        assert model.examples
        x = np.asarray(model.examples[0][1], np.float64).reshape(model.input_shape)
        shifts = np.linspace(0, 0.01, 5).reshape(-1, *(1,) * x.ndim)
        plan = plan_of(model.graph)
        regions = {model.graph.inputs[0]: Region(x - 0.02 + shifts, x + 0.02 + shifts)}
        mine, theirs = crown(plan, regions), by_numpy(crown, plan, regions)
        name = model.graph.outputs[0]
        for a, b in ((mine[name].lower, theirs[name].lower), (mine[name].upper, theirs[name].upper)):
            assert np.allclose(a, b, rtol=1e-9, atol=1e-9)


def test_the_kernels_can_be_turned_off() -> None:
    code = "from workbench.arrays import kernels; print(kernels.NATIVE is None, kernels.status())"
    off = {**os.environ, "WORKBENCH_KERNELS": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=off, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("True NumPy alone: WORKBENCH_KERNELS=0")


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="there is no CUDA compiler here")
def test_the_cuda_twins_compile_and_their_headers_round_alike_on_the_processor(tmp_path: Path) -> None:
    """No GPU is needed: the twins are compiled for one, and what they share with the processor is run on it."""
    folder = REPOSITORY / "kernels"
    flags = ["-std=c++17", "-fmad=false", "-Xcompiler=-ffp-contract=off", f"-I{folder / 'include'}"]
    program = tmp_path / "check"
    subprocess.run(["nvcc", *flags, "-arch=sm_80", "-o", program, folder / "cuda/check.cu"], check=True)
    form, rng = BFLOAT16, np.random.default_rng(6)
    x, y = round_to(rng.standard_normal((4, 9)), form), round_to(rng.standard_normal((9, 5)), form)
    numbers = " ".join(float(v).hex() for v in (*x.reshape(-1), *y.reshape(-1)))
    said = subprocess.run(
        [program, "4", "9", "5"], input=numbers, capture_output=True, text=True, check=True
    ).stdout
    words = [float.fromhex(word) for word in said.split()]
    for i, order in enumerate(("sequential", "pairwise", Blocked(4))):
        wanted = by_numpy(matmul, x, y, order, rng, Machine(form))
        assert same_bits(np.array(words[20 * i : 20 * (i + 1)]).reshape(4, 5), wanted), order
    rounded = by_numpy(round_to, x / 3, BINARY16)
    assert same_bits(np.array(words[60:]).reshape(4, 9), rounded)


def test_an_empty_batch_is_left_to_numpy() -> None:
    x, y = np.ones((0, 2, 3)), np.ones((3, 4))
    assert kernels.ordered(x, y, kernels.RUNNING, np.arange(3), 0) is None
