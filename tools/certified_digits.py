"""Trains a classifier of scikit-learn's digits to be verified, and proves what it can.

    python tools/certified_digits.py train     [--seed 0]        writes tutorials/networks/digits_certified.onnx
    python tools/certified_digits.py certify   [--certificates DIR]

`train`: 64-256-10 with relu, adversarial training (PGD, 3 steps) on pictures that are shifted and turned a little, the
radius rising to 0.03; 120 epochs of 1437 pictures.  The 360 test pictures are those of
``train_test_split(test_size=360, random_state=0, stratify=labels)``; pixels are divided by 16.

`certify`: for every test picture, a certificate that no picture within 0.02 of it (in the largest change of a pixel,
pixels kept within [0, 1]) is given another label, made by `workbench.certificate.produce`; then each is written out,
read again, and checked by the exact checker against the bytes of the ONNX file, as `workbench check` does.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import time
from pathlib import Path

import workbench as wb
from workbench import nn
from workbench.certificate import check, format, onnx_file, produce
from workbench.nn import certified
from workbench.nn.augment import jitter
from workbench.wanted import property_of

NETWORK = Path(__file__).resolve().parents[1] / "tutorials" / "networks" / "digits_certified.onnx"
RADIUS, HARDER, EPOCHS, BATCH = 0.02, 0.03, 120, 64


def train(path: Path, seed: int) -> None:
    """Train on the split of that seed, say how it does, and write the network."""
    x, y, x_test, y_test = nn.digits(seed=seed)
    net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10)).init(0)
    loader = nn.Loader(x, y, batch_size=BATCH, seed=1)
    steps = EPOCHS * len(loader)
    objective = certified.PGD(certified.ramp(HARDER, 10 * len(loader)), steps=3, augment=jitter(8, 8))
    optimizer = nn.AdamW(net, lr=5e-3, weight_decay=0.02)
    nn.Trainer(net, objective, optimizer, schedule=nn.schedule.cosine(steps)).fit(loader, EPOCHS)
    right = int((net(x_test).argmax(axis=1) == y_test).sum())
    proved = {m: int(certified.certified(net, x_test, y_test, RADIUS, m).sum()) for m in ("ibp", "crown")}
    print(f"split {seed}: {right} of {len(y_test)} right; proved within {RADIUS}: {proved}")
    path.parent.mkdir(exist_ok=True)
    net.to_onnx(path, (1, 64))


def certify(path: Path, seed: int, folder: Path | None) -> int:
    """Make and check a certificate for every test picture; gives how many were accepted."""
    _, _, x, y = nn.digits(seed=seed)
    data = path.read_bytes()
    network = onnx_file.read(data)
    model = wb.load(path)
    accepted, right, start = 0, 0, time.monotonic()
    for i, (picture, label) in enumerate(zip(x, y, strict=True)):
        right += int(model.run(picture[None]).argmax() == label)
        region = wb.ball(picture[None], RADIUS, clip=(0, 1)).reshape((1, 64))
        asked = property_of(wb.margin(int(label)), region, 64, 10)
        try:
            made = produce.dumps(produce.certify(network, asked, method="rows", limit=60))
        except (produce.NotProved, format.Rejected, format.CannotCheck) as error:
            print(f"picture {i}, a {label}: no certificate: {error}")
            continue
        if folder is not None:
            folder.mkdir(exist_ok=True)
            (folder / f"{i:03}.json.gz").write_bytes(gzip.compress(made, 6))
        found = check.check(format.loads(made), network=onnx_file.read(data))
        accepted += found.verdict == "verified"
    print(f"{right} of {len(y)} right")
    print(f"certified {accepted} of {len(y)} within {RADIUS}, in {time.monotonic() - start:.0f} s")
    return accepted


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=("train", "certify"))
    parser.add_argument("--network", type=Path, default=NETWORK)
    parser.add_argument("--seed", type=int, default=0, help="of the split")
    parser.add_argument("--certificates", type=Path, default=None, help="a folder to keep them in")
    given = parser.parse_args()
    if given.what == "train":
        train(given.network, given.seed)
    elif certify(given.network, given.seed, given.certificates) < 1:
        sys.exit(1)


if __name__ == "__main__":
    main()
