"""compile: the bits of running node by node, parameters that go on changing; a training that is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench import nn
from workbench.graph import GraphError
from workbench.nn.tensorsfile import load as load_tensors

RNG = np.random.default_rng(3)


def numbers(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


NETS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "mlp": (nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3)), (32, 20)),
    "cnn": (
        nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.GELU(), nn.Flatten(), nn.Linear(24, 3)),
        (16, 1, 8, 8),
    ),
    "attention": (nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16), nn.Flatten(), nn.Linear(24, 3)), (10, 3, 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_a_compiled_module_follows_its_parameters(name: str) -> None:
    net, shape = NETS[name]
    net = net.init(0)
    fast = wb.compile(net)
    kept: list[tuple[Any, Any]] = []
    for _ in range(3):
        x = numbers(*shape)
        found, plain = fast(x), net(x)
        assert found.tobytes() == plain.tobytes()
        kept.append((found, plain))
        for p in net.parameters():
            p.value = p.value * np.float32(0.9)
    assert all(a.tobytes() == b.tobytes() for a, b in kept), "a later call wrote over an earlier result"
    assert fast(numbers(2, *shape[1:])).shape == (2, 3)  # another shape is planned when it comes
    assert "2 shapes" in repr(fast)


@pytest.mark.parametrize("name", NETS)
def test_training_by_plan_and_node_by_node_give_the_same_parameters(name: str) -> None:
    """Batches of two sizes; statistics, dropout and the smaller last batch included."""
    _, shape = NETS[name]
    x, y = numbers(40, *shape[1:]), RNG.integers(0, 3, 40)
    found = []
    for planned in (True, False):
        net = NETS[name][0].init(5)
        for b in net.named_buffers().values():
            b.value = np.ones_like(b.value)
        trainer = nn.Trainer(
            net,
            nn.CrossEntropyLoss(),
            nn.SGD(net, 0.05, momentum=0.9),
            seed=2,
            compile=planned,
            progress=False,
        )
        history = trainer.fit(nn.Loader(x, y, batch_size=16, seed=1), 3, validation=(x, y))
        found.append((net.state_dict(), [row["val_loss"] for row in history.rows]))
    assert found[0][1] == found[1][1]
    assert all(found[0][0][k].tobytes() == v.tobytes() for k, v in found[1][0].items())


def test_functions_compile_too() -> None:
    fast = wb.compile(lambda a, b: nn.functional.relu(a @ b + 1.0))
    a, b = numbers(2, 3), numbers(3, 4)
    assert np.array_equal(fast(a, b), wb.trace(fast.function, a, b)(a, b))
    assert wb.compile(fast) is fast
    inside = wb.trace(lambda a: fast(a, b) * 2.0, (2, 3))  # in another graph it is what it stands for
    assert np.array_equal(inside(a), 2 * fast(a, b))
    with pytest.raises(GraphError, match="compile takes a module or a function, not 3"):
        wb.compile(3)  # type: ignore[arg-type]


TRAINING = """
import sys, time
import numpy as np
from workbench import nn
x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.2), nn.Linear(6, 2)).init(0)
slow = (lambda t, row: (print(row["step"], flush=True), time.sleep(0.02))) if sys.argv[2] == "slow" else None
trainer = nn.Trainer(net, nn.CrossEntropyLoss(), nn.Adam(net), checkpoint=sys.argv[1], on_step=slow, progress=False)
trainer.fit(nn.Loader(x, (x[:, 0] > 0).astype(int), batch_size=8, seed=4), 4, resume=True)
print(trainer.count, *(float(p.value.astype(float).sum()).hex() for p in net.parameters()))
"""


def test_a_killed_training_loses_at_most_the_step_under_way(tmp_path: Path) -> None:
    def run(name: str, *more: str) -> list[str]:
        return [sys.executable, "-c", TRAINING, str(tmp_path / name), *more]

    whole = subprocess.run(run("whole", "fast"), capture_output=True, text=True, check=True).stdout
    with subprocess.Popen(run("killed", "slow"), stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        told = [int(running.stdout.readline()) for _ in range(11)]
        running.kill()
        told += [int(line) for line in running.stdout.read().split()]
    _, metadata = load_tensors(tmp_path / "killed")
    assert json.loads(metadata["state"])["count"] >= told[-1] < 31
    assert subprocess.run(run("killed", "fast"), capture_output=True, text=True, check=True).stdout == whole
