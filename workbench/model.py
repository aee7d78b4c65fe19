"""Model: the live object of the notebook: what a person calls, and what it shows.

Views mirror a Model and never compute.  Settings (region, method, number format) are traits; results are frozen
objects that carry the settings they belong to, so that a bound can never be shown under another epsilon.  The state
itself, and the rules that keep it consistent, stand in `workbench.live`; what views ask, and how they are opened, in
`workbench.shown`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from traitlets import HasTraits

from workbench import reproduce, settings
from workbench.floats.format import Format
from workbench.floats.program import Semantics, program_of
from workbench.graph import Array, Graph
from workbench.live import FORMATS
from workbench.methods.bounds import Bounds
from workbench.methods.compare import FIRST, Case, Comparison, compare
from workbench.methods.precision import CANDIDATES, Precision
from workbench.methods.progress import Progress
from workbench.methods.rounding import RoundingBounds
from workbench.passes import fix_inputs, join_inputs
from workbench.region import Norm, Region, RegionError, ball
from workbench.shown import Shown
from workbench.spec import Property
from workbench.tables import Table, printable, shape_text
from workbench.verdict import Verdict
from workbench.wanted import Wanted

__all__ = ["FORMATS", "Model"]


class Model(Shown):
    """A network that can be run, bounded and looked at.

    Parameters
    ----------
    graph : the network.
    name : a label for people; the file's name where it came from a file.
    path, sha256 : where the network came from, and the hash of those bytes.
    origin : the Python expression that makes such a model, for "copy code"; None where there is no short one.
    examples : (label, input) pairs to choose from.
    clip : lowest and highest value that an input may take, e.g. ``(0.0, 1.0)`` for pixels.

    Notes
    -----
    Traits to observe or set: `region`, `eps`, `norm`, `clip`, `example`, `method`, `format`, `selection`, `overlay`,
    `live`; to observe only: `status`, `result`.  Setting `eps`, or `center`, moves the ball.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        name: str | None = None,
        path: str | None = None,
        sha256: str | None = None,
        origin: str | None = None,
        examples: Sequence[tuple[str, Array]] = (),
        clip: tuple[float, float] | None = None,
    ) -> None:
        self.name = name or graph.name
        self.path, self.sha256, self.origin = path, sha256, origin
        super().__init__(graph, examples, clip)

    # ------------------------------------------------------------------ the network

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the (single) input, as in the file."""
        return self.network.input_shape

    def one_input(self, fixed: Mapping[str, Any] | None = None) -> Model:
        """A model of the same network with one input, for which there are regions, bounds and verdicts.

        Parameters
        ----------
        fixed : input name -> its value: these become constants (a mask, token numbers, a time step).

        Returns
        -------
        A new model. What is left of several inputs is one vector, every number of every input in their order; each
        old input is a node of its own name, cut out of it.

        Raises
        ------
        GraphError
            A name or a shape that does not fit, inputs of several types, or of integers without a value.
        """
        graph = join_inputs(fix_inputs(self.graph, fixed) if fixed else self.graph)
        return Model(graph, name=self.name, clip=self.clip)

    def run(
        self,
        x: Array | Mapping[str, Array],
        semantics: str | Semantics | None = None,
        order: str | None = None,
    ) -> Array:
        """The output for one input or a stack of inputs, in the network's own float type or in a named program.

        Parameters
        ----------
        x : array of the input's shape, or a stack of N: ``(N, *shape)``, or with N in place of the file's own batch
            axis of 1; a mapping from input name to array where there are several inputs.
        semantics : a number format's name, or a `Semantics` (see `floats.program`): run bit for bit as it says.
        order : of sums, e.g. "sequential" or "blocked(8)", instead of the program's own (see `floats.order`).

        Returns
        -------
        array of the (first) output's shape, with N before it (or in place of its batch axis of 1) for a stack.
        """
        return self.network.run(x, semantics, order)

    def values(self, x: Array | Mapping[str, Array]) -> dict[str, Array]:
        """Every node's value by name, as `run` computes it."""
        return self.network.values(x)

    def bounds(
        self,
        method: str | None = None,
        region: Region | None = None,
        progress: Progress | None = None,
        *,
        eps: float | None = None,
    ) -> Bounds:
        """Sound bounds of every node over the region, in real arithmetic.

        Parameters
        ----------
        method : "ibp", "crown-ibp", "crown", "alpha-crown" (networks with relus), "zonotope", "crown-zonotope", or,
            for small networks and with `highspy`, "lp" and "milp"; by default the model's.
        region : by default the model's.
        progress : called with (fraction done, node name); may raise to stop.
        eps : another radius around the model's centre, in place of `region`.

        Returns
        -------
        `Bounds`: name -> interval with `lower` and `upper`, each ``(B, *shape)`` with B the number of regions.
        """
        return self.network.bounds(method or str(self.method), self._where(region, eps), progress)

    def rounding(
        self,
        format: str | Format | Semantics | None = None,
        region: Region | None = None,
        progress: Progress | None = None,
        *,
        eps: float | None = None,
    ) -> RoundingBounds:
        """Sound bounds on the rounding error of every neuron over the region, for any order of summation.

        Parameters
        ----------
        format : a number format's name, a `floats.Format`, or a `Semantics`; by default the model's.
        region, progress, eps : as in `bounds`.

        Returns
        -------
        `RoundingBounds`: name -> bound on |float value - real value|, ``(B, *shape)``.
        """
        program = program_of(format or str(self.format))
        return self.network.rounding(program, self._where(region, eps), progress)

    def compare_semantics(self, x: Array | None = None, semantics: Sequence[Case] = FIRST) -> Comparison:
        """The network at one input in several float programs side by side: outputs, classes, first differences.

        Parameters
        ----------
        x : one input; by default the centre of the region.
        semantics : formats' names, `Semantics`, or (format, order of sums) pairs; the first is the reference.
        """
        if x is None:
            self.chosen()  # says what to do where there is no region
        point = self.network.point(self.center if x is None else x)
        inputs, _ = self.network.inputs(point, np.float64)
        return compare(self.plan, inputs, semantics)

    def verify(
        self,
        spec: Wanted | Property | str | Path,
        region: Region | None = None,
        *,
        semantics: str | Format | Semantics = "real",
        timeout: float | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        trees: tuple[Any, ...] | str | Path = (),
        certify: bool = False,
        workers: int | Any | None = None,
    ) -> Verdict:
        """Decide whether some input of the region leads to outputs that are not wanted.

        Parameters
        ----------
        spec : what the outputs should be (see `workbench.wanted`), or a VNN-LIB property, read or as a path.
        region : by default the model's; a property says itself where inputs lie.
        semantics : "real", "onnx" (the network's own float program), a number format's name ("e4m3fn": operands in it,
            sums in binary32), a `floats.Format`, or a `Semantics`.
        timeout : seconds; None for no limit.
        seed : of every random choice.
        progress : called with (fraction done, words); may raise `KeyboardInterrupt` to stop.
        trees : of an earlier verdict (`Verdict.trees`), or a file that it was saved to: to go on with.
        certify : whether to make a certificate (`Verdict.certificate`) and have the exact checker accept it; what it
            does not accept becomes unknown. `Verdict.save_certificate` writes it, `wb.certificate_view` shows it.
        workers : how many processes of this machine share the search, or a Dask `Client`; None for this one alone.

        Returns
        -------
        `Verdict`: verified, falsified with a counterexample that was replayed exactly, or unknown with the reason.

        Raises
        ------
        RegionError, SpecificationError, ValueError, FileNotFoundError
            A region, a property, a semantics, a timeout or a file of trees that there is not, or that does not fit.
        """
        from workbench.methods.replay import meaning_of
        from workbench.verify import verify

        _checked_region(region)
        meaning_of(semantics)
        _check_timeout(timeout)
        if isinstance(trees, str | Path) and not Path(trees).is_file():
            raise FileNotFoundError(
                f"there is no file {str(trees)!r} of trees to go on with: verdict.save_trees(path) writes one"
            )
        if region is None and isinstance(spec, Wanted):
            region = self.chosen()
        options = {
            "semantics": semantics,
            "timeout": timeout,
            "seed": seed,
            "progress": progress,
            "trees": trees,
            "certify": certify,
            "workers": workers,
        }
        return verify(self.network, region, spec, name=self.name, digest=self.sha256, **options)  # type: ignore[arg-type]

    def cheapest_formats(
        self, spec: Wanted, candidates: Sequence[str | Semantics] = CANDIDATES, region: Region | None = None
    ) -> Precision:
        """For each layer the narrowest format with which `spec` is still proved for the float program that runs.

        Parameters
        ----------
        spec : a conjunction of linear constraints on the output, such as ``wb.margin(label)``.
        candidates : names of formats or programs to choose from.
        region : by default the model's.

        Returns
        -------
        `Precision`: the formats by layer, what they cost in bits, the margin that is left, and whether it holds.
        """
        from workbench.choosing import cheapest

        return cheapest(self.network, self.chosen(_checked_region(region)), spec, candidates)

    def _where(self, region: Region | None, eps: float | None) -> Region:
        if eps is None:
            return self.chosen(_checked_region(region, "; or give eps=0.02"))
        if region is not None:
            raise RegionError("give either a region or eps: a region has its own size")
        held = self.chosen()
        assert self.center is not None  # a model with a region has a centre
        norm = "inf" if self.norm == "box" else str(self.norm)
        return ball(self.center, eps, norm, held.clip if held.clip is not None else self.clip)

    def explore(
        self, x: Array, eps: float | None = None, norm: Norm | None = None, show: bool = True
    ) -> Model:
        """Choose an input: the region becomes the ball around it.

        Parameters
        ----------
        x : an array with as many numbers as the input has (`input_shape`); it is reshaped.
        eps : the ball's radius, in the units of the input; by default the present one.
        norm : "inf", "2" or "1"; by default the present one.
        show : has no effect, and is taken so that older notebooks run: a cell shows its last expression.

        Returns
        -------
        The model itself, so that a cell shows the workbench.

        Raises
        ------
        RegionError
            An input of another size or with NaN, an eps that is negative, a ball outside `clip`.

        Examples
        --------
        >>> import workbench as wb
        >>> model = wb.examples.digits()
        >>> pictures, labels = wb.examples.pictures()
        >>> model.explore(pictures[3], eps=0.01)
        Model('digits.onnx', 7 nodes, 17,226 parameters, eps=0.01)
        """
        self._move(x, self.eps if eps is None else eps, norm)
        return self

    # ------------------------------------------------------------------ written down

    def summary(self) -> Table:
        """The network in a table: a row a node with its operator, shape and number of parameters."""
        weights = self.graph.weights
        rows = [("node", "operator", "shape", "parameters")]
        for node in self.graph:
            own = sum(int(weights[o].size) for o in set(node.inputs) if o in weights)
            rows.append((printable(node.name), node.op, shape_text(node.shape), f"{own:,}" if own else ""))
        title = f"{printable(self.name)}: {len(self.graph):,} nodes, {self.graph.parameters:,} parameters"
        return Table(title, rows, f"outputs: {', '.join(map(printable, self.graph.outputs))}")

    def code(self) -> str:
        """Python that makes a model of this network in an empty namespace and brings it to the present settings."""
        return reproduce.code(self)

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

    def __repr__(self) -> str:
        where = "no region" if self.region is None else f"eps={self.eps:g}"
        return f"Model({self.name!r}, {len(self.graph)} nodes, {self.graph.parameters:,} parameters, {where})"

    def __dir__(self) -> Iterable[str]:
        hidden = set(dir(HasTraits)) - set(dir(object)) - {"observe", "unobserve"}
        return [name for name in super().__dir__() if name not in hidden]


def _checked_region(region: Region | None, other: str = "") -> Region | None:
    """The region, where it is one: an array or a radius is easily given in its place."""
    if region is None or isinstance(region, Region):
        return region
    raise RegionError(
        f"a Region is expected, not {type(region).__name__}: wb.ball(x, eps) or wb.box(lower, upper){other}"
    )


def _check_timeout(given: Any) -> None:
    if given is not None and not (isinstance(given, Real) and float(given) >= 0):
        raise ValueError(f"the timeout is a number of seconds, 0 or more, or None, not {given!r}")
