"""Sequence layers, adapters, splines, norms, pools: one graph each, run, written, bounded, differentiated alike."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench import autodiff, nn
from workbench.graph import Graph, GraphError
from workbench.nn.kan import bsplines
from workbench.nn.module import flat, names_of
from workbench.nn.positions import rotated, sinusoids
from workbench.nn.value import Trace
from workbench.semantics import real
from workbench.semantics.plan import plan_of

Net = nn.Sequential


class Cross(nn.Module):
    """A decoder block that attends to a part of its own input."""

    def __init__(self) -> None:
        self.block = nn.TransformerDecoderLayer(6, 2, 8, 0.0, activation="gelu", norm_first=True)

    def forward(self, x: Any) -> Any:
        return self.block(x[:, :3], x[:, 3:], memory_keys=np.array([True, False, True]))


LAYERS: dict[str, tuple[nn.Module, tuple[int, ...], float]] = {
    "learned": (nn.LearnedPositions(6, 4), (1, 5, 4), 0.1),
    "sinusoidal": (nn.SinusoidalPositions(5), (1, 4, 5), 0.1),
    "rotary": (nn.RotaryPositions(100.0), (1, 4, 6), 0.1),
    "rotary-pairs": (nn.RotaryPositions(100.0, interleaved=True), (1, 4, 6), 0.1),
    "attention": (nn.MultiheadAttention(8, 2, causal=True, rotary=nn.RotaryPositions(10.0)), (1, 3, 8), 0.02),
    "encoder": (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, 0.0), 2, nn.LayerNorm(6)), (1, 3, 6), 0.01,
    ),
    "gpt": (nn.TransformerEncoderLayer(6, 3, 8, 0.0, "gelu", norm_first=True, causal=True), (1, 4, 6), 0.01),
    "decoder": (Cross(), (1, 6, 6), 0.01),
    "rnn": (Net(nn.RNN(3, 4, 2, nonlinearity="relu"), nn.First()), (1, 4, 3), 0.05),
    "lstm": (Net(nn.LSTM(3, 4, bidirectional=True), nn.First(), nn.Take(-1), nn.Linear(8, 2)), (1, 3, 3), 0.05),
    "gru": (Net(nn.GRU(3, 4, bias=False), nn.First()), (1, 4, 3), 0.05),
    "mamba": (nn.Mamba(4, 3, 3), (1, 4, 4), 0.02),
    "lora": (nn.LoRA(nn.Linear(5, 4), 2, 4.0), (1, 5), 0.1),
    "kan": (nn.KAN([3, 4, 2]), (1, 3), 0.02),
    "kan-1": (nn.KANLinear(3, 2, 4, 1, base=False), (1, 3), 0.05),
    "kan-2": (nn.KANLinear(3, 2, 4, 2), (1, 3), 0.05),
    "instance": (Net(nn.InstanceNorm1d(3, affine=True), nn.Flatten()), (1, 3, 5), 0.01),
    "instance-3d": (nn.InstanceNorm3d(2), (1, 2, 2, 2, 2), 0.01),
    "adaptive-mean": (nn.AdaptiveAvgPool2d((3, 2)), (1, 2, 5, 7), 0.1),
    "adaptive-max": (Net(nn.AdaptiveMaxPool2d((3, 2)), nn.AdaptiveMaxPool2d((1, 2))), (1, 2, 5, 7), 0.1),
    "places": (Net(nn.ZeroPad2d((1, 0, 2, 0)), nn.PixelShuffle(2), nn.PReLU(), nn.GLU(-1)), (1, 4, 2, 3), 0.1),
    "upsample": (Net(nn.Upsample(scale_factor=2), nn.Upsample(7, mode="bilinear"), nn.PReLU(2)), (1, 2, 2, 3), 0.1),
    "plain-norms": (Net(nn.BatchNorm1d(4, affine=False), nn.LayerNorm(4, elementwise_affine=False)), (1, 4), 0.05),
}  # fmt: skip


@pytest.fixture(params=LAYERS)
def layer(request: Any) -> tuple[nn.Module, tuple[int, ...], float, np.ndarray[Any, Any]]:
    net, shape, eps = LAYERS[request.param]
    net.init(1)
    if isinstance(net, nn.LoRA):  # its second factor begins with zeros
        net.lora_B.value = np.random.default_rng(5).normal(size=net.lora_B.shape)
    return net, shape, eps, np.random.default_rng(0).normal(size=shape).astype(np.float32)


def one_by_one(graph: Graph, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Every node as a graph of its own, run at once: what eager execution is."""
    values: dict[str, Any] = {graph.inputs[0]: x, **graph.weights}
    for node in graph.nodes:
        if node.op == "Input":
            continue
        live = [n for n in dict.fromkeys(node.inputs) if n not in graph.weights]
        given = [graph[n] for n in live]
        inputs = tuple(type(n)(n.name, "Input", shape=n.shape, dtype=n.dtype) for n in given)
        alone = Graph(
            (*inputs, node), (node.name,), {k: graph.weights[k] for k in node.inputs if k in graph.weights}
        )
        values[node.name] = real.run(plan_of(alone), {n: values[n][None] for n in live})[node.name][0]
    return np.asarray(values[graph.outputs[0]])


