"""One part of a proof in a model's other views: its box, and what the decided signs say of the neurons there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.graph import Array
from workbench.methods.bounds import Bounds
from workbench.methods.locate import operands
from workbench.region import Region, box
from workbench.results import Result
from workbench.semantics.interval import Interval
from workbench.semantics.plan import Plan
from workbench.tables import down


@dataclass(frozen=True, eq=False)
class Leaf:
    """A part of the region, ready to be shown.

    Parameters
    ----------
    tree, id : which node of which search.
    region : its box.
    bounds : of every node of the network over the part.
    signs : (relu node, flat index in it, +1 or -1) decided on the way.
    path : the splits from the root, in words.
    status, bound : the node's.
    """

    tree: str
    id: int
    region: Region
    bounds: Bounds
    signs: tuple[tuple[str, int, int], ...]
    path: tuple[str, ...]
    status: str
    bound: float


def whole_part(tree: str, steer: Any, number: int) -> Leaf:
    """What the model's views need of one node.

    Raises
    ------
    ValueError
        A part in which no input lies.
    """
    node = steer.node(number)
    if node.status == "empty":
        raise ValueError(
            "no input lies in this part: its signs cannot all hold, and there is nothing to show"
        )
    shape = steer.region.shape
    region = box(np.reshape(node.lower, shape), np.reshape(node.upper, shape))
    signs = tuple((*steer.neuron(i), int(s)) for i, s in node.signs)
    path = tuple(steer.path(number))
    return Leaf(tree, number, region, steer.bounds_of(number), signs, path, node.status, float(node.bound))


def sharpened(plan: Plan, result: Result, leaf: Leaf) -> Result:
    """A result over the leaf's box with what is known of the leaf: its bounds, samples that lie in it, its words."""
    found: dict[str, Interval] = {}
    inner: dict[str, Interval] = {}
    for name, own in result.bounds.items():
        both = own
        if name in leaf.bounds:
            both = own.intersect(leaf.bounds[name][0])
        found[name] = both
        inner[name] = Interval(both.lo[None], both.hi[None])
    forms = leaf.bounds.forms or result.detail.forms
    samples, inside = _in_part(plan, result.samples, leaf)
    where = " and ".join(leaf.path) or "the whole region"
    told = "proved here" if leaf.status == "proved" else f"{leaf.status} here"
    by = (
        ""
        if not np.isfinite(leaf.bound)
        else f": unsafe constraints are missed by at least {down(leaf.bound)}"
    )
    note = f"part {leaf.id} of proof tree {leaf.tree}" + (
        "" if inside else "; the centre of its box lies outside of it"
    )
    verdict: dict[str, Any] = {
        "state": "verified" if leaf.status == "proved" else "unknown",
        "text": f"part {leaf.id} of proof tree {leaf.tree}, {told}{by}",
        "math": f"for all x with {where}",
        "details": [],
        "question": "A part of a proof tree: nothing is said about the rest of the region.",
    }
    detail = replace(result.detail, intervals=inner, forms=forms)
    return replace(
        result,
        bounds=found,
        detail=detail,
        samples=samples,
        verdict=verdict,
        note="; ".join(filter(None, [note, result.note])),
    )


def _in_part(plan: Plan, samples: Mapping[str, Array], leaf: Leaf) -> tuple[Mapping[str, Array], bool]:
    """The samples in which every decided sign holds (to within float rounding), and whether the centre is one."""
    if not leaf.signs or not samples:
        return samples, True
    (name,) = plan.graph.inputs
    points = np.asarray(samples[name], np.float64)
    center = 0.5 * leaf.region.lower + 0.5 * leaf.region.upper
    values = operands(plan, np.concatenate([center.reshape(1, *points.shape[1:]), points]))
    keep: Array = np.ones(len(points) + 1, bool)
    for node, element, sign in leaf.signs:
        keep &= sign * values[node][:, element] >= 0
    return {k: v[keep[1:]] if len(v) == len(points) else v for k, v in samples.items()}, bool(keep[0])
