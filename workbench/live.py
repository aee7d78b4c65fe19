"""Live: the observable state behind a `Model`: settings, selection, status, the newest result, and who computes it.

What a person calls stands in `workbench.model`; here is what must hold whatever is called: a setting that makes no
sense is refused where it is set, the region is the one that the settings name, and work runs in the background.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from traitlets import Bool, Dict, Float, HasTraits, Instance, Int, List, Tuple, Unicode, observe, validate

from workbench import settings
from workbench.floats.program import PROGRAMS, program_of
from workbench.graph import Array, Graph, GraphError
from workbench.history import History
from workbench.methods.named import method_of
from workbench.methods.progress import Progress
from workbench.network import Network
from workbench.overlays import overlay_of
from workbench.region import Region, RegionError, ball
from workbench.results import Result
from workbench.worker import Worker

FORMATS = tuple(PROGRAMS)
NO_REGION = "no region is chosen: set model.region = wb.ball(x, eps=0.02), or call model.explore(x, eps=0.02)"


class Live(HasTraits):
    """The state of a `Model`; see there."""

    region = Instance(Region, allow_none=True, help="where the inputs may lie")
    eps = Float(0.0, help="radius of the ball around the centre, in the units of the input")
    eps_max = Float(0.1, help="right end of the epsilon slider")
    norm = Unicode("inf", help='norm of the ball: "inf", "2" or "1"; "box": the region is a plain box')
    clip: Any = Tuple(
        Float(), Float(), default_value=None, allow_none=True, help="lowest and highest value of an input"
    )
    examples: Any = List(help="(label, input) pairs to choose from")
    example = Int(None, allow_none=True, help="index of the chosen example, counted from 0")
    method = Unicode("crown", help='how bounds are found: "ibp", "crown-ibp", "crown" or "alpha-crown"')
    format = Unicode("binary32", help="number format whose rounding errors are bounded")
    selection = Tuple(Unicode(allow_none=True), Int(allow_none=True), default_value=(None, None))
    overlay = Unicode("width", help="which per-node number colours the graph")
    live = Bool(True, help="recompute when a setting changes")
    status = Dict(help="state, message, progress, eta, seq, seconds")
    result = Instance(Result, allow_none=True, help="the newest result; it says what it belongs to")

    def __init__(
        self,
        graph: Graph,
        examples: Sequence[tuple[str, Array]] = (),
        clip: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.network = Network(graph)
        self.graph = graph
        self._center: Array | None = None
        self._seq = 0
        self._history = History()
        self._moving = False
        self._watched = False
        self._worker = Worker(self._deliver, self._report)
        self.status = settings.status("idle")
        self.clip = None if clip is None else tuple(map(float, clip))
        self.examples = [(str(label), np.array(x)) for label, x in examples]
        if self.examples:
            self.example = 0

    # ------------------------------------------------------------------ settings that make no sense

    @validate("example")
    def _existing(self, proposal: Any) -> Any:
        index = proposal["value"]
        if index is not None and not 0 <= index < len(self.examples):
            raise IndexError(f"there is no example {index}: there are {len(self.examples)}, counted from 0")
        return index

    @validate("eps", "eps_max")
    def _possible(self, proposal: Any) -> float:
        eps = float(proposal["value"])
        if not np.isfinite(eps) or eps < 0:
            raise RegionError(f"eps must be a finite number and not negative, not {eps}")
        return eps

    @validate("norm")
    def _known_norm(self, proposal: Any) -> str:
        norm = str(proposal["value"])
        if norm not in ("inf", "2", "1", "box"):
            raise RegionError(f"norm must be 'inf', '2' or '1', not {norm!r}")
        if norm == "box" and not self._moving:
            raise RegionError("a box is chosen by giving one: model.region = wb.box(lower, upper)")
        return norm

    @validate("clip")
    def _ordered(self, proposal: Any) -> Any:
        clip = proposal["value"]
        if clip is not None and not clip[0] <= clip[1]:
            raise RegionError(f"clip must be two numbers, the lower one first, not {clip}")
        return clip

    @validate("region")
    def _fitting(self, proposal: Any) -> Any:
        region = proposal["value"]
        if region is None:
            return None
        if region.batch != 1:
            raise RegionError(
                f"the model shows one region, and this is a batch of {region.batch}: choose one, such as "
                "property.cases[0].region; model.bounds(region=...) takes all of them"
            )
        return region.reshape(self.network.input_shape)

    @validate("method")
    def _known_method(self, proposal: Any) -> str:
        return method_of(proposal["value"])

    @validate("format")
    def _known_format(self, proposal: Any) -> str:
        name = program_of(proposal["value"]).name
        if name not in FORMATS:
            raise ValueError(
                f"the model shows {', '.join(FORMATS)}; model.rounding({name!r}) and "
                f"model.verify(spec, semantics={name!r}) take {name}"
            )
        return name

    @validate("overlay")
    def _known_overlay(self, proposal: Any) -> str:
        return overlay_of(proposal["value"])

    @validate("selection")
    def _selectable(self, proposal: Any) -> Any:
        node, index = proposal["value"]
        if node is not None:
            size = self.graph[node].size  # an unknown name is refused here
            if index is not None and not 0 <= index < size:
                raise GraphError(f"{node!r} has {size} neurons: there is no number {index} to select")
        return proposal["value"]

    # ------------------------------------------------------------------ the region follows the settings

    @property
    def center(self) -> Array | None:
        """The middle of the region; setting it moves the ball there."""
        return None if self._center is None else self._center.copy()

    @center.setter
    def center(self, x: Array) -> None:
        self._move(x, self.eps)

    @observe("example")
    def _choose(self, change: Any) -> None:
        if self.example is not None and not self._moving:
            self._move(self.examples[self.example][1], self.eps)

    @observe("eps", "norm", "clip")
    def _rebuild(self, change: Any) -> None:
        if self._moving or self._center is None:
            return
        try:
            self._move(self._center, self.eps)
        except RegionError:  # a ball outside the new clip: the old setting holds
            self._moving = True
            try:
                setattr(self, change["name"], change["old"])
            finally:
                self._moving = False
            raise

    @observe("region")
    def _adopt(self, change: Any) -> None:
        if self._moving:
            return
        region = self.region
        if region is None:
            self._center = None
        else:
            middle = 0.5 * region.lower[0] + 0.5 * region.upper[0]
            self._center = middle if region.center is None else np.array(region.center[0])
            half = float(np.max(0.5 * region.upper - 0.5 * region.lower, initial=0.0))
            self._moving = True
            try:
                with self.hold_trait_notifications():
                    self.eps = half if region.eps is None else region.eps
                    self.norm = "box" if region.eps is None else region.norm
                    self.example = self._example_at(self._center)
                    self._make_room()
            finally:
                self._moving = False
        self._changed()

    def _move(self, x: Any, eps: float, norm: str | None = None) -> None:
        """The region becomes the ball around `x`; everything that says so changes in one step."""
        center = self.network.point(x)
        norm = str(self.norm) if norm is None else norm
        norm = "inf" if norm == "box" else norm
        held = self.region  # a clip that came with the region, and is not the network's own, stays with it
        clip = held.clip if held is not None and self.clip is None else self.clip
        region = ball(center, eps, norm, clip)
        self._moving = True
        try:
            with self.hold_trait_notifications():
                self._center = np.array(center)
                self.norm, self.eps, self.region = region.norm, float(eps), region
                self.example = self._example_at(center)
                self._make_room()
                self._changed()
        finally:
            self._moving = False

    def _example_at(self, center: Array) -> int | None:
        """The index of the example that lies at the centre: the chosen one, if it is one of several."""
        order = range(len(self.examples))
        if self.example is not None:
            order = [self.example, *order]  # type: ignore[assignment]
        same = (k for k in order if np.array_equal(np.ravel(self.examples[k][1]), np.ravel(center)))
        return next(same, None)

    def _make_room(self) -> None:
        """Let the slider reach beyond epsilon; it stays as it is while it does."""
        if self.eps > self.eps_max:
            self.eps_max = 2 * self.eps

    @observe("method", "format")
    def _resettle(self, change: Any) -> None:
        self._changed()

    @observe("selection")
    def _selected(self, change: Any) -> None:
        old = change["old"] if isinstance(change["old"], tuple) else (None, None)
        self._history.visited(old, self.selection)

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
        if self._watched and self.live and self.region is not None:
            self.compute()
        elif self.stale and self.status.get("state") in ("fresh", "failed", "cancelled", "idle"):
            self.status = {**self.status, "state": "stale" if self.result is not None else "idle"}

    def chosen(self, region: Region | None = None) -> Region:
        """`region`, or else the model's.

        Raises
        ------
        RegionError
            Where there is none.
        """
        found = region if region is not None else self.region
        if found is None:
            raise RegionError(NO_REGION)
        return found

    def compute(self, sharpen: Callable[[Result], Result] | None = None) -> int:
        """Start computing for the present settings in a worker thread; returns the sequence number of the job.

        `sharpen`, where given, makes of each result what is known better (a part of a proof tree: `views.leaf`).
        """
        regions = self.network.regions(self.chosen())
        self._seq += 1
        self.status = settings.status("computing", f"{self.method} bounds", seq=self._seq, progress=0.0)
        asked, center, plan = self.asked(), self.center, self.network.plan
        seq = self._seq

        def job(progress: Progress) -> Iterator[tuple[Result, bool]]:
            for result, more in Result.compute(plan, asked, regions, center, seq, progress):
                yield (result if sharpen is None else sharpen(result)), more

        self._worker.submit(seq, job)
        return seq

    def cancel(self) -> None:
        """Stop the running computation; the previous result stays, marked stale."""
        if self._worker.cancel():
            self.status = {**self.status, "state": "cancelled", "message": "cancelled", "progress": None}

    def wait(self, timeout: float = 60.0) -> Any:
        """Block until the background computation has entered the model (for scripts and tests); returns the model."""
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

    def back(self) -> None:
        """Select what was selected before."""
        self.selection = self._history.back(self.selection)

    def forward(self) -> None:
        """Undo `back`."""
        self.selection = self._history.forward(self.selection)