def test_eager_and_graph_agree_bit_for_bit_and_a_file_of_it_runs(layer: Any, tmp_path: Path) -> None:
    net, shape, _, x = layer
    graph = net.graph(shape)
    y = net(x)
    assert np.array_equal(y, one_by_one(graph, x))
    assert np.array_equal(y, wb.Model(graph).run(x))
    stack = np.concatenate([x, 0.5 * x])
    assert np.abs(net(stack) - np.concatenate([net(x), net(0.5 * x)])).max() < 2e-6
    ort = pytest.importorskip("onnxruntime")
    net.to_onnx(tmp_path / "net.onnx", shape)
    session = ort.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {session.get_inputs()[0].name: x})
    assert theirs.shape == y.shape
    assert np.abs(y - theirs).max() < 1e-5


def test_bounds_hold(layer: Any) -> None:
    net, shape, eps, x = layer
    model = net.model(shape)
    region = wb.ball(x, eps)
    rng = np.random.default_rng(2)
    inside = x + eps * np.sign(rng.normal(size=(60, *shape[1:]))) * rng.choice(
        [1.0, 0.3], size=(60, *shape[1:])
    )
    outputs = model.run(inside.astype(np.float64)).reshape(60, -1)
    widths = []
    for method in ("ibp", "crown"):
        out = model.bounds(method, region).output
        low, high = out.lower.reshape(-1), out.upper.reshape(-1)
        assert np.isfinite(low).all()
        assert np.isfinite(high).all()
        assert (low <= outputs + 1e-6).all()  # the runs are in float32
        assert (outputs <= high + 1e-6).all()
        widths.append((high - low).sum())
    assert widths[1] <= widths[0] * (1 + 1e-6)


def test_gradients_are_those_of_differences(layer: Any) -> None:
    net, _, _, x = layer
    rng = np.random.default_rng(3)
    weights = rng.normal(size=net(x).shape)

    def scalar(v: Any) -> Any:
        return (net(v) * weights).sum()

    function = wb.trace(scalar, x, dtype="float64")
    at, way = x.astype(np.float64), rng.normal(size=x.shape)
    slope = float((autodiff.grad(function.graph)(at) * way).sum())
    step = 1e-5
    plan, name = plan_of(function.graph), function.graph.inputs[0]
    ends = real.run(plan, {name: np.stack([at + step * way, at - step * way])}, np.float64)
    first, second = ends[function.graph.outputs[0]].reshape(2)
    assert slope == pytest.approx((first - second) / (2 * step), rel=2e-5, abs=1e-7)


