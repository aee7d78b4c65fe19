"""Model: the live object of the notebook, and the only observable state.

Views mirror a Model and never compute.  Settings (region, method, number format) are traits; results are frozen
objects that carry the settings they belong to, so that a bound can never be shown under another epsilon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from traitlets import Bool, Dict, Enum, Float, HasTraits, Instance, Int, Tuple, Unicode, observe, validate

from workbench import settings
from workbench.graph import Array, Graph, GraphError
from workbench.history import History
from workbench.methods.bounds import Bounds
from workbench.methods.crown import Progress
from workbench.methods.named import METHODS
from workbench.methods.rounding import RoundingBounds
from workbench.network import Network
from workbench.region import Norm, Region, RegionError, ball
from workbench.results import Result, describe_neuron, overlay_values, overlays
from workbench.semantics.plan import Plan
from workbench.worker import Worker

FORMATS = ("binary64", "binary32", "binary16", "bfloat16")


class Model(HasTraits):
    """A network that can be run, bounded and looked at.

    Parameters
    ----------
    graph : the network.
    name : a label for people; the file's name where it came from a file.
    path, sha256 : where the network came from, and the hash of those bytes.
    examples : (label, input) pairs to choose from.
    clip : lowest and highest value that an input may take, e.g. ``(0.0, 1.0)`` for pixels.

    Notes
    -----
    Traits to observe or set: `region`, `eps`, `norm`, `example`, `method`, `format`, `selection`, `overlay`, `live`;
    to observe only: `status`, `result`.  Setting `eps` moves the ball around the current centre.
    """

    region = Instance(Region, allow_none=True, help="where the inputs may lie")
    eps = Float(0.0, help="radius of the ball around the centre, in the units of the input")
    eps_max = Float(0.1, help="right end of the epsilon slider")
    norm = Enum(("inf", "2", "1", "box"), "inf", help="norm of the ball; 'box': the region is a plain box")
    example = Int(None, allow_none=True, help="index of the chosen example")
    method = Enum(METHODS, "crown", help="how bounds are found")
    format = Enum(FORMATS, "binary32", help="number format whose rounding errors are bounded")
    selection = Tuple(Unicode(allow_none=True), Int(allow_none=True), default_value=(None, None))
    overlay = Unicode("width", help="which per-node number colours the graph")
    live = Bool(True, help="recompute when a setting changes")
    status = Dict(help="state, message, progress, eta, seq, seconds")
    result = Instance(Result, allow_none=True, help="the newest result; it says what it belongs to")

    def __init__(
        self,
        graph: Graph,
        *,
        name: str | None = None,
        path: str | None = None,
        sha256: str | None = None,
        examples: Sequence[tuple[str, Array]] = (),
        clip: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.network = Network(graph)
        self.graph = graph
        self.name = name or graph.name
        self.path, self.sha256, self.clip = path, sha256, clip
        self.examples = [(str(label), np.asarray(x)) for label, x in examples]
        self.center: Array | None = None
        self._seq = 0
        self._history = History()
        self._moving = False
        self._watched = False
        self._worker = Worker(self._deliver, self._report)
        self.status = settings.status("idle")
        if self.examples:
            self.example = 0

    # ------------------------------------------------------------------ the network

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the (single) input, as in the file."""
        return self.network.input_shape

    @property
    def plan(self) -> Plan:
        """The graph made ready to walk."""
        return self.network.plan

    def run(self, x: Array | Mapping[str, Array]) -> Array:
        """The output for one input or a stack of inputs, computed in the network's own float type.

        Parameters
        ----------
        x : array of the input's shape, or a stack of N: ``(N, *shape)``, or with N in place of the file's own batch
            axis of 1; a mapping from input name to array where there are several inputs.

        Returns
        -------
        array of the (first) output's shape, with N before it (or in place of its batch axis of 1) for a stack.
        """
        return self.network.run(x)

    def values(self, x: Array | Mapping[str, Array]) -> dict[str, Array]:
        """Every node's value by name, as `run` computes it."""
        return self.network.values(x)

    def bounds(
        self, method: str | None = None, region: Region | None = None, progress: Progress | None = None
    ) -> Bounds:
        """Sound bounds of every node over the region, in real arithmetic.

        Parameters
        ----------
        method : "ibp", "crown-ibp" or "crown"; by default the model's.
        region : by default the model's.

        Returns
        -------
        `Bounds`: name -> interval with `lower` and `upper`, each ``(B, *shape)`` with B the number of regions.
        """
        return self.network.bounds(method or str(self.method), self._region(region), progress)

    def rounding(
        self, format: str | None = None, region: Region | None = None, progress: Progress | None = None
    ) -> RoundingBounds:
        """Sound bounds on the rounding error of every neuron over the region, for any order of summation.

        Parameters
        ----------
        format : "binary64", "binary32", "binary16" or "bfloat16"; by default the model's.
        """
        return self.network.rounding(format or str(self.format), self._region(region), progress)

    def _region(self, region: Region | None = None) -> Region:
        found = region if region is not None else self.region
        if found is None:
            raise RegionError(
                "no region is chosen: set model.region = wb.ball(x, eps=0.02), or call model.explore(x, eps=0.02)"
            )
        return found

    # ------------------------------------------------------------------ settings

    @validate("example")
    def _existing(self, proposal: Any) -> Any:
        index = proposal["value"]
        if index is not None and not 0 <= index < len(self.examples):
            raise IndexError(f"there is no example {index}: there are {len(self.examples)}, counted from 0")
        return index

    @observe("example")
    def _choose(self, change: Any) -> None:
        if self.example is None:
            return
        self.explore(self.examples[self.example][1], show=False)

    @validate("eps")
    def _possible(self, proposal: Any) -> float:
        eps = float(proposal["value"])
        if not np.isfinite(eps) or eps < 0:
            raise RegionError(f"eps must be a finite number and not negative, not {eps}")
        return eps

    @validate("region")
    def _fitting(self, proposal: Any) -> Any:
        region = proposal["value"]
        return None if region is None else region.reshape(self.input_shape)

    @observe("eps", "norm")
    def _rebuild(self, change: Any) -> None:
        if self._moving or self.center is None:
            return
        self.explore(self.center, show=False)

    @observe("region")
    def _adopt(self, change: Any) -> None:
        if self._moving:
            return
        region = self.region
        if region is not None:
            self._moving = True
            try:
                self.center = (
                    region.center[0]
                    if region.center is not None
                    else 0.5 * region.lower[0] + 0.5 * region.upper[0]
                )
                if region.eps is not None:
                    self.eps, self.norm = region.eps, region.norm
                else:
                    self.eps, self.norm = float(np.max(0.5 * region.upper - 0.5 * region.lower)), "box"
                self._make_room(self.eps)
            finally:
                self._moving = False
        self._changed()

    @observe("method", "format")
    def _resettle(self, change: Any) -> None:
        self._changed()

    def explore(
        self, x: Array, eps: float | None = None, norm: Norm | None = None, show: bool = True
    ) -> Model:
        """Choose an input: the region becomes the ball around it.  Returns the model, so that a cell shows it."""
        if norm is not None:
            self.norm = norm
        center = np.asarray(x, np.float64).reshape(self.input_shape)
        radius = self.eps if eps is None else eps
        self._moving = True
        try:
            if self.norm == "box":
                self.norm = "inf"
            region = ball(center, radius, str(self.norm), self.clip)
            self.center, self.eps, self.region = center.copy(), float(radius), region
            self._make_room(float(radius))
            known = None if self.example is None else self.examples[self.example][1]
            if known is not None and (known.reshape(-1) != center.reshape(-1)).any():
                self.example = None
        finally:
            self._moving = False
        self._changed()
        return self

    def _make_room(self, eps: float) -> None:
        """Let the slider reach beyond `eps`; it stays as it is while it does."""
        if eps > self.eps_max:
            self.eps_max = 2 * eps

    def asked(self) -> settings.Settings:
        """The settings that a result computed now would belong to."""
        return settings.Settings(
            self.eps, str(self.norm), str(self.method), str(self.format), self.example, self.region
        )

    @property
    def stale(self) -> bool:
        """Whether the newest result belongs to other settings than the present ones (or there is none)."""
        return self.result is None or not self.result.settings.same(self.asked())

    # ------------------------------------------------------------------ work off the main thread

    def watch(self) -> None:
        """A view calls this: from now on changes of settings are computed in the background."""
        if not self._watched:
            self._watched = True
            if self.region is not None and self.stale:
                self.compute()

    def _changed(self) -> None:
        if self.stale and self.status.get("state") in ("fresh", "failed", "cancelled", "idle"):
            self.status = {**self.status, "state": "stale" if self.result is not None else "idle"}
        if self._watched and self.live and self.region is not None:
            self.compute()

    def compute(self) -> int:
        """Start computing for the present settings in a worker thread; returns the sequence number of the job."""
        regions = self.network.regions(self._region())
        self._seq += 1
        self.status = settings.status("computing", f"{self.method} bounds", seq=self._seq, progress=0.0)
        asked, center, plan = self.asked(), self.center, self.plan
        seq = self._seq

        def job(progress: Progress) -> Iterator[Result]:
            return Result.compute(plan, asked, regions, center, seq, progress)

        self._worker.submit(seq, job)
        return seq

    def cancel(self) -> None:
        """Stop the running computation; the previous result stays, marked stale."""
        if self._worker.cancel():
            self.status = {**self.status, "state": "cancelled", "message": "cancelled", "progress": None}

    def wait(self, timeout: float = 60.0) -> Model:
        """Block until the background computation has entered the model (for scripts and tests)."""
        self._worker.wait(timeout)
        return self

    def _report(self, seq: int, fraction: float, message: str, eta: float | None) -> None:
        if seq == self._seq and self.status.get("state") == "computing":
            self.status = {**self.status, "progress": fraction, "message": message, "eta": eta}

    def _deliver(self, seq: int, result: Result | None, error: BaseException | None, more: bool) -> None:
        if seq != self._seq or self.status.get("state") == "cancelled":
            return
        if error is not None:
            self.status = {**self.status, "state": "failed", "message": f"{type(error).__name__}: {error}"}
            return
        with self.hold_trait_notifications():
            if result is not None:
                self.result = result
            if more:
                return
            note, seconds = ("", None) if self.result is None else (self.result.note, self.result.seconds)
            self.status = settings.status("stale" if self.stale else "fresh", note, seq=seq, seconds=seconds)

    # ------------------------------------------------------------------ selection

    @validate("selection")
    def _selectable(self, proposal: Any) -> Any:
        node, index = proposal["value"]
        if node is not None:
            size = self.graph[node].size  # an unknown name is refused here
            if index is not None and not 0 <= index < size:
                raise GraphError(f"{node!r} has {size} neurons: there is no number {index} to select")
        return proposal["value"]

    @observe("selection")
    def _selected(self, change: Any) -> None:
        old = change["old"] if isinstance(change["old"], tuple) else (None, None)
        self._history.visited(old, self.selection)

    def back(self) -> None:
        """Select what was selected before."""
        self.selection = self._history.back(self.selection)

    def forward(self) -> None:
        """Undo `back`."""
        self.selection = self._history.forward(self.selection)

    # ------------------------------------------------------------------ what views show

    def phases(self, name: str) -> tuple[int, int, int] | None:
        """Counts of (always on, unstable, always off) neurons of a node that feeds or is a relu; else None."""
        return None if self.result is None else self.result.phases(self.plan, name)

    def overlays(self) -> list[tuple[str, str, str, bool]]:
        """(key, label, unit, logarithmic) of every overlay."""
        return overlays()

    def overlay_values(self, key: str) -> dict[str, float | None]:
        """One number a node for an overlay; None where there is none."""
        return overlay_values(self.plan, self.result, key)

    def relaxation(self, name: str, index: int) -> dict[str, Any] | None:
        """The lines that the newest bounds use for one neuron, ready to draw; None for linear nodes."""
        return None if self.result is None else describe_neuron(self.plan, self.result, name, index)

    def attribution(self, output: int) -> list[tuple[str, int, float]] | None:
        """The neurons whose own rounding contributes most to one output's error bound."""
        if self.result is None or self.result.errors is None:
            return None
        return self.result.errors.attribution(output, count=None)

    def code(self) -> str:
        """One line of Python that brings a model of this network to the present settings."""
        return settings.code(self)

    def state(self) -> dict[str, Any]:
        """The settings as small plain data; `restore` takes it back."""
        return settings.state(self)

    def restore(self, state: Mapping[str, Any]) -> Model:
        """Take over settings from `state`.

        Raises
        ------
        ValueError
            Where they belong to another network.
        """
        settings.restore(self, state)
        return self

    def graph_view(self, **options: Any) -> Any:
        """The computation graph as a widget."""
        from workbench.views import GraphView

        return GraphView(self, **options)

    def bounds_view(self, **options: Any) -> Any:
        """The selected node's bounds as a widget."""
        from workbench.views import BoundsView

        return BoundsView(self, **options)

    def rounding_view(self, **options: Any) -> Any:
        """The selected node's rounding errors as a widget."""
        from workbench.views import RoundingView

        return RoundingView(self, **options)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        from workbench.views import Workbench

        return Workbench(self)._repr_mimebundle_(**kwargs)

    def __repr__(self) -> str:
        where = "no region" if self.region is None else f"eps={self.eps:g}"
        return f"Model({self.name!r}, {len(self.graph)} nodes, {self.graph.parameters:,} parameters, {where})"
