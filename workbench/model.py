"""Model: the live object of the notebook, and the only observable state.

Views mirror a Model and never compute.  Settings (region, method, number format) are traits; results are frozen
objects that carry the settings they belong to, so that a bound can never be shown under another epsilon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from traitlets import Bool, Dict, Enum, Float, HasTraits, Instance, Int, Tuple, Unicode, observe

import workbench.ops  # noqa: F401  (registers every operator)
from workbench.graph import Array, Graph, GraphError
from workbench.history import History
from workbench.methods.bounds import Bounds
from workbench.methods.crown import Progress
from workbench.methods.named import METHODS, find_bounds
from workbench.methods.rounding import RoundingBounds, rounding
from workbench.region import Norm, Region, RegionError, ball
from workbench.results import Result, Settings, describe_neuron, overlay_values, overlays
from workbench.semantics import gradient, real
from workbench.semantics.plan import Plan, plan_of
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
    norm = Enum(("inf", "2", "1"), "inf", help="norm of the ball")
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
        self.status = {"state": "idle", "message": "", "progress": None, "eta": None, "seq": 0, "seconds": None}
        if self.examples:
            self.example = 0

    # ------------------------------------------------------------------ the network

    @property
    def plan(self) -> Plan:
        """The graph made ready to walk."""
        return plan_of(self.graph)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the (single) input, as in the file."""
        names = self.graph.inputs
        if len(names) != 1:
            raise GraphError(f"{self.name} has {len(names)} inputs ({', '.join(names)}): name them in a mapping")
        return self.graph[names[0]].shape

    def _inputs(self, x: Array | Mapping[str, Array], dtype: Any = None) -> dict[str, Array]:
        given = dict(x) if isinstance(x, Mapping) else {self.graph.inputs[0]: x} if self.input_shape is not None else {}
        found = {}
        for name in self.graph.inputs:
            if name not in given:
                raise GraphError(f"{self.name} needs the input {name!r}; given: {', '.join(given) or 'nothing'}")
            node = self.graph[name]
            array = np.asarray(given[name], dtype=dtype or node.dtype)
            if array.size == node.size:
                found[name] = array.reshape(1, *node.shape)
            elif node.size and array.size % node.size == 0 and array.shape[1:] in (node.shape, node.shape[1:]):
                found[name] = array.reshape(array.shape[0], *node.shape)
            else:
                raise GraphError(f"input {name!r} has shape {list(array.shape)}, expected {list(node.shape)} or a stack")
        return found

    def run(self, x: Array | Mapping[str, Array]) -> Array:
        """The output for one input or a stack of inputs, computed in the network's own float type.

        Parameters
        ----------
        x : array of the input's shape, or a stack ``(N, *shape)``; a mapping for several inputs.

        Returns
        -------
        array of the (first) output's shape, or ``(N, *shape)`` for a stack.
        """
        values = self._values(x)
        out = values[self.graph.outputs[0]]
        return out

    def _values(self, x: Array | Mapping[str, Array]) -> dict[str, Array]:
        inputs = self._inputs(x)
        values = real.run(self.plan, inputs)
        if all(v.shape[0] == 1 for v in inputs.values()):
            return {k: v[0] for k, v in values.items()}
        return values

    def values(self, x: Array | Mapping[str, Array]) -> dict[str, Array]:
        """Every node's value by name, as `run` computes it."""
        return self._values(x)

    # ------------------------------------------------------------------ sound statements

    def _regions(self, region: Region | None = None) -> dict[str, Region]:
        region = region if region is not None else self.region
        if region is None:
            raise RegionError(
                "no region is chosen: set model.region = wb.ball(x, eps=0.02), or call model.explore(x, eps=0.02)"
            )
        return {self.graph.inputs[0]: region.reshape(self.input_shape)}

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
        return find_bounds(self.plan, self._regions(region), method or self.method, progress)

    def rounding(
        self, format: str | None = None, region: Region | None = None, progress: Progress | None = None
    ) -> RoundingBounds:
        """Sound bounds on the rounding error of every neuron over the region, for any order of summation.

        Parameters
        ----------
        format : "binary64", "binary32", "binary16" or "bfloat16"; by default the model's.
        """
        regions = self._regions(region)
        before = find_bounds(self.plan, regions, "crown", progress)
        return rounding(self.plan, before, format or self.format)

    # ------------------------------------------------------------------ settings

    @observe("example")
    def _choose(self, change: Any) -> None:
        if self.example is None:
            return
        if not 0 <= self.example < len(self.examples):
            raise IndexError(f"example {self.example}: there are {len(self.examples)}")
        self.explore(self.examples[self.example][1], show=False)

    @observe("eps", "norm")
    def _rebuild(self, change: Any) -> None:
        if self._moving or self.center is None:
            return
        self._moving = True
        try:
            self.region = ball(self.center, self.eps, self.norm, self.clip)
        finally:
            self._moving = False
        self._changed()

    @observe("region")
    def _adopt(self, change: Any) -> None:
        if self._moving:
            return
        region = self.region
        if region is not None:
            region = region.reshape(self.input_shape)
            self._moving = True
            try:
                self.center = (
                    region.center[0] if region.center is not None else 0.5 * region.lower[0] + 0.5 * region.upper[0]
                )
                if region.eps is not None:
                    self.eps, self.norm = region.eps, region.norm
                    self.eps_max = max(self.eps_max, 2 * region.eps)
            finally:
                self._moving = False
        self._changed()

    @observe("method", "format")
    def _resettle(self, change: Any) -> None:
        self._changed()

    def explore(self, x: Array, eps: float | None = None, norm: Norm | None = None, show: bool = True) -> Model:
        """Choose an input: the region becomes the ball around it.  Returns the model, so that a cell shows it."""
        if norm is not None:
            self.norm = norm
        center = np.asarray(x, np.float64).reshape(self.input_shape)
        radius = self.eps if eps is None else eps
        self._moving = True
        try:
            region = ball(center, radius, self.norm, self.clip)
            self.center, self.eps, self.region = center, float(radius), region
            self.eps_max = max(self.eps_max, 2 * float(radius))
        finally:
            self._moving = False
        self._changed()
        return self

    def settings(self) -> Settings:
        """The settings that a result computed now would belong to."""
        return Settings(self.eps, str(self.norm), str(self.method), str(self.format), self.example, self.region)

    @property
    def stale(self) -> bool:
        """Whether the newest result belongs to other settings than the present ones (or there is none)."""
        return self.result is None or not self.result.settings.same(self.settings())

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
        self._regions()
        self._seq += 1
        self.status = {
            "state": "computing", "message": f"{self.method} bounds", "progress": 0.0, "eta": None,
            "seq": self._seq, "seconds": None,
        }  # fmt: skip
        settings, center, plan = self.settings(), self.center, self.plan
        seq = self._seq
        regions = self._regions()

        def job(progress: Progress) -> Result:
            return Result.compute(plan, settings, regions, center, seq, progress)

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

    def _deliver(self, seq: int, result: Result | None, error: BaseException | None) -> None:
        if seq != self._seq:
            return
        if error is not None:
            self.status = {**self.status, "state": "failed", "message": f"{type(error).__name__}: {error}"}
            return
        assert result is not None
        with self.hold_trait_notifications():
            self.result = result
            self.status = {
                "state": "fresh" if not self.stale else "stale", "message": "", "progress": None, "eta": None,
                "seq": seq, "seconds": result.seconds,
            }  # fmt: skip

    # ------------------------------------------------------------------ selection

    @observe("selection")
    def _selected(self, change: Any) -> None:
        node = self.selection[0]
        if node is not None and node not in self.graph.by_name:
            self.selection = change["old"]
            raise GraphError(f"there is no node {node!r} to select")
        self._history.visited(change["old"], self.selection)

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

    def gradient(self, name: str, output: int = 0) -> Array | None:
        """Gradient of one output with respect to a node, at the centre, in float64."""
        if self.center is None:
            return None
        out = self.graph.outputs[0]
        seed = np.zeros((1, *self.graph[out].shape))
        seed.reshape(-1)[output] = 1.0
        _, grads = gradient.vjp(self.plan, self._inputs(self.center, np.float64), {out: seed})
        return grads[name][0] if name in grads else None

    def attribution(self, output: int) -> list[tuple[str, int, float]] | None:
        """The neurons whose own rounding contributes most to one output's error bound."""
        if self.result is None or self.result.rounding is None:
            return None
        return self.result.rounding.attribution(output)

    def code(self) -> str:
        """One line of Python that brings a model of this network to the present settings."""
        call = f"wb.load({self.path!r})" if self.path else "model"
        if self.example is not None:
            where = f"model.examples[{self.example}][1]"
        else:
            where = "x"
        return f"{call}.explore({where}, eps={self.eps!r}).bounds({str(self.method)!r})"

    def state(self) -> dict[str, Any]:
        """The settings as small plain data; `restore` takes it back."""
        keys = ("eps", "eps_max", "norm", "example", "method", "format", "overlay", "live")
        return {**{k: getattr(self, k) for k in keys}, "selection": list(self.selection), "network": self.graph.digest}

    def restore(self, state: Mapping[str, Any]) -> Model:
        """Take over settings from `state`.

        Raises
        ------
        ValueError
            Where they belong to another network.
        """
        if state.get("network") not in (None, self.graph.digest):
            raise ValueError("these settings belong to another network")
        for key in ("eps_max", "norm", "example", "eps", "method", "format", "overlay", "live"):
            if key in state:
                setattr(self, key, state[key])
        self.selection = tuple(state.get("selection", (None, None)))
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


def load(path: str | Path, **options: Any) -> Model:
    """Open an ONNX file as a live model.

    Parameters
    ----------
    path : the file.
    options : passed to `Model` (examples, clip, name), and `shapes=` to the reader for dynamic dimensions.

    Raises
    ------
    GraphError
        The file is not a network that can be read; one sentence says why.
    """
    from workbench.io import onnx

    shapes = options.pop("shapes", None)
    graph, digest = onnx.load_with_digest(path, shapes=shapes)
    return Model(graph, name=options.pop("name", Path(path).name), path=str(path), sha256=digest, **options)