@pytest.mark.parametrize(
    "name",
    ["learned", "attention", "encoder", "decoder", "rnn", "lstm", "gru", "mamba", "lora", "kan", "instance"],
)
def test_gradients_of_parameters_are_those_of_differences(name: str) -> None:
    net, _, _ = LAYERS[name]
    net.init(1)
    rng = np.random.default_rng(4)
    x = rng.normal(size=LAYERS[name][1])
    maker = Trace(trained=True, names=names_of(net)[1])
    y = net(maker.input("x", x.shape, "float64"))
    maker_graph = maker.graph([(y * rng.normal(size=y.shape)).sum()])
    graph = Graph(
        tuple(replace(n, dtype="float64") for n in maker_graph.nodes), maker_graph.outputs,
        {k: v.astype(np.float64) if v.dtype.kind == "f" else v for k, v in maker_graph.weights.items()},
    )  # fmt: skip
    state = {k: v.astype(np.float64) for k, v in net.state_dict().items()}
    args = [x if k == "x" else state[k] for k in graph.inputs]
    ways = [rng.normal(size=a.shape) for a in args]
    grads = autodiff.grad(graph, tuple(range(len(args))))(*args)
    slope = sum(float((g * w).sum()) for g, w in zip(grads, ways, strict=True))

    def moved(step: float) -> float:
        ends = {k: (a + step * w)[None] for k, a, w in zip(graph.inputs, args, ways, strict=True)}
        return float(real.run(plan_of(graph), ends, np.float64)[graph.outputs[0]].reshape(()))

    assert slope == pytest.approx((moved(1e-5) - moved(-1e-5)) / 2e-5, rel=2e-5, abs=1e-7)


# ---------------------------------------------------------------- what each is for


def test_rotary_positions_keep_products_of_equal_distance() -> None:
    q, k = np.random.default_rng(0).normal(size=(2, 1, 1, 8)).astype(np.float32)
    for interleaved in (False, True):

        def turned(x: Any, at: int, interleaved: bool = interleaved) -> Any:
            return wb.trace(lambda v: rotated(v, 100.0, interleaved, at), (1, 1, 8))(x)

        products = [float((turned(q, a) * turned(k, a + 3)).sum()) for a in (0, 5, 11)]
        assert np.ptp(products) < 1e-5
        assert abs(products[0] - float((q * k).sum())) > 1e-3
    assert np.allclose(sinusoids(3, 4)[2], [np.sin(2), np.cos(2), np.sin(0.02), np.cos(0.02)])


def test_masks_count_exactly_nothing() -> None:
    net = nn.TransformerEncoderLayer(6, 2, 8, 0.0).init(0)
    x = np.random.default_rng(0).normal(size=(1, 4, 6)).astype(np.float32)
    y = x.copy()
    y[:, 3] = 1e4

    def given(v: Any) -> Any:
        return wb.trace(lambda v: net(v, keys=np.array([1, 1, 1, 0], bool)), v)(v)

    assert np.array_equal(given(x)[:, :3], given(y)[:, :3])

    def told(v: Any, keys: Any) -> Any:  # the mask is an input: each example has its own
        return wb.trace(lambda v, keys: net(v, keys=keys), v, keys)(v, keys)

    keys = np.array([[1, 1, 1, 0]], np.float32)
    assert np.array_equal(told(x, keys)[:, :3], told(y, keys)[:, :3])
    assert np.abs(told(x, keys) - given(x)).max() < 1e-6
    traced = wb.trace(lambda v: net(v, mask=nn.causal_mask(4)), x)
    for name in (
        "binary32",
        "binary16",
    ):  # in every format; and the rounding of a masked softmax can be bounded
        model = traced.model()
        first, second = (model.run(v, semantics=name) for v in (x, y))
        assert np.array_equal(first[:, :3], second[:, :3])
        model.region = wb.ball(x, 0.01)
        assert np.isfinite(model.rounding(name)[model.graph.outputs[0]].max()).all()
    alone = np.zeros((1, 4), np.float32)
    attention = wb.trace(lambda v, k: net.self_attn(v, keys=k), x, alone)(x, alone)
    assert np.array_equal(attention, np.broadcast_to(net.self_attn.out_proj.bias.value, attention.shape))  # type: ignore[union-attr]


