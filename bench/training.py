"""One epoch of training against PyTorch's CPU: python bench/training.py [--threads 2].

A 784-256-256-10 network and a small convolutional one, on random pictures, with Adam and batches of 128, in float32.
Each is run for one epoch that is not counted, and then `--repeat` more; the least time counts.  PyTorch is used as its
tutorials do, without compiling.  Without PyTorch only our times are printed.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from typing import Any

parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument(
    "--cpu", action="store_true", help="processor time instead of time: on a machine that is busy"
)
parser.add_argument("--only", choices=("ours", "torch"), default=None)
BATCH = 128


def ours(kind: str) -> Callable[[], Any]:
    """One epoch of ours."""
    from workbench import nn

    x, y = data(kind)
    net = mlp(nn) if kind == "mlp" else cnn(nn)
    trainer = nn.Trainer(net.init(0), nn.CrossEntropyLoss(), nn.Adam(net.init(0)), progress=False)
    loader = nn.Loader(x, y, batch_size=BATCH)
    epochs = iter(range(1, 1000))
    return lambda: trainer.fit(loader, next(epochs))


def theirs(kind: str) -> Callable[[], Any]:
    """One epoch of PyTorch's."""
    import torch

    x, y = (torch.tensor(a) for a in data(kind))
    net = mlp(torch.nn) if kind == "mlp" else cnn(torch.nn)
    optimizer, loss = torch.optim.Adam(net.parameters()), torch.nn.CrossEntropyLoss()

    def epoch() -> None:
        order = torch.randperm(len(x))
        for i in range(0, len(x), BATCH):
            at = order[i : i + BATCH]
            optimizer.zero_grad()
            loss(net(x[at]), y[at]).backward()
            optimizer.step()

    return epoch


def mlp(nn: Any) -> Any:
    """784-256-256-10."""
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


def cnn(nn: Any) -> Any:
    """Two convolutions and a dense layer on 8 x 8 pictures."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


def data(kind: str) -> tuple[Any, Any]:
    """Random pictures with labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    shape = (12800, 784) if kind == "mlp" else (1792, 1, 8, 8)
    return rng.random(shape, np.float32), rng.integers(0, 10, shape[0])


def main() -> None:
    """Print times and ratios."""
    given = parser.parse_args()
    clock = time.process_time if given.cpu else time.perf_counter
    made: list[tuple[str, Callable[[str], Callable[[], Any]]]] = [("ours", ours), ("torch", theirs)]
    for kind in ("mlp", "cnn"):
        times = {}
        for name, make in made:
            if given.only not in (None, name):
                continue
            if name == "torch":
                try:
                    import torch
                except ImportError:
                    continue
                torch.set_num_threads(given.threads)
            epoch = make(kind)
            epoch()
            least = float("inf")
            for _ in range(given.repeat):
                start = clock()
                epoch()
                least = min(least, clock() - start)
            times[name] = least
        told = ", ".join(f"{k} {1e3 * v:.0f} ms" for k, v in times.items())
        ratio = f", ratio {times['ours'] / times['torch']:.2f}" if len(times) == 2 else ""
        print(f"{kind}: {told}{ratio}", flush=True)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory at most {most:.0f} MiB; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    threads = str(parser.parse_args().threads)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = threads  # before NumPy is loaded
    main()
