"""Layers build graphs: the same numbers in the engine, in onnxruntime, and (where it is there) in PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench import nn
from workbench.graph import GraphError
from workbench.nn import functional as F
from workbench.nn.tracing import trace_module

Net = nn.Sequential


def mlp() -> nn.Sequential:
    return Net(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).init(1)


NETWORKS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "mlp": (mlp(), (1, 6)),
    "cnn": (
        Net(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Residual(nn.Conv2d(4, 4, 3, padding="same"), nn.GELU()),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 3),
        ),
        (1, 1, 8, 8),
    ),
    "conv1d": (Net(nn.Conv1d(2, 4, 3, stride=2, groups=2), nn.Tanh(), nn.AvgPool1d(2)), (1, 2, 9)),
    "conv3d": (Net(nn.Conv3d(1, 2, 2), nn.Sigmoid(), nn.MaxPool3d(2)), (1, 1, 5, 5, 5)),
    "transposed": (Net(nn.ConvTranspose2d(2, 4, 3, 2, 1, 1), nn.GroupNorm(2, 4)), (1, 2, 4, 4)),
    "attention": (nn.MultiheadAttention(8, 2), (1, 5, 8)),
    "norms": (Net(nn.LayerNorm(6), nn.Linear(6, 4), nn.RMSNorm(4), nn.Softmax()), (1, 3, 6)),
    "activations": (
        Net(
            nn.Softplus(),
            nn.Mish(),
            nn.ELU(),
            nn.SiLU(),
            nn.Hardswish(),
            nn.LeakyReLU(0.2),
            nn.LogSoftmax(-1),
        ),
        (1, 6),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_of_it_runs_to_the_same_results(name: str, tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    net, shape = NETWORKS[name]
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    ours = net(x)
    net.to_onnx(tmp_path / "net.onnx", shape)
    session = ort.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {session.get_inputs()[0].name: x})
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 2e-6
    again = wb.load(tmp_path / "net.onnx")
    assert np.abs(again.run(x) - ours).max() < 2e-6


def test_a_batch_is_its_examples() -> None:
    net, shape = NETWORKS["cnn"]
    x = np.random.default_rng(0).normal(size=(3, *shape[1:])).astype(np.float32)
    assert np.abs(net(x) - np.concatenate([net(x[i : i + 1]) for i in range(3)])).max() < 1e-6


def test_a_model_can_be_bounded() -> None:
    model = mlp().model("batch=1 features=6")
    x = np.full((1, 6), 0.25)
    out = model.bounds("crown", wb.ball(x, 0.1)).output
    y = model.run(x + 0.09)
    assert (out.lower[0] <= y).all()
    assert (y <= out.upper[0]).all()
    assert [n.name for n in model.graph] == ["x", "linear_0", "relu_1", "linear_2"]
    assert list(model.graph.weights) == ["0.weight", "0.bias", "2.weight", "2.bias"]


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (
            lambda: mlp().graph("batch=1 pixels=7"),
            r"layer '0' \(Linear\) expects a last dimension of 6, .*pixels=7",
        ),
        (lambda: wb.trace(lambda x, y: x - y, (5, 1), (5,)), r"would repeat one of them .*\.reshape\(1, 5\)"),
        (
            lambda: Net(nn.Conv2d(3, 4, 3)).graph((1, 1, 8, 8)),
            r"\(Conv2d\) expects \[batch, channels=3, height, width\]",
        ),
        (lambda: Net(nn.Linear(16, 2)).graph((1, 4, 2, 2)), r"Flatten\(\)"),
        (lambda: Net(nn.LayerNorm(4)).graph((1, 5)), r"LayerNorm"),
        (lambda: nn.MultiheadAttention(8, 2).graph((1, 5, 6)), r"features=8"),
        (lambda: nn.MultiheadAttention(8, 3), r"8 features do not divide into 3 heads"),
        (lambda: wb.trace(lambda x: x or x, (1,)), r"Python cannot branch on it"),
        (lambda: wb.trace(lambda x: x @ x, (2, 3)), r"last size of the first"),
        (lambda: Net(F.relu), r"write nn.ReLU"),  # type: ignore[arg-type]
        (lambda: nn.Linear(3, 2).graph((1, -3)), r"a size cannot be negative"),
        (lambda: mlp().load_state_dict({"0.weight": np.zeros((5, 6))}), r"missing: 0.bias"),
        (lambda: nn.CrossEntropyLoss()(np.zeros((2, 3)), np.array([0, 7])), r"there is no class 7"),
        (lambda: nn.MSELoss()(np.zeros((4, 1)), np.zeros(4)), r"target.reshape\(4, 1\)"),
        (lambda: mlp().model(), r"give the input's shape, such as \(1, 64\)"),
        (lambda: mlp().graph(), r"give the input's shape, such as \(1, 64\)"),
        (lambda: mlp().summary(), r"give the input's shape, such as \(1, 64\)"),
        (lambda: mlp().to_onnx("never-written.onnx"), r"give the input's shape, such as \(1, 64\)"),
        (mlp(), r"without an input"),
        (lambda: mlp().model(1, 6), r"as a tuple, \(1, 6\)"),
        (lambda: mlp()(np.zeros(5)), r"last dimension of 6, but was given \[5\]"),
        (lambda: F.relu("a"), r"not str"),  # type: ignore[arg-type]
        (lambda: F.relu(mlp()._modules[0].weight), r"x\.trace\.lift\(parameter\)"),  # type: ignore[attr-defined]
    ],
)
def test_messages_say_what_does_not_fit(build: Any, said: str) -> None:
    with pytest.raises(GraphError, match=said):
        build()


def test_annotations_bind_names() -> None:
    def f(x: wb.Tensor["batch d"], w: wb.Tensor["d out"]) -> Any:  # type: ignore[valid-type]  # noqa: F722
        return x @ w

    assert wb.trace(f, (1, 3), (3, 2)).graph.outputs == ("matmul",)
    with pytest.raises(nn.ShapeError, match=r"'d out'.*\[4, 2\] \(d is 3 elsewhere\)"):
        wb.trace(f, (1, 3), (4, 2))


def test_functions_run_on_arrays() -> None:
    f: Any = F
    x = np.array([[-1.0, 2.0, 0.5]], np.float32)
    assert np.array_equal(f.relu(x), np.maximum(x, 0))
    assert np.array_equal(f.relu(x=x[0]), np.maximum(x[0], 0))
    assert np.array_equal(f.abs(np.stack([x, -x])), np.abs(np.stack([x, x])))
    assert np.allclose(f.softmax(x[0]), np.exp(x[0]) / np.exp(x[0]).sum())
    assert np.array_equal(f.cat([x, x], dim=1), np.concatenate([x, x], 1))
    assert np.array_equal(f.where(x > 0, x, 0.0), np.maximum(x, 0))
    assert np.array_equal(f.embedding([2, 0], np.eye(3)), np.eye(3)[[2, 0]])
    layer = mlp()._modules[0]
    wide = np.ones((2, 6), np.float32)
    assert np.allclose(f.linear(wide, layer.weight, layer.bias), layer(wide), atol=1e-6)  # type: ignore[attr-defined]
    traced = wb.trace(lambda v: F.maximum(np.zeros((1, 3)), v), (1, 3))  # type: ignore[arg-type]
    assert np.array_equal(traced(x), np.maximum(x, 0))
    assert {"relu", "abs", "sqrt"} <= set(F.__all__)
    assert not {"np", "Any", "Callable"} & set(dir(F))


# ---------------------------------------------------------------- modules


def test_one_example_without_a_batch_is_taken_as_it_is() -> None:
    net, x = mlp(), np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    assert np.abs(net(x[1]) - net(x)[1]).max() < 1e-6
    assert net(x[1]).shape == (3,)
    assert nn.Softmax()(x[0]).sum() == pytest.approx(1)  # over its numbers, not one example a number
    assert net.model((6,)).graph.parameters == net.model((1, 6)).graph.parameters == 53


def test_names_are_those_that_were_given() -> None:
    model = mlp().model((1, 6), name="mine")
    assert (model.name, model.graph.name) == ("mine", "mine")
    assert wb.trace(lambda x: x + 1, (2,)).model(name="plus").graph.name == "plus"
    assert repr(nn.GELU()) == "GELU(approximate='none')"
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).init(seed=0)
    assert repr(net.model((1, 64))) in str(nn.__doc__)


class Tied(nn.Module):
    """One layer in two places."""

    def __init__(self) -> None:
        self.inner = nn.Linear(4, 4)
        self.blocks = [self.inner, nn.Linear(4, 4, bias=False)]

    def forward(self, x: Any) -> Any:
        return self.blocks[1](self.inner(x)) + self.inner(x)


def test_a_shared_parameter_stands_once() -> None:
    net = Tied().init(0)
    assert list(net.named_parameters()) == ["inner.weight", "inner.bias", "blocks.1.weight"]
    graph = net.graph((1, 4))
    assert sorted(graph.weights) == ["blocks.1.weight", "inner.bias", "inner.weight"]
    assert net.summary((1, 4)).parameters == 36


def test_a_seed_gives_each_parameter_its_own_numbers() -> None:
    one, two, more = mlp(), mlp(), Net(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3), nn.Linear(3, 3)).init(1)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )
    assert np.array_equal(one.state_dict()["0.weight"], more.state_dict()["0.weight"])
    assert not np.array_equal(one.state_dict()["0.weight"], mlp().init(2).state_dict()["0.weight"])
    weight = nn.Linear(100, 400).init(0).weight.value
    assert np.abs(weight).max() <= 0.1  # 1 / sqrt(fan_in), as PyTorch's
    assert abs(weight.std() - 0.1 / 3**0.5) < 1e-3


def test_a_mask_is_exact() -> None:
    class Causal(nn.Module):
        def __init__(self) -> None:
            self.attention = nn.MultiheadAttention(4, 2)

        def forward(self, x: Any) -> Any:
            return self.attention(x, mask=nn.causal_mask(3))

    net = Causal().init(0)
    x = np.random.default_rng(0).normal(size=(1, 3, 4)).astype(np.float32)
    y = x.copy()
    y[:, 2] = 1e3  # the future
    assert np.array_equal(net(x)[:, :2], net(y)[:, :2])


def test_an_embedding_is_a_table() -> None:
    net = nn.Embedding(5, 3).init(0)
    ids = np.array([[3, 0, 3], [1, 2, 4]])
    assert np.array_equal(net(ids), net.weight.value[ids])
    with pytest.raises(GraphError, match="an index lies outside axis 0 of length 5"):
        net(ids + 1)
    graph = trace_module(net, [(1, 3)], ["int64"]).graph
    assert graph.inputs == ("ids",)


def test_the_same_state_gives_pytorchs_numbers() -> None:
    torch: Any = pytest.importorskip("torch")
    t = torch.nn
    norm = Net(nn.Conv2d(2, 4, 3, 2, 1), nn.BatchNorm2d(4))
    pairs: list[tuple[nn.Module, Any, tuple[int, ...]]] = [
        (mlp(), t.Sequential(t.Linear(6, 5), t.ReLU(), t.Linear(5, 3)), (2, 6)),
        (norm, t.Sequential(t.Conv2d(2, 4, 3, 2, 1), t.BatchNorm2d(4)), (2, 2, 7, 7)),
        (
            Net(nn.ConvTranspose1d(2, 4, 3, 2, 1, 1)),
            t.Sequential(t.ConvTranspose1d(2, 4, 3, 2, 1, 1)),
            (2, 2, 7),
        ),
        (Net(nn.Conv3d(1, 2, 2)), t.Sequential(t.Conv3d(1, 2, 2)), (2, 1, 4, 4, 4)),
        (
            Net(nn.LayerNorm(6), nn.GELU(), nn.Mish()),
            t.Sequential(t.LayerNorm(6), t.GELU(), t.Mish()),
            (2, 6),
        ),
        (Net(nn.GroupNorm(2, 4), nn.ELU()), t.Sequential(t.GroupNorm(2, 4), t.ELU()), (2, 4, 3)),
        (Net(nn.Softplus(), nn.GELU("tanh")), t.Sequential(t.Softplus(), t.GELU("tanh")), (2, 6)),
        (
            Net(nn.AvgPool2d(2, padding=1), nn.SiLU()),
            t.Sequential(t.AvgPool2d(2, padding=1), t.SiLU()),
            (2, 1, 4, 4),
        ),
    ]
    for ours, theirs, shape in pairs:
        ours.init(3)
        theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()}, strict=False)
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        y = theirs.eval()(torch.tensor(x)).detach().numpy()
        assert np.abs(ours(x) - y).max() < 1e-5, ours
        back = {k: v.numpy() for k, v in theirs.state_dict().items()}
        ours.load_state_dict(back)
    attention, theirs = nn.MultiheadAttention(8, 2).init(0), t.MultiheadAttention(8, 2, batch_first=True)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in attention.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
    y = theirs(*[torch.tensor(x)] * 3)[0].detach().numpy()
    assert np.abs(attention(x) - y).max() < 1e-5
