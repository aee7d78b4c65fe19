"""RoundoffMap: the whole network as a heat map of rounding error; nodes are rows, cells are neurons, the worst kept.

Trait ``cells``: ``{layer, unit, rows: [{node, op, n, bin, first, count, worst, infinite}], arrays, bytes}`` with the
stamp's fields.  ``cells_data``: the ``arrays`` (``[{key, offset, length}]``, little-endian float64): ``index`` (of the
worst neuron of each cell), ``value`` (of the chosen layer and unit), and at that neuron ``bound``, ``observed``,
``adversarial``, ``predicted`` (absolute), ``ulp`` and ``center``.  Trait ``layers``: ``[{key, label, kind, title,
state, message}]``; ``kind`` is "bound", "seen" or "prediction".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from traitlets import Bytes, Dict, List, Unicode

from workbench.floats import BINARY64, ulp
from workbench.floats.program import program_of
from workbench.graph import Array
from workbench.methods.expected import expected_errors
from workbench.methods.observe import observe_errors
from workbench.methods.progress import Progress
from workbench.methods.witness import aligned_run
from workbench.op import UnsupportedOperator
from workbench.semantics import real
from workbench.views import wire
from workbench.views.replayview import Replayer
from workbench.views.widgets import bundle
from workbench.worker import Worker

BINS = 128  # cells in a row
MOST_NEURONS = 4096  # of networks whose every neuron is predicted: each takes a gradient
MOST_ALIGNED, ALIGNED = (
    500_000,
    4,
)  # parameters of networks whose neurons each get an order, and at how many points
MOST_WORK = 3_000_000  # parameters of networks that are run again in bad orders
BAD_ORDERS = ("adversarial", "reversed", "random", "blocked(8)")
LAYERS = (
    ("bound", "bound", "bound", "sound, for every input of the region and every order of summation"),
    (
        "observed",
        "observed",
        "seen",
        "the largest seen over samples of the region in a few usual orders; never a bound",
    ),
    (
        "adversarial",
        "adversarial",
        "seen",
        "the largest seen in orders of summation picked to err, of small networks for each neuron; never a bound",
    ),
    (
        "predicted",
        "predicted",
        "prediction",
        "root mean square that a random model predicts at the centre; a prediction",
    ),
)


def unit_of(result: Any, name: str) -> Array | None:
    """An ulp of each neuron, at its largest real magnitude in the format of activations, flat."""
    if result.errors is None or name not in result.errors.real:
        return None
    return np.ravel(ulp(result.errors.real[name].magnitude[0], result.errors.program.activations))


def _flat(mapping: Mapping[str, Array] | None, name: str, n: int) -> Array | None:
    value = None if mapping is None else mapping.get(name)
    if value is None or np.size(value) != n or np.asarray(value).dtype.kind not in "fiu":
        return None
    flat = np.asarray(value, np.float64).reshape(-1)
    return np.where(np.isnan(flat), np.inf, flat)


def worst(values: Array, bins: int = BINS) -> tuple[Array, int]:
    """Index of the largest value of each cell, and how many neurons a cell stands for."""
    n = values.size
    if n <= bins:
        return np.arange(n), 1
    size = -(-n // bins)
    starts = np.arange(0, n, size)
    padded = np.full(len(starts) * size, -np.inf)
    padded[:n] = values
    return starts + padded.reshape(-1, size).argmax(axis=1), size


def pack(
    model: Any, result: Any, layer: str, unit: str, extra: Mapping[str, Mapping[str, Array]]
) -> tuple[dict[str, Any], bytes]:
    """The cells of one layer in one unit, as (description, bytes)."""
    sources: dict[str, Mapping[str, Array] | None] = {
        "bound": result.rounding,
        "observed": result.observed,
        **extra,
    }
    sources = {key: sources.get(key) for key, *_ in LAYERS}
    keys = ("index", "value", *sources, "ulp", "center")
    parts: dict[str, list[Array]] = {key: [] for key in keys}
    rows, first = [], 0
    for node in model.graph.nodes:
        name, n = node.name, node.size
        own, size = _flat(sources[layer], name, n), unit_of(result, name)
        if own is None or not n:
            continue
        if unit == "ulp":
            if size is None or size.size != n:
                continue
            own = np.where(own == 0, 0.0, own / size)
        cells, per = worst(own)
        lacking = np.full(cells.size, np.nan)
        parts["index"].append(cells.astype(np.float64))
        parts["value"].append(own[cells])
        for key, source in sources.items():
            flat = _flat(source, name, n)
            parts[key].append(lacking if flat is None else flat[cells])
        center = _flat(result.values, name, n)
        parts["ulp"].append(lacking if size is None or size.size != n else size[cells])
        parts["center"].append(lacking if center is None else center[cells])
        most = float(own.max())
        row = {"node": name, "op": node.op, "n": n, "bin": per, "first": first, "count": int(cells.size)}
        rows.append(
            {**row, "worst": most if np.isfinite(most) else None, "infinite": int(np.isinf(own).sum())}
        )
        first += int(cells.size)
    arrays, offset, data = [], 0, []
    for key in keys:
        joined = np.concatenate(parts[key]) if parts[key] else np.zeros(0)
        arrays.append({"key": key, "offset": offset, "length": int(joined.size)})
        offset += 8 * int(joined.size)
        data.append(joined.astype("<f8").tobytes())
    described = {"layer": layer, "unit": unit, "rows": rows, "arrays": arrays, "bytes": offset}
    return {**described, **(wire.stamp(result) or {})}, b"".join(data)


def adversarial(model: Any, result: Any, progress: Progress) -> dict[str, Array]:
    """Largest errors seen when sums are added in orders picked to err.  Never a bound.

    A few orders for the whole network, and, where the network is small and every operator has a gradient, runs in which
    each neuron's sum has its own order, picked so that the largest output comes out high, and low.
    """
    (name,) = model.graph.inputs
    points = {name: np.asarray(result.samples[name])[:8]}
    found = observe_errors(model.plan, points, result.format, BAD_ORDERS)
    output = model.graph.outputs[0]
    if not found or model.graph.parameters > MOST_ALIGNED or output not in result.values:
        return found
    few = {name: points[name][:ALIGNED]}
    wide = np.longdouble if program_of(result.format).accumulator == BINARY64 else np.float64
    reference = real.run(model.plan, few, wide)
    row = np.zeros((len(few[name]), *model.graph[output].shape))
    row.reshape(len(row), -1)[:, int(np.argmax(result.values[output]))] = 1.0
    try:
        for k, direction in enumerate((1.0, -1.0)):
            progress(0.3 + 0.3 * k, "orders of single neurons")
            run = aligned_run(model.plan, few, result.format, direction * row)
            for key in found.keys() & run.keys():
                error = np.abs(run[key].astype(wide) - reference[key]).max(axis=0).astype(np.float64)
                found[key] = np.maximum(found[key], np.where(np.isnan(error), np.inf, error))
    except (UnsupportedOperator, ValueError):
        return found  # an operator without a gradient: the whole network's orders are what there is
    return found


def predictions(model: Any, result: Any, progress: Progress) -> dict[str, Array]:
    """What the random model predicts for every neuron, at the centre.  Never a bound."""
    (name,) = model.graph.inputs
    point = {name: np.asarray(result.values[name], np.float64)[None]}
    found = {}
    names = [step.node.name for step in model.plan.steps if step.node.name in model.plan.live]
    for k, target in enumerate(names):
        progress(k / len(names), target)
        found[target] = expected_errors(model.plan, point, result.format, target)[0]
    return found


def absent(model: Any, result: Any, layer: str) -> str:
    """Why a layer cannot be shown; empty where it can."""
    if layer == "bound":
        return "" if result.rounding is not None else result.note or "rounding errors are not computed yet"
    if layer == "observed":
        wide = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant
        if not result.observed and program_of(result.format).activations == BINARY64 and not wide:
            return "this machine has no type wider than binary64 to compare with"
        return "" if result.observed else "rounding errors are not computed yet"
    if layer == "adversarial" and model.graph.parameters > MOST_WORK:
        return f"not run for networks of more than {MOST_WORK:,} parameters"
    if layer == "predicted" and sum(n.size for n in model.graph) > MOST_NEURONS:
        return f"not predicted for networks of more than {MOST_NEURONS:,} neurons: each takes a gradient"
    return ""


class RoundoffMap(Replayer):
    """Rounding error of every neuron of the network at once, and how the selected one came about."""

    PARTS: ClassVar = ("controls",)
    cells = Dict().tag(sync=True)
    cells_data = Bytes(b"").tag(sync=True)
    layers: Any = List().tag(sync=True)
    layer = Unicode("bound").tag(sync=True, echo_update=False)
    unit = Unicode("ulp").tag(sync=True, echo_update=False)
    _esm = bundle("roundoff")

    def __init__(self, model: Any, **options: Any) -> None:
        self._extra: dict[str, dict[str, Array]] = {}
        self._extra_of: Any = None
        self._failed: dict[str, str] = {}
        self._job, self._working = 0, ""
        self._extras = Worker(self._added, lambda *_: None)
        super().__init__(model, **options)
        self.observe(self._push_cells, names=["layer", "unit"])

    def _push_result(self, change: Any = None) -> None:
        super()._push_result(change)
        self._push_cells()

    def _push_cells(self, change: Any = None) -> None:
        model, result = self._of, self._of.result
        if result is not self._extra_of:
            self._extra, self._failed, self._extra_of, self._working = {}, {}, result, ""
            self._extras.cancel()
        known = [key for key, *_ in LAYERS]
        if self.layer not in known or self.unit not in ("ulp", "absolute"):
            self.notice = f"there is no layer {self.layer!r} in {self.unit!r}"
            self.layer, self.unit = "bound", "ulp"
            return
        why = "nothing is computed yet" if result is None else absent(model, result, self.layer)
        why = self._failed.get(self.layer, why)
        wanted = self.layer in ("adversarial", "predicted") and not why and self.layer not in self._extra
        if wanted and result.rounding is not None:
            self._compute(self.layer)
        with self.hold_sync():
            if result is None or why or wanted:
                self.cells, self.cells_data = (
                    {"layer": self.layer, "unit": self.unit, "rows": [], "arrays": []},
                    b"",
                )
            else:
                self.cells, self.cells_data = pack(model, result, self.layer, self.unit, self._extra)
            self.layers = [
                {
                    "key": key,
                    "label": label,
                    "kind": kind,
                    "title": title,
                    "state": "computing" if key == self._working else "",
                    "message": why if key == self.layer else "",
                }
                for key, label, kind, title in LAYERS
            ]

    def _compute(self, layer: str) -> None:
        if self._working == layer:
            return
        model, result = self._of, self._of.result
        self._working = layer
        self._job += 1

        def job(progress: Progress) -> Iterator[tuple[tuple[str, Any, dict[str, Array]], bool]]:
            progress(0.0, layer)
            found = (
                adversarial(model, result, progress)
                if layer == "adversarial"
                else predictions(model, result, progress)
            )
            yield (layer, result, found), False

        self._extras.submit(self._job, job)

    def _added(self, seq: int, found: Any, error: BaseException | None, more: bool) -> None:
        if seq != self._job:
            return
        if error is not None:
            self._failed[self._working] = f"{type(error).__name__}: {error}"
        elif found is not None and found[1] is self._extra_of:
            self._extra[found[0]] = found[2]
        self._working = ""
        self._push_cells()

    def wait(self, timeout: float = 60.0) -> Any:
        """Block until what was asked for is there (for scripts and tests); returns the view."""
        super().wait(timeout)
        self._extras.wait(timeout)
        return self
