"""Replay: every operation behind one neuron, with what each of them lost; told to the front end as plain data.

Trait ``replay``: ``{node, index, order, format, value, steps, total, hidden, rounded, sum_error, chart, state,
message}`` with the stamp's fields; ``chart``: ``[[k, sum_error]]``.  A step: ``{k, operation, operands: [text], value,
text, bits, exact, error, error_text, ulps, sum_error}``; ``sum_error`` is what a partial sum is off from the exact sum
of all products in it.  Numbers for pictures are floats, numbers to read are text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from traitlets import Dict, List, Unicode

from workbench.floats import Format, inspect, is_number_of
from workbench.floats.program import program_of
from workbench.floats.typed import decimal
from workbench.methods.progress import Progress
from workbench.semantics.replay import Replay, Step, replay
from workbench.views import wire
from workbench.views.floatnumber import brief, size_text
from workbench.views.widgets import View, bundle
from workbench.worker import Worker

ORDERS = ("sequential", "reversed", "pairwise", "blocked(8)", "random", "adversarial", "fma")
LISTED = 400  # steps that are listed, the first half and the last
POINTS = 1500  # of the curve; beyond, the worst of each stretch
LONG = 40
DOTS = "\N{HORIZONTAL ELLIPSIS}"


def short_rational(x: Fraction) -> str:
    """A rational in one line: its decimals where they are few, else as a quotient, its middle left out."""
    digits = decimal(x)
    found = digits if digits is not None and len(digits) <= LONG else str(x)
    return found if len(found) <= LONG else f"{found[: LONG // 2]}{DOTS}{found[-LONG // 2 + 1 :]}"


def _float(x: Fraction | None) -> float | None:
    return None if x is None else float(x)


def _step(k: int, step: Step, form: Format, stored: Format) -> dict[str, Any]:
    own = stored if step.operation == "store" else form
    number = inspect(step.value, own) if bool(is_number_of(np.asarray(step.value), own)) else None
    error = step.error
    return {
        "k": k,
        "operation": step.operation,
        "operands": [brief(v, form) for v in step.operands],
        "value": step.value if math.isfinite(step.value) else None,
        "text": brief(step.value, own),
        "bits": None if number is None else number.bits,
        "exact": None if step.exact is None else short_rational(step.exact),
        "error": _float(error),
        "error_text": None if error is None else "0" if not error else size_text(error),
        "ulps": None
        if error is None or number is None or not number.ulp
        else float(error / Fraction(number.ulp)),
        "sum_error": _off(step),
    }


def _off(step: Step) -> float | None:
    """What a partial sum is off from the exact sum of what is in it."""
    if step.ideal is None or not math.isfinite(step.value):
        return None
    return float(Fraction(step.value) - step.ideal)


def _curve(steps: tuple[Step, ...]) -> list[tuple[int, float]]:
    """(step, error of the partial sum so far), thinned so that the worst of each stretch stays."""
    offs = [(k, _off(step)) for k, step in enumerate(steps)]
    points = [(k, off) for k, off in offs if off is not None]
    if len(points) <= POINTS:
        return points
    size = -(-len(points) // POINTS)
    kept = {max(points[i : i + size], key=lambda p: abs(p[1])) for i in range(0, len(points), size)}
    return sorted(kept | {points[0], points[-1]})


def picture(found: Replay, program: Any) -> dict[str, Any]:
    """A replay as plain data for the front end."""
    own, count, half = program_of(program).at(found.node), len(found.steps), LISTED // 2
    listed = [k for k in range(count) if count <= LISTED or k < half or k >= count - half]
    chart = _curve(found.steps)
    return {
        "order": found.order,
        "accumulator": own.accumulator.name,
        "stored": own.activations.name,
        "value": brief(found.value, own.activations),
        "steps": [_step(k, found.steps[k], own.accumulator, own.activations) for k in listed],
        "total": count,
        "hidden": count - len(listed),
        "rounded": sum(1 for step in found.steps if step.error),
        "sum_error": chart[-1][1] if chart else None,
        "chart": [list(point) for point in chart],
    }


class Replayer(View):
    """What views with a replay share: the trait, and the work off the main thread."""

    replay = Dict().tag(sync=True)
    orders = List(list(ORDERS)).tag(sync=True)
    order = Unicode("sequential").tag(sync=True, echo_update=False)

    def __init__(self, model: Any, **options: Any) -> None:
        self._replayer = Worker(self._replayed, lambda *_: None)
        self._asked = 0
        super().__init__(model, **options)
        self.observe(self._reorder, names=["order"])
        self._ask()

    def _push_selection(self, change: Any = None) -> None:
        super()._push_selection(change)
        self._ask()

    def _push_result(self, change: Any = None) -> None:
        super()._push_result(change)
        self._ask()

    def _reorder(self, change: Any) -> None:
        self._ask()

    def _ask(self) -> None:
        """Replay the selected neuron at the centre of the newest result."""
        model, node = self._of, wire.node_of(self._of)
        index, result = model.selection[1], model.result
        self._asked += 1
        if (
            node is None
            or index is None
            or result is None
            or node.name not in getattr(model.plan, "by_name", {})
        ):
            why = "select a neuron that is computed" if result is not None else "nothing is computed yet"
            self.replay = {
                "node": node.name if node else None,
                "index": index,
                "state": "none",
                "message": why,
            }
            return
        name, place = (
            node.name,
            tuple(int(i) for i in np.unravel_index(index, node.shape)) if node.shape else (),
        )
        inputs = {k: np.asarray(result.values[k])[None] for k in model.graph.inputs}
        plan, program, order = model.plan, result.format, self.order
        about = {"node": name, "index": index, "format": program, **(wire.stamp(result) or {})}
        held = self.replay if (self.replay.get("node"), self.replay.get("index")) == (name, index) else {}
        if "steps" in held:  # what was there stays, with what it was for, until the new one is there
            self.replay = {**held, "state": "computing", "message": ""}
        else:
            self.replay = {**about, "order": order, "state": "computing", "message": ""}

        def job(progress: Progress) -> Iterator[tuple[dict[str, Any], bool]]:
            progress(0.0, "replay")
            found = replay(plan, name, place, inputs, program, order)
            progress(0.5, "replay")
            yield {**about, **picture(found, program), "state": "fresh", "message": ""}, False

        self._replayer.submit(self._asked, job)

    def _replayed(
        self, seq: int, found: Mapping[str, Any] | None, error: BaseException | None, more: bool
    ) -> None:
        if seq != self._asked:
            return
        if error is not None:
            kept = {k: self.replay.get(k) for k in ("node", "index")}
            self.replay = {
                **kept,
                "order": self.order,
                "state": "failed",
                "message": f"{type(error).__name__}: {error}",
            }
        elif found is not None:
            self.replay = dict(found)

    def wait(self, timeout: float = 60.0) -> Any:
        """Block until the replay is there (for scripts and tests); returns the view."""
        self._replayer.wait(timeout)
        return self


class ReplayView(Replayer):
    """The selected neuron's computation, operation by operation, in a chosen order of summation."""

    PARTS: ClassVar = ("controls",)
    _esm = bundle("replay")
