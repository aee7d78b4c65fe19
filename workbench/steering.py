"""Steering: a search that a person steers, from a network and a property; and what it comes to."""

from __future__ import annotations

from pathlib import Path

from workbench.methods import treefile
from workbench.methods.replay import replay
from workbench.methods.steer import Steer, SteerError
from workbench.network import Network
from workbench.region import Region
from workbench.spec import Case, Property
from workbench.verdict import Verdict
from workbench.verify import REAL, REPLAYED
from workbench.wanted import Wanted, property_of


def asked(network: Network, region: Region | None, spec: Wanted | Property | str | Path) -> Property:
    """The property in normal form; `spec` as for `verify`."""
    if isinstance(spec, str | Path):
        from workbench.io import vnnlib

        spec = vnnlib.load(spec)
    plan = network.plan
    inputs, outputs = (plan.graph[names[0]].size for names in (plan.graph.inputs, plan.graph.outputs))
    return property_of(spec, region, inputs, outputs)


def steer(
    network: Network, region: Region | None, spec: Wanted | Property | str | Path, *, case: int = 0
) -> Steer:
    """A search to be steered by hand.

    Parameters
    ----------
    network, region, spec : as for `verify.verify`.
    case : which box of the property, where it has several.

    Raises
    ------
    SteerError
        A property that holds always or never; a box that there is not.
    """
    cases = asked(network, region, spec).cases
    if not 0 <= case < len(cases):
        raise SteerError(f"the property has {len(cases)} boxes: there is no number {case}")
    one = cases[case]
    return Steer(network.plan, one.region.reshape(network.input_shape), one.unsafe)


def load(
    path: str | Path,
    network: Network,
    region: Region | None,
    spec: Wanted | Property | str | Path,
    *,
    case: int = 0,
) -> Steer:
    """A tree that was saved (`Steer.save`), for the same network, region and property."""
    one = asked(network, region, spec).cases[case]
    return Steer.load(path, network.plan, one.region.reshape(network.input_shape), one.unsafe)


def steered(network: Network, tree: Steer, name: str | None = None, digest: str | None = None) -> Verdict:
    """What a steered search comes to: "verified" where every leaf is proved."""
    graph = network.graph
    flat = tree.region.reshape((tree.inputs,))
    one = Property((Case(flat, tree.unsafe),), tree.inputs, tree.rows.size)
    leaves = tree.leaves()
    status, reason, found = tree.status, "", None
    said = [*REAL]
    if status == "falsified" and tree.counterexample is not None:
        found = replay(tree.plan, tree.region, tree.unsafe, tree.counterexample)
    if found is not None and "real" in found.holds:
        said = [REPLAYED[found.replayed]]
    elif status != "verified":
        count = sum(n.status not in ("proved", "empty") for n in leaves)
        reason = f"{count:,} of {len(leaves):,} parts are not proved"
    if tree.loaded and found is None:
        said.append(treefile.TRUSTED)
    return Verdict(
        "falsified" if found is not None else "verified" if status == "verified" else "unknown",
        "real",
        one,
        name or graph.name,
        digest or graph.digest,
        seconds=0.0,
        bound=None if found is not None else tree.bound,
        reason=reason,
        counterexample=found,
        assumptions=tuple(said),
        method="branch and bound, steered by hand",
        leaves=len(leaves),
    )
