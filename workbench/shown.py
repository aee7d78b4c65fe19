"""Shown: what the views of a model ask it, and how a person opens them.

Views mirror a model and never compute; so every number that one of them shows is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.live import Live
from workbench.overlays import OVERLAYS, overlay_values
from workbench.relaxations import describe_neuron
from workbench.semantics.plan import Plan


class Shown(Live):
    """A live network that can be looked at."""

    def __init__(self, *args: Any) -> None:
        self._shown: dict[str, Any] = {}  # one widget of each kind
        super().__init__(*args)

    @property
    def plan(self) -> Plan:
        """The graph made ready to walk."""
        return self.network.plan

    # ------------------------------------------------------------------ views

    def graph_view(self, **options: Any) -> Any:
        """The computation graph as a widget."""
        return self._view("GraphView", options)

    def bounds_view(self, **options: Any) -> Any:
        """The selected node's bounds as a widget."""
        return self._view("BoundsView", options)

    def rounding_view(self, **options: Any) -> Any:
        """The selected node's rounding errors as a widget."""
        return self._view("RoundingView", options)

    def float_view(self) -> Any:
        """The bits of the selected neuron's value as a widget."""
        return self._view("FloatInspector", {})

    def roundoff_map(self) -> Any:
        """The rounding error of every neuron of the network as a map, and the selected neuron's partial sums."""
        return self._view("RoundoffMap", {})

    def replay_view(self) -> Any:
        """The selected neuron's computation, operation by operation, as a widget."""
        return self._view("ReplayView", {})

    def relaxation_explorer(self) -> Any:
        """The lines of the selected neuron's operator, over a box that can be dragged, as a widget."""
        return self._view("RelaxationExplorer", {})

    def tensor_view(self) -> Any:
        """The selected node's tensors (value, bounds, weights) as heat map, picture or table, as a widget."""
        return self._view("TensorView", {})

    def confusion_view(self, x: Array, y: Array, eps: float = 0.0, **options: Any) -> Any:
        """Who is taken for whom (clean, under attack, as far as can be proved), as a widget; a click explores.

        Parameters
        ----------
        x, y : examples and labels.
        eps : radius of the l_inf balls; 0 for neither attack nor proofs.
        options : ``method=``, ``names=``, ``clip=``, and of the attack ``steps=``, ``starts=``, ``seed=``.
        """
        from workbench.views.confusionview import ConfusionView

        return ConfusionView(self, x, y, eps, **options)

    def tape_view(self, output: int | None = None) -> Any:
        """The backward graph of an output at the centre, beside the forward one, as a widget.

        Parameters
        ----------
        output : flat index into the output; by default the one that is largest there.
        """
        from workbench.views.tapeview import TapeView

        return TapeView(self, output)

    def branch_view(self, spec: Any, region: Any = None, **options: Any) -> Any:
        """A proof that grows while one looks, and that a person can steer, as a widget.

        Parameters
        ----------
        spec : what the outputs should be, or a property file, as for `Model.verify`.
        region : by default the model's; a property says itself where inputs lie.
        options : ``case=``, which box of a property of several; ``path=``, a tree that was saved, to go on with.
        """
        from workbench.views.branchview import BranchView

        return BranchView(self, spec, region, **options)

    def precision_tuner(self, spec: Any, **options: Any) -> Any:
        """A slider of number formats for each layer, and what is left of the proof's margin, as a widget.

        Parameters
        ----------
        spec : a conjunction of linear constraints, such as ``wb.margin(7)``; over the model's region.
        options : ``candidates=``, the formats to choose from.
        """
        from workbench.views.precisiontuner import PrecisionTuner

        return PrecisionTuner(self, spec, **options)

    def _view(self, kind: str, options: Mapping[str, Any]) -> Any:
        """One widget of each kind serves every cell that shows it: nothing piles up when a cell runs again."""
        from workbench import views

        if options:
            return getattr(views, kind)(self, **options)
        held = self._shown.get(kind)
        if held is None or held.comm is None:  # none yet, or closed
            held = self._shown[kind] = getattr(views, kind)(self)
        return held

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self._view("Workbench", {})._repr_mimebundle_(**kwargs)

    # ------------------------------------------------------------------ what views show

    def phases(self, name: str) -> tuple[int, int, int] | None:
        """Counts of (always on, unstable, always off) neurons of an activation with two pieces; else None."""
        found = self.neuron_phases(name)
        return None if found is None else tuple(int(np.sum(found == k)) for k in (1, 0, -1))  # type: ignore[return-value]

    def neuron_phases(self, name: str) -> Array | None:
        """Each neuron's phase, of the node's shape: 1 always on, 0 unstable, -1 always off; None without phases."""
        return None if self.result is None else self.result.phases(self.plan, name)

    def phase_operand(self, name: str) -> str | None:
        """The operand whose sign decides the phases of a node, or None where it has none."""
        found = None if self.result is None else self.result.kink(self.plan, name)
        return None if found is None else found[0]

    def overlays(self) -> list[tuple[str, str, str, bool]]:
        """(key, label, unit, logarithmic) of every overlay."""
        return list(OVERLAYS)

    def overlay_values(self, key: str) -> dict[str, float | None]:
        """One number a node for an overlay; None where there is none."""
        return overlay_values(self.plan, self.result, key)

    def relaxation(self, name: str, index: int) -> dict[str, Any] | None:
        """The lines that the newest bounds use for one neuron, ready to draw; None for linear nodes."""
        return None if self.result is None else describe_neuron(self.plan, self.result, name, index)

    def attribution(
        self, output: int | None = None, node: str | None = None
    ) -> list[tuple[str, int, float]] | None:
        """The neurons whose own rounding contributes most to the error bound of one output.

        Parameters
        ----------
        output : flat index into the output; by default the one that is largest at the centre.
        node : which output (or other node) is meant; by default the first output.

        Returns
        -------
        (node, flat index, contribution), largest first; None where no rounding bounds are computed yet.

        Raises
        ------
        IndexError
            There is no such neuron.
        """
        if self.result is None or self.result.errors is None:
            return None
        name = self.graph.outputs[0] if node is None else node
        if name not in self.result.errors:
            return None
        index = int(np.argmax(self.result.values[name])) if output is None else output
        return self.result.errors.attribution(index, name, count=None)
