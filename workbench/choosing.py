"""Choosing: number formats for the layers of a network under which a proof still holds."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.floats.program import Semantics
from workbench.graph import Array
from workbench.methods.precision import CANDIDATES, Precision, cheapest_formats
from workbench.methods.tuning import Tuner
from workbench.network import Network
from workbench.region import Region
from workbench.spec import Rows
from workbench.wanted import SpecificationError, Wanted, property_of


def cheapest(
    network: Network, region: Region, spec: Wanted, candidates: Sequence[str | Semantics]
) -> Precision:
    """The narrowest format of each layer with which `spec` is still proved: `methods.precision` has the details.

    Raises
    ------
    SpecificationError
        Where the property is no conjunction of linear constraints: there is no one margin to keep.
    """
    rows, thresholds = _margin_rows(network, region, spec)
    regions = network.regions(region)
    return cheapest_formats(network.plan, regions, rows, candidates, thresholds=thresholds)


def tuner(
    network: Network, region: Region, spec: Wanted, candidates: Sequence[str | Semantics] = CANDIDATES
) -> Tuner:
    """The margin of the float proof of `spec` as a function of the layers' formats: `methods.tuning` has the details.

    Raises
    ------
    SpecificationError
        As `cheapest`.
    """
    rows, thresholds = _margin_rows(network, region, spec)
    return Tuner(network.plan, network.regions(region), rows, candidates, thresholds)


def _margin_rows(network: Network, region: Region, spec: Wanted) -> tuple[Array, Array]:
    """A conjunction of linear constraints as rows of the first output, and what each has to exceed."""
    plan = network.plan
    inputs, outputs = (plan.graph[names[0]].size for names in (plan.graph.inputs, plan.graph.outputs))
    (case,) = property_of(spec, region, inputs, outputs).cases
    rows = Rows(case.unsafe, outputs)
    if any(len(group) != 1 for group in rows.groups) or rows.error is not None:
        raise SpecificationError(
            "formats can be chosen for a conjunction of linear constraints, such as wb.margin(label)"
        )
    shape = plan.graph[plan.graph.outputs[0]].shape
    return rows.matrix.reshape(-1, *shape), rows.threshold
