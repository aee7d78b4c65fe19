"""Rounding binary64 arrays to a format and back: nanoseconds an element, ours beside whatever is installed.

``python -m bench.rounding``.  Processor time of one thread; the median of nine runs over 2^20 numbers of ordinary size.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib
import sys
from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from workbench.floats.format import FORMATS, Format
from workbench.floats.rounding import MODES, round_to

COUNT = 1 << 20
TYPES = {
    "bfloat16": "bfloat16",
    "e4m3fn": "float8_e4m3fn",
    "e5m2": "float8_e5m2",
    "e2m3fn": "float6_e2m3fn",
    "e3m2fn": "float6_e3m2fn",
    "e2m1fn": "float4_e2m1fn",
}
INFOS = {
    "e4m3fn": "ocp_e4m3",
    "e5m2": "ocp_e5m2",
    "e2m3fn": "ocp_e2m3",
    "e3m2fn": "ocp_e3m2",
    "e2m1fn": "ocp_e2m1",
}


def nanoseconds(call: Callable[[], Any], count: int) -> float:
    """The median of nine runs after one to warm up, an element: processor time, so that other programs count little."""
    call()
    times = []
    for _ in range(9):
        start = process_time()
        call()
        times.append(process_time() - start)
    return 1e9 * median(times) / count


def optional(name: str) -> Any:
    """A package that may not be there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def peers(form: Format, x: np.ndarray) -> dict[str, tuple[Callable[[], Any], int]]:
    """What others need for the same, and for how many elements it is called."""
    found: dict[str, tuple[Callable[[], Any], int]] = {}
    native = {"binary32": np.float32, "binary16": np.float16}.get(form.name)
    if native is not None:
        found["numpy cast"] = (lambda: x.astype(native).astype(np.float64), x.size)
    ml_dtypes = optional("ml_dtypes")
    if ml_dtypes and form.name in TYPES:
        dtype = getattr(ml_dtypes, TYPES[form.name])
        found["ml_dtypes cast"] = (lambda: x.astype(dtype).astype(np.float64), x.size)
    small = x[: COUNT // 16]
    formats = optional("gfloat.formats")
    info = getattr(formats, f"format_info_{INFOS.get(form.name, form.name)}", None)
    if info is not None:
        import gfloat

        nearest = gfloat.RoundMode.TiesToEven
        found["gfloat"] = (lambda: gfloat.round_ndarray(info, small, nearest, sat=True), small.size)
    pychop = optional("pychop")
    if pychop and form.emax == 1 - form.emin:
        chop = pychop.Chop(exp_bits=(form.emax - form.emin + 2).bit_length(), sig_bits=form.precision - 1)
        found["pychop"] = (lambda: chop(small), small.size)
    return found


def main() -> None:
    """Print the table."""
    x = np.random.default_rng(0).normal(size=COUNT)
    x = np.clip(x, -4, 4)
    print("ns an element, binary64 in and out; nearest-even unless said otherwise")
    print(
        "ml_dtypes rounds twice on the way (binary64 to binary32 to the format): its answers are not always right"
    )
    for form in FORMATS.values():
        if form.name == "binary64":
            continue
        line = [f"{form.name:9} ours {nanoseconds(lambda form=form: round_to(x, form), COUNT):6.2f}"]
        line += [f"{name} {nanoseconds(call, n):6.2f}" for name, (call, n) in peers(form, x).items()]
        print("   ".join(line), flush=True)
    for mode in MODES:
        time = nanoseconds(lambda mode=mode: round_to(x, FORMATS["bfloat16"], mode), COUNT)
        print(f"bfloat16, {mode:13} ours {time:6.2f}")
    missing = [name for name in ("ml_dtypes", "gfloat", "pychop") if optional(name) is None]
    if missing:
        print(f"not installed here, so not shown: {', '.join(missing)}", file=sys.stderr)


if __name__ == "__main__":
    main()