def test_steps_are_groups() -> None:
    graph = Net(nn.LSTM(2, 3), nn.First()).init(0).graph((1, 3, 2))
    assert {n.group for n in graph.nodes} >= {f"0_l0/step{t}" for t in range(3)}
    outputs, (h, c) = nn.LSTM(2, 3).init(0)(np.ones((2, 4, 2), np.float32))
    assert (outputs.shape, h.shape, c.shape) == ((2, 4, 3), (1, 2, 3), (1, 2, 3))
    assert np.array_equal(outputs[:, -1], h[0])


def test_low_rank_changes_are_what_is_trained() -> None:
    net = Net(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).init(0)
    x = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    before = net(x)
    frozen = net.state_dict()
    nn.lora(net, rank=2)
    net.drawn()
    assert np.array_equal(net(x), before)
    learned = [k for k, p in net.named_parameters().items() if p.trainable]
    assert learned == ["0.lora_A", "0.lora_B", "2.lora_A", "2.lora_B"]
    trainer = nn.Trainer(net, nn.CrossEntropyLoss(), nn.Adam(net, lr=0.05))
    trainer.fit(nn.Loader(x, np.array([0, 2]), batch_size=2), epochs=20)
    after = net(x)
    assert list(after.argmax(1)) == [0, 2]
    assert np.array_equal(net.state_dict()["0.base.weight"], frozen["0.weight"])
    assert np.abs(nn.merged(net)(x) - after).max() < 1e-5
    assert list(net.named_parameters()) == list(frozen)


def test_splines_are_those_of_cox_and_de_boor() -> None:
    x, grid = np.linspace(-1.2, 1.2, 41), 5
    for degree in (1, 2, 3):
        knots = -1 + 0.4 * np.arange(-degree, grid + degree + 1)
        bumps = ((knots[:-1] <= x[:, None]) & (x[:, None] < knots[1:])).astype(float)
        for k in range(1, degree + 1):
            up = (x[:, None] - knots[: -k - 1]) / (knots[k:-1] - knots[: -k - 1])
            down = (knots[k + 1 :] - x[:, None]) / (knots[k + 1 :] - knots[1:-k])
            bumps = up * bumps[:, :-1] + down * bumps[:, 1:]
        ours = wb.trace(lambda v, d=degree: bsplines(v, grid, d, -1.0, 1.0), (41,))(x)  # type: ignore[misc]
        assert ours.shape == bumps.shape
        assert np.abs(ours - bumps).max() < 1e-5


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: nn.LSTM(3, 4).graph((1, 5, 2)), r"\(?LSTM\)? expects \[batch, length, features=3\]"),
        (lambda: nn.GRU(3, 4, batch_first=False), r"batch_first=True"),
        (lambda: nn.RNN(3, 4, nonlinearity="sin"), r"'tanh' or 'relu'"),
        (lambda: nn.LearnedPositions(3, 4).graph((1, 5, 4)), r"knows 3 positions"),
        (lambda: nn.RotaryPositions().graph((1, 5, 3)), r"odd last axis"),
        (lambda: nn.Mamba(4).graph((1, 5, 3)), r"features=4"),
        (lambda: nn.KANLinear(2, 2, spline_order=4), r"degree from 1 to 3"),
        (lambda: nn.LoRA(nn.Linear(2, 3), 4), r"between 1 and 2"),
        (lambda: nn.lora(nn.ReLU()), r"no linear layer"),
        (lambda: nn.AdaptiveMaxPool2d(4).graph((1, 1, 3, 5)), r"cannot be pooled to \[4, 4\]"),
        (lambda: nn.InstanceNorm2d(2).graph((1, 2, 3)), r"and 2 more"),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="sin"), r"relu, gelu, silu"),
    ],
)
def test_messages(build: Any, said: str) -> None:
    with pytest.raises(GraphError, match=said):
        build()


def test_the_page_names_every_layer_and_its_code_runs() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/how-to/layers.md").read_text(encoding="utf-8")
    told = {
        n
        for row in text.splitlines()
        if row.startswith("|")
        for n in re.findall(r"`(\w+)`", row.split("|")[2])
    }
    own = {
        n for n in nn.__all__ if isinstance(getattr(nn, n), type) and issubclass(getattr(nn, n), nn.Module)
    }
    losses = {n for n in own if n.endswith("Loss")}
    assert told == own - losses - {"Module"}
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102 - our own text
    assert np.isfinite(space["bounds"].output.upper).all()


