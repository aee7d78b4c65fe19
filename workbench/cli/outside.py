"""workbench check, of files that other tools wrote: proved again from the network, or rejected with what fails."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.certificate.outside import Proved

FORMATS = {
    "vnnlib_suite_v0_1": "TorchLean's suite",
    "robust_margin_cert_v0_1": "TorchLean's margins",
    "abcrown_leaf_artifact_v0_1": "alpha,beta-CROWN's leaves",
    "npz": "auto_LiRPA's bounds",
}


def kind(file: Path) -> str | None:
    """The format of a file of another tool; None where it is none of those that are read."""
    with file.open("rb") as opened:
        head = opened.read(4096)
    if head[:4] == b"PK\x03\x04":
        return "npz"
    found = re.search(rb'"format"\s*:\s*"([\w.]+)"', head)
    name = found[1].decode() if found else ""
    return name if name in FORMATS else "abcrown_leaf_artifact_v0_1" if b'"domains"' in head else None


def prove(file: Path, network: Path | None, seconds: float) -> list[str]:
    """What was proved, a line each.

    Parameters
    ----------
    network : an ONNX file, or for TorchLean's formats a JSON file of weights.

    Raises
    ------
    Rejected
        What fails first.
    CannotCheck
        No network; an operator without a rule; a limit.
    """
    import numpy as np

    from workbench.certificate import outside, torchlean
    from workbench.certificate.format import CannotCheck, Rejected
    from workbench.io.torchlean import read_json

    what = kind(file)
    if network is None:
        raise CannotCheck(f"{FORMATS.get(str(what), what)} say nothing of a network: --network is needed")
    try:
        if what == "npz":
            with np.load(file, allow_pickle=False) as held:
                arrays = {k: held[k] for k in held.files}
            return _lines(outside.prove_npz(_network(network), arrays, seconds=seconds))
        given = read_json(file.read_bytes())
        if what == "robust_margin_cert_v0_1":
            named = str((given.get("meta") or {}).get("dataset_path", "dataset.json"))
            dataset = file.parent / Path(named.replace("\\", "/")).name
            weights = network.read_bytes()
            found = torchlean.prove_margins(
                given, weights=weights, dataset=dataset.read_bytes(), seconds=seconds
            )
            return _lines(found)
        if what == "vnnlib_suite_v0_1":
            every = torchlean.prove_suite(_network(network), given, seconds=seconds)
            bad = [(number, one) for number, one in every if isinstance(one, Rejected)]
            if bad:
                number, one = bad[0]
                raise Rejected(
                    one.step, f"instance {number} ({len(bad)} of {len(every)} are not proved): {one.why}"
                )
            return [f"{len(every)} instances are safe"]
        return _lines(outside.prove_leaves(_network(network), given, seconds=seconds))
    except (AttributeError, TypeError, ValueError) as error:
        raise Rejected("format", f"not of the form that is expected: {str(error)[:100]}") from None


def _network(file: Path) -> dict[str, Any]:
    from workbench.certificate.onnx_file import read
    from workbench.certificate.torchlean import network_from_weights
    from workbench.io.torchlean import read_json

    if file.suffix == ".json":
        return network_from_weights(read_json(file.read_bytes()))
    return read(file.read_bytes(), file.name)


def _lines(found: Proved) -> list[str]:
    leaves = sum(a.leaves for a in found.accepted)
    return [
        found.what,
        f"{len(found.accepted)} certificate(s) of {leaves} part(s), accepted by the exact checker",
    ]
