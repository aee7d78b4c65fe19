"""Training: updates and schedules equal PyTorch's; runs that are interrupted go on bit for bit; faults are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench import nn
from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn import optim, schedule, tensorsfile

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(np.int64)


def net(seed: int = 0) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 2)
    ).init(seed)


def loader(**options: Any) -> nn.Loader:
    return nn.Loader(X, Y, batch_size=16, seed=3, **options)


def trainer(module: nn.Module, **options: Any) -> nn.Trainer:
    return nn.Trainer(module, nn.CrossEntropyLoss(), nn.Adam(module, lr=0.02), progress=False, **options)


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


# ---------------------------------------------------------------- against PyTorch

UPDATES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.5}),
    ("Adagrad", {"lr": 0.05, "lr_decay": 0.01, "weight_decay": 0.01}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.05, "betas": (0.8, 0.99)}),
    ("Adadelta", {"lr": 1.0}),
]


@pytest.mark.parametrize(
    ("name", "settings"), UPDATES, ids=lambda v: v if isinstance(v, str) else "-".join(v)
)
def test_a_hundred_steps_are_pytorchs(name: str, settings: dict[str, Any]) -> None:
    torch: Any = pytest.importorskip("torch")
    t = torch.nn
    ours = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2)).init(1)
    theirs = t.Sequential(t.Linear(6, 8), t.Tanh(), t.Linear(8, 2))
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    mine, yours = (
        getattr(nn, name)(ours, **settings),
        getattr(torch.optim, name)(theirs.parameters(), **settings),
    )
    session, judge = nn.trainer.Session(ours, nn.Objective(nn.CrossEntropyLoss())), t.CrossEntropyLoss()
    for step in range(100):
        found = session.step(X, Y, step)
        mine.step(found.grads)
        yours.zero_grad()
        loss = judge(theirs(torch.tensor(X)), torch.tensor(Y))
        loss.backward()
        yours.step()
        assert abs(found.loss - loss.item()) < 2e-4
    for key, value in theirs.state_dict().items():
        apart = np.abs(ours.state_dict()[key] - value.numpy()).max()
        assert apart < 5e-4 * max(1.0, float(value.abs().max())), key


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_losses_are_pytorchs() -> None:
    torch: Any = pytest.importorskip("torch")
    t, logits = torch.nn, RNG.normal(size=(5, 4)).astype(np.float32)
    real = RNG.normal(size=(5, 4)).astype(np.float32)
    labels, chances = np.array([0, 3, -100, 2, 1]), np.abs(real) / np.abs(real).sum(1, keepdims=True)
    for how in ("mean", "sum", "none"):
        for ours, theirs, target in (
            (nn.MSELoss(how), t.MSELoss(reduction=how), real),
            (nn.L1Loss(how), t.L1Loss(reduction=how), real),
            (nn.HuberLoss(how, 0.5), t.HuberLoss(reduction=how, delta=0.5), real),
            (nn.BCEWithLogitsLoss(how), t.BCEWithLogitsLoss(reduction=how), (real > 0).astype(np.float32)),
            (nn.KLDivLoss(how), t.KLDivLoss(reduction=how), chances),
            (nn.CrossEntropyLoss(how), t.CrossEntropyLoss(reduction=how), labels),
            (nn.CrossEntropyLoss(how), t.CrossEntropyLoss(reduction=how), chances),
        ):
            expected = theirs(torch.tensor(logits), torch.tensor(target)).numpy()
            assert np.abs(ours(logits, target) - expected).max() < 1e-5, (ours, how)
    smooth = nn.CrossEntropyLoss(label_smoothing=0.1)(logits, labels)
    assert (
        abs(
            smooth
            - float(t.CrossEntropyLoss(label_smoothing=0.1)(torch.tensor(logits), torch.tensor(labels)))
        )
        < 1e-6
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_schedules_are_pytorchs() -> None:
    torch: Any = pytest.importorskip("torch")
    lr = torch.optim.lr_scheduler
    for ours, make in (
        (schedule.step_lr(7, 0.5), lambda o: lr.StepLR(o, 7, 0.5)),
        (schedule.exponential(0.9), lambda o: lr.ExponentialLR(o, 0.9)),
        (schedule.cosine(30, 0.01), lambda o: lr.CosineAnnealingLR(o, 30, 0.01)),
        (schedule.one_cycle(30), lambda o: lr.OneCycleLR(o, 0.1, total_steps=30)),
        (schedule.warmup(10, start=0.1), lambda o: lr.LinearLR(o, 0.1, total_iters=10)),
    ):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        theirs = make(optimizer)
        for step in range(30):
            assert abs(ours(step, 0.1) - optimizer.param_groups[0]["lr"]) < 1e-9, (ours, step)
            optimizer.step()
            theirs.step()


def test_lion_and_muon_do_what_their_authors_wrote() -> None:
    weight, grad = RNG.normal(size=(4, 3)).astype(np.float32), RNG.normal(size=(4, 3)).astype(np.float32)
    layer = nn.Linear(3, 4, bias=False)
    layer.weight.value = weight.copy()
    nn.Lion(layer, lr=0.1, weight_decay=0.5).step({"weight": grad})
    assert np.allclose(layer.weight.value, weight * 0.95 - 0.1 * np.sign(grad), atol=1e-6)
    moved = optim.orthogonalised(grad, 5)
    assert (np.abs(np.linalg.svd(moved)[1] - 1) < 0.35).all()  # the polynomial brings them near 1, not to it
    with pytest.raises(GraphError, match="Muon is for matrices; give bias"):
        nn.Muon(nn.Linear(3, 4))


# ---------------------------------------------------------------- resuming


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    file = tmp_path / "run.safetensors"
    whole = net()
    rows = trainer(whole).fit(loader(), 4, (X, Y)).rows

    class Interrupted(Exception):
        pass

    def falls(t: nn.Trainer, row: dict[str, float]) -> None:
        if row["step"] == 6:  # in the middle of the second epoch
            raise Interrupted

    half = net()
    with pytest.raises(Interrupted):
        trainer(half, checkpoint=file, on_step=falls).fit(loader(), 4, (X, Y))
    again = net(seed=9)  # another process: nothing of the first is left but the file
    second = trainer(again, checkpoint=file)
    assert second.fit(loader(), 4, (X, Y), resume=True).rows == rows
    assert same(whole.state_dict(), again.state_dict())


def test_the_same_seed_gives_the_same_run_and_another_does_not() -> None:
    runs = []
    for seed in (1, 1, 2):
        module = net()
        trainer(module, seed=seed).fit(loader(), 2)
        runs.append(module.state_dict())
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])  # other masks of dropout


def test_early_stopping_goes_back_to_the_best() -> None:
    module = net()
    t = trainer(module, early_stop=nn.EarlyStop(patience=1, monitor="loss", least=10.0))
    history = t.fit(loader(), 10)
    assert len(history) == 3  # the first is the best; two more were not
    best = net()
    trainer(best).fit(loader(), 1)
    assert same(best.state_dict(), module.state_dict())


def test_history_is_written(tmp_path: Path) -> None:
    history = trainer(net(), metrics={"accuracy": nn.accuracy}).fit(loader(), 2, (X, Y))
    history.to_csv(tmp_path / "log.csv")
    history.to_json(tmp_path / "log.json")
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss,lr,val_loss,val_accuracy"
    found = json.loads((tmp_path / "log.json").read_text())
    assert found["steps"] == [0, 1]
    assert [s["name"] for s in found["series"]] == ["loss", "lr", "val_loss", "val_accuracy"]


# ---------------------------------------------------------------- faults


class Rooted(nn.Module):
    """Takes the logarithm of what may be negative."""

    def __init__(self) -> None:
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Any) -> Any:
        return F.log(self.fc(x))


def test_a_loss_that_is_no_number_names_the_node_first() -> None:
    module = Rooted().init(0)
    before = module.state_dict()
    with pytest.raises(
        nn.TrainingError, match=r"epoch 0, batch 0: the loss is nan .* node 'log' \(Log\) .* fc/gemm from -"
    ):
        trainer(module).fit(loader(), 1)
    assert same(before, module.state_dict())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nn.Loader(X, Y[:-1]), r"\(60,\) examples and \(59,\) targets"),
        (lambda: nn.Loader(np.where(X > 2, np.nan, X), Y), r"holds nan at .*clean the data first"),
        (lambda: trainer(net()).fit(nn.Loader(X[:, :5], Y), 1), r"layer '0' \(Linear\) expects .* 6"),
        (
            lambda: trainer(net()).fit(nn.Loader(X, Y + 1), 1),
            r"there is no class 2: the network has 2 outputs",
        ),
        (lambda: trainer(net()).fit(nn.Loader(X, Y.astype(float)), 1), r"whole-numbered label"),
        (lambda: nn.SGD(net(), groups=[("*.bais", {})]), r"has no parameter '\*.bais'"),
        (lambda: tensorsfile.load("no such file"), r"cannot be read"),
    ],
)
def test_faults_are_said_in_words(make: Any, said: str) -> None:
    with pytest.raises(GraphError, match=said):
        make()


def test_a_damaged_checkpoint_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    file, module = tmp_path / "run.safetensors", net()
    t = trainer(module, checkpoint=file)
    t.fit(loader(), 1)
    data, before = file.read_bytes(), module.state_dict()
    for broken in (b"", data[:7], data[:100], data[:-9], data[:8] + b"x" + data[9:], b"\xff" * 64):
        file.write_bytes(broken)
        with pytest.raises(GraphError, match="no safetensors file, or a damaged one"):
            t.load(file)
    tensorsfile.save(file, {"a": np.zeros(3)})
    with pytest.raises(GraphError, match="no checkpoint of a training"):
        t.load(file)
    assert same(before, module.state_dict())


def test_groups_change_settings_by_name() -> None:
    module = nn.Linear(3, 2).init(0)
    before = module.state_dict()
    optimizer = nn.SGD(module, lr=0.1, weight_decay=0.5, groups=[("bias", {"weight_decay": 0.0, "lr": 0.2})])
    optimizer.step({"weight": np.zeros((2, 3)), "bias": np.ones(2)})
    assert np.allclose(module.weight.value, before["weight"] * 0.95)
    assert np.allclose(module.bias.value, before["bias"] - 0.2)  # type: ignore[union-attr]


def test_safetensors_keep_every_bit(tmp_path: Path) -> None:
    arrays = {
        "a": RNG.normal(size=(2, 3)),
        "b": np.array(7),
        "c": np.zeros((0, 2), np.float16),
        "d": X[::2, 1:3],
    }
    tensorsfile.save(tmp_path / "t", arrays, {"note": "é"})
    found, metadata = tensorsfile.load(tmp_path / "t")
    assert metadata == {"note": "é"}
    assert all(np.array_equal(found[k], v) and found[k].dtype == v.dtype for k, v in arrays.items())


def test_an_optimizer_takes_what_parameters_gives() -> None:
    rows, states = [], []
    for given in (lambda m: m, lambda m: m.parameters(), lambda m: m.named_parameters()):
        module = net()
        rows.append(nn.Trainer(module, optimizer=nn.AdamW(given(module), lr=0.02)).fit(loader(), 2).rows)
        states.append(module.state_dict())
    assert rows[0] == rows[1] == rows[2]
    assert same(states[0], states[1])
    for wrong in (list(net().parameters()), iter(net().parameters()), None):
        with pytest.raises(
            GraphError, match=r"takes the module, as in nn.AdamW\(net\), or net.parameters\(\)"
        ):
            nn.AdamW(wrong)
    module = net()
    before = module.state_dict()
    some = {k: p for k, p in module.named_parameters().items() if k.startswith("4.")}
    nn.Trainer(module, optimizer=nn.SGD(some, lr=0.1)).fit(loader(), 1)
    assert {k for k in some if not np.array_equal(before[k], module.state_dict()[k])} == some.keys()
    assert np.array_equal(before["0.weight"], module.state_dict()["0.weight"])
    with pytest.raises(GraphError, match="of another module"):
        nn.Trainer(net(), optimizer=nn.SGD(net()))


def test_a_pair_is_a_loader_and_epochs_are_a_total() -> None:
    t, other = trainer(net()), trainer(net())
    assert t.fit((X, Y), 2).rows == other.fit(nn.Loader(X, Y), 2).rows
    assert repr(t) == "Trainer(Sequential, Adam, 2 epochs done)"
    with pytest.warns(UserWarning, match=r"nothing was trained.*ask for epochs=3 to train 1 more"):
        assert len(t.fit((X, Y), 1)) == 2
    assert len(t.fit((X, Y), 3)) == 3
    for wrong in (X, (X, Y, Y)):
        with pytest.raises(GraphError, match=r"as the pair \(x, y\)"):
            t.fit(wrong, 4)  # type: ignore[arg-type]


def test_an_embedding_learns() -> None:
    ids = RNG.integers(0, 5, (40, 3))
    module = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 2)).init(0)
    labels = (ids[:, 0] > 2).astype(np.int64)
    t = nn.Trainer(module, nn.CrossEntropyLoss(), nn.Adam(module, lr=0.1), progress=False)
    assert t.fit(nn.Loader(ids, labels, batch_size=20), 10)["loss"][-1] < 0.1