def test_the_same_state_gives_pytorchs_numbers() -> None:
    torch: Any = pytest.importorskip("torch")
    t = torch.nn
    block = {"dropout": 0.0, "batch_first": True}
    pairs: list[tuple[nn.Module, Any, list[tuple[int, ...]]]] = [
        (nn.RNN(3, 4, 2), t.RNN(3, 4, 2, batch_first=True), [(2, 5, 3)]),
        (nn.LSTM(3, 4, 2, bidirectional=True), t.LSTM(3, 4, 2, bidirectional=True, batch_first=True), [(2, 5, 3)]),
        (nn.GRU(3, 4, bidirectional=True), t.GRU(3, 4, bidirectional=True, batch_first=True), [(2, 5, 3)]),
        (
            nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12), 2),
            t.TransformerEncoder(t.TransformerEncoderLayer(8, 2, 12, **block), 2), [(2, 5, 8)],
        ),
        (
            nn.TransformerDecoderLayer(8, 2, 12, causal=False, norm_first=True, activation="gelu"),
            t.TransformerDecoderLayer(8, 2, 12, norm_first=True, activation="gelu", **block), [(2, 5, 8), (2, 3, 8)],
        ),
        (nn.InstanceNorm1d(3, affine=True), t.InstanceNorm1d(3, affine=True), [(2, 3, 6)]),
        (nn.RMSNorm(6, 1e-5), t.RMSNorm(6, 1e-5), [(2, 6)]),
        (nn.AdaptiveAvgPool2d((3, 2)), t.AdaptiveAvgPool2d((3, 2)), [(2, 1, 7, 5)]),
        (nn.AdaptiveMaxPool1d(3), t.AdaptiveMaxPool1d(3), [(2, 2, 7)]),
        (nn.AdaptiveMaxPool3d(2), t.AdaptiveMaxPool3d(2), [(1, 1, 5, 4, 3)]),
        (nn.Upsample((5, 7)), t.Upsample((5, 7)), [(2, 2, 3, 4)]),
        (nn.Upsample(scale_factor=1.5), t.Upsample(scale_factor=1.5), [(2, 2, 4, 5)]),
        (nn.Upsample(7, mode="linear"), t.Upsample(7, mode="linear"), [(2, 2, 4)]),
        (
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            t.Upsample(scale_factor=2, mode="bilinear", align_corners=True), [(2, 2, 4, 3)],
        ),
        (nn.PixelShuffle(2), t.PixelShuffle(2), [(2, 8, 2, 3)]),
        (nn.ZeroPad3d((1, 0, 2, 0, 0, 3)), t.ZeroPad3d((1, 0, 2, 0, 0, 3)), [(1, 2, 2, 2, 2)]),
        (nn.PReLU(3), t.PReLU(3), [(2, 3, 4)]),
        (nn.GLU(1), t.GLU(1), [(2, 6, 3)]),
        (nn.Conv1d(2, 4, 3, 2, 1, 1, 2), t.Conv1d(2, 4, 3, 2, 1, 1, 2), [(2, 2, 9)]),
        (nn.ConvTranspose3d(2, 2, 2, 2, 0, 1), t.ConvTranspose3d(2, 2, 2, 2, 0, 1), [(1, 2, 2, 2, 2)]),
    ]  # fmt: skip
    for ours, theirs, shapes in pairs:
        ours.init(3)
        theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
        given = [np.random.default_rng(i).normal(size=s).astype(np.float32) for i, s in enumerate(shapes)]
        expected = theirs.eval()(*map(torch.tensor, given))
        for a, b in zip(flat((ours(*given),)), flat((expected,)), strict=True):
            assert a.shape == b.shape
            assert np.abs(a - b.detach().numpy()).max() < 1e-5, ours
        ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
