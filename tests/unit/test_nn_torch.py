"""PyTorch in and out: networks, weights, and sources that run; files of weights that cannot run anything."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench import nn
from workbench.graph import GraphError
from workbench.nn.aten.agreement import differing
from workbench.nn.module import flat
from workbench.nn.torchops import TABLE
from workbench.op import OPS

NAMES = (
    "mlp", "cnn", "resnet", "vit", "gpt", "llama", "lstm", "gru", "rnn", "unet", "mamba", "kan", "autoencoder", "gates",
)  # fmt: skip


def far(a: Any, b: Any) -> float:
    """The largest difference of outputs."""
    pairs = zip(flat((a,)), flat((b,)), strict=True)
    return max(float(np.abs(np.asarray(x) - np.asarray(y)).max()) for x, y in pairs)


@pytest.mark.parametrize("name", NAMES)
def test_in_and_out(name: str) -> None:
    torch: Any = pytest.importorskip("torch")
    import torch_networks as networks

    module, x = networks.build(name)
    net = wb.from_torch(module, x)
    batch = torch.cat([x, x.flip(0), x])
    with torch.no_grad():
        expected = module(batch)
    assert far(net(batch.numpy()), expected) < 1e-5  # batches of another size than the example's
    graph = net.graph()
    assert graph[graph.inputs[0]].shape[0] == 1
    own = {k for k in module.state_dict() if not k.endswith("num_batches_tracked")}
    assert set(net.state_dict()) == own
    with torch.no_grad():
        assert far(net.to_torch().module()(batch), expected) < 1e-5
        other = networks.build(name)[0]
        for p in other.parameters():
            p.mul_(0.5)
        net.load_state_dict(other.state_dict())
        again = net(batch.numpy())
        assert far(again, other(batch)) < 1e-5
        module.load_state_dict({k: torch.tensor(v) for k, v in net.state_dict().items()}, strict=False)
        assert far(again, module(batch)) < 1e-5


def test_what_came_is_bounded_and_trained() -> None:
    torch: Any = pytest.importorskip("torch")
    import torch_networks as networks

    module, x = networks.build("resnet")
    net = wb.from_torch(module, x)
    model = net.model()
    out = model.bounds("crown", wb.ball(x.numpy(), 0.01)).output
    inside = x.numpy() + np.random.default_rng(0).uniform(-0.01, 0.01, (40, *x.shape[1:])).astype(np.float32)
    y = model.run(inside)
    assert (out.lower[0] - 1e-6 <= y).all()
    assert (y <= out.upper[0] + 1e-6).all()
    rng = np.random.default_rng(1)
    images, labels = rng.normal(size=(8, *x.shape[1:])).astype(np.float32), np.arange(8) % 5
    nn.Trainer(net, nn.CrossEntropyLoss(), nn.SGD(net, lr=0.05)).fit(
        nn.Loader(images, labels, batch_size=8), epochs=2
    )
    module.train()
    steps = torch.optim.SGD(module.parameters(), lr=0.05)
    for _ in range(2):  # the whole batch is one step: its order does not matter
        steps.zero_grad()
        torch.nn.functional.cross_entropy(module(torch.tensor(images)), torch.tensor(labels)).backward()
        steps.step()
    theirs = {k: v.detach().numpy() for k, v in module.state_dict().items()}
    for key, value in net.state_dict().items():
        assert np.abs(value - theirs[key]).max() < 1e-5, key


def test_layers_of_ours_become_pytorch() -> None:
    torch: Any = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    nets: list[tuple[nn.Module, tuple[int, ...]]] = [
        (nn.Sequential(nn.Conv2d(1, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.Mish(), nn.AdaptiveAvgPool2d(3),
                       nn.Flatten(), nn.Linear(36, 3), nn.Softsign()), (3, 1, 7, 7)),
        (nn.Sequential(nn.Linear(5, 6), nn.KAN([6, 4, 3], spline_order=2), nn.Hardsigmoid(), nn.CELU(0.7)), (2, 5)),
        (nn.Sequential(nn.RotaryPositions(), nn.TransformerEncoderLayer(8, 2, 12, causal=True)), (2, 5, 8)),
        (nn.Sequential(nn.GRU(3, 4), nn.First(), nn.Take(-1)), (2, 5, 3)),
        (nn.Mamba(4, 3), (2, 5, 4)),
    ]  # fmt: skip
    for net, shape in nets:
        net.init(2)
        x = rng.normal(size=shape).astype(np.float32)
        written = net.to_torch(shape).module()
        with torch.no_grad():
            assert far(net(x), written(torch.tensor(x))) < 1e-5, net
        assert {k for k, _ in written.named_parameters()} == set(net.named_parameters())


def test_the_source_runs_without_the_workbench(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.LayerNorm(6), nn.Linear(6, 2)).init(3)
    nn.to_torch(net, (1, 4)).save(tmp_path / "net.py")
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    script = (
        "import sys, numpy as np, torch; sys.modules['workbench'] = None; import net; "
        "np.save('y.npy', net.load('net.npz')(torch.from_numpy(np.load('x.npy'))).detach().numpy())"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=120)
    assert np.abs(np.load(tmp_path / "y.npy") - net(x)).max() < 1e-6


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).resolve().parents[2] / "docs/how-to/from-and-to-pytorch.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102 - our own text
    assert space["model"].graph.parameters == 1490
    assert (tmp_path / "net.npz").exists()


def test_refusals_name_what_is_wrong() -> None:
    torch: Any = pytest.importorskip("torch")

    class Fourier(torch.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, x: Any) -> Any:
            return torch.fft.fft(x).real

    class Fixed(torch.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, x: Any) -> Any:
            return x.view(1, 4) * 2

    class Branch(torch.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    with pytest.raises(GraphError, match="operator 'fft_fft' has no counterpart"):
        wb.from_torch(Fourier(), torch.zeros(1, 4))
    with pytest.raises(GraphError, match=r"torch\.export cannot take Branch apart.*branch"):
        wb.from_torch(Branch(), torch.zeros(1, 4))
    net = wb.from_torch(Fixed(), torch.zeros(1, 4))
    assert np.array_equal(net(np.ones((1, 4))), np.full((1, 4), 2.0))
    with pytest.raises(GraphError, match=r"was \[1, 4\] when the network was imported"):
        net.graph((1, 5))

    class Mixing(torch.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, x: Any) -> Any:
            return x - x.mean(0, keepdim=True)

    x = torch.randn(3, 4)
    assert far(wb.from_torch(Mixing(), x)(x.numpy()), Mixing()(x)) < 1e-6  # examples that see each other
    with pytest.raises(GraphError, match=r"takes a torch\.nn\.Module"):
        wb.from_torch(lambda x: x, torch.zeros(1, 4))
    module = torch.nn.Linear(2, 2).train()
    wb.from_torch(module, torch.zeros(1, 2))
    assert module.training  # the caller's module is left as it was


def module_of(function: Any) -> Any:
    """A PyTorch module that computes a function."""
    torch: Any = pytest.importorskip("torch")

    class Written(torch.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, *inputs: Any) -> Any:
            return function(*inputs)

    return Written()


def test_casts_that_jump_are_refused_by_the_name_of_their_node() -> None:
    torch: Any = pytest.importorskip("torch")
    x = torch.tensor([[0.5, -1.5, 2.5, 0.0]])
    whole = torch.zeros(1, dtype=torch.int32)
    for name, function in {
        r"to.* into int64": lambda v: v.to(torch.int64) + v,
        r"to.* into bool": lambda v: v.bool() + v,
        r"type_as.* into int32": lambda v: v.type_as(whole) + v,
        r"sum_1.* into int64": lambda v: v.sum(1, keepdim=True, dtype=torch.int64) + v,
    }.items():
        with pytest.raises(GraphError, match=f"the node {name} .*jumps.*Leave the cast out"):
            wb.from_torch(module_of(function), x)
    with pytest.raises(GraphError, match=r"a cast of what depends on the input, from int64 to floats"):
        wb.from_torch(module_of(lambda v: torch.relu(v.float())), torch.arange(6).reshape(2, 3))
    assert len(wb.from_torch(module_of(lambda v: (v.double() * 2).float()), x).program.steps) == 3
    mask = torch.tensor([1, 0, 1, 0])
    picked = wb.from_torch(module_of(lambda v: v[:, mask.bool()]), x)
    assert picked(x.numpy()).tolist() == [[0.5, 2.5]]


def test_overloads_mean_what_they_mean_in_pytorch() -> None:
    torch: Any = pytest.importorskip("torch")
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    for function in (
        lambda v: v.var(unbiased=False) * v,
        lambda v: v.std(False) * v,
        lambda v: v.var() * v,
        lambda v: v.std(1, unbiased=False),
        lambda v: v.repeat_interleave(2),
        lambda v: v.repeat_interleave(2, dim=-1),
        lambda v: v.repeat_interleave(torch.tensor([2, 0, 1]), dim=1),
    ):
        module = module_of(function)
        expected = module(x)
        found = wb.from_torch(module, x)(x.numpy())
        assert found.shape == tuple(expected.shape)
        assert far(found, expected) < 1e-6
    mask = torch.tensor([[True, False, True], [False, True, False]])
    with pytest.raises(GraphError, match="a mask of 2 axes as an index"):
        wb.from_torch(module_of(lambda v: v[mask]), x)


def test_an_import_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    torch: Any = pytest.importorskip("torch")
    from workbench.nn import aten

    class Counting(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: Any) -> Any:
            return torch.relu(x)

    zeros, state = torch.zeros(2, 3), torch.get_rng_state()
    wb.from_torch(Counting(), zeros)
    assert torch.equal(torch.get_rng_state(), state)
    monkeypatch.setitem(aten.TABLE, "relu", lambda x: x)  # the same on the example, but not on the draw
    with pytest.raises(
        GraphError, match=r"does not compute what PyTorch does: on a random draw.*output 0 is off by"
    ):
        wb.from_torch(Counting(), zeros)
    with pytest.raises(GraphError, match=r"on the example, output 0 is off by 1,"):
        wb.from_torch(Counting(), zeros - 1)
    # noise of a constant picture is no difference, nor are half floats' roundings, nor logarithms below 0
    monkeypatch.undo()
    wb.from_torch(
        torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.InstanceNorm2d(2)), torch.zeros(1, 1, 9, 9)
    )
    wb.from_torch(torch.nn.Linear(9, 4).bfloat16(), torch.ones(1, 9).bfloat16())
    wb.from_torch(module_of(torch.log), torch.ones(1, 4))


def test_outputs_are_compared_with_infinities_and_what_is_no_number() -> None:
    a = np.array([1.0, np.nan, -np.inf])
    assert not differing([np.array([1.00005, np.nan, -3e4])], [a], [1e-4])
    assert "off by" in differing([np.array([1.0002, np.nan, -np.inf])], [a], [1e-4])
    assert "off by inf" in differing([np.array([1.0, np.nan, 3e4])], [a], [1e-4])
    assert "other places" in differing([np.array([1.0, 0.0, -np.inf])], [a], [1e-4])
    assert "2 outputs instead of 1" in differing([a, a], [a], [1e-4])
    assert "shape [2]" in differing([a[:2]], [a], [1e-4])


def test_through_onnx() -> None:
    torch: Any = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    module = torch.nn.Sequential(
        torch.nn.Conv1d(2, 3, 3), torch.nn.GELU(), torch.nn.Flatten(), torch.nn.Linear(9, 2)
    )
    x = torch.randn(1, 2, 5)
    model = wb.from_torch(module, x, via="onnx")
    assert isinstance(model, wb.Model)
    assert far(model.run(x.numpy()), module(x).detach()) < 1e-5


def test_the_table_of_lines_covers_the_operators() -> None:
    """Every operator that our layers can emit has a line; the rest is known."""
    without = {op for op in OPS if op not in TABLE and "quant" not in op.lower() and "QLinear" not in op}
    assert without == {"MatMulInteger", "ConvInteger", "Shape", "ConstantOfShape", "Equal"}
    graph = wb.trace(nn.functional.relu, (1, 2)).graph
    assert "relu = F.relu(x)" in nn.to_torch(graph).text


# ---------------------------------------------------------------- files of weights


def weights_file(path: Path, arrays: dict[str, np.ndarray[Any, Any]], evil: bool = False) -> None:
    """A file as `torch.save` of a state_dict writes it; protocol 2, spelled out."""

    def text(s: str) -> bytes:
        return b"X" + len(s).to_bytes(4, "little") + s.encode()

    def number(n: int) -> bytes:
        return b"J" + int(n).to_bytes(4, "little", signed=True)

    body = b"\x80\x02" + b"}("
    for i, (name, a) in enumerate(arrays.items()):
        kind = {"<f4": "FloatStorage", "<i8": "LongStorage"}[a.dtype.str]
        pid = (
            b"("
            + text("storage")
            + b"ctorch\n"
            + kind.encode()
            + b"\n"
            + text(str(i))
            + text("cpu")
            + number(a.size)
            + b"tQ"
        )
        size = b"(" + b"".join(map(number, a.shape)) + b"t"
        steps = b"(" + b"".join(number(s // a.itemsize) for s in a.strides) + b"t"
        body += (
            text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + number(0) + size + steps + b"\x89"
        )
        body += b"ccollections\nOrderedDict\n)RtR"
    if evil:
        body += text("x") + b"cos\nsystem\n(" + text("touch pwned") + b"tR"
    body += b"u."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", body)
        for i, a in enumerate(arrays.values()):
            archive.writestr(f"net/data/{i}", a.tobytes())


def test_weights_are_read_and_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).init(0)
    state = net.state_dict() | {"steps": np.arange(3)}
    weights_file(tmp_path / "net.pt", state)
    found, _ = nn.load_tensors(tmp_path / "net.pt")
    assert all(np.array_equal(found[k], v) for k, v in state.items())
    weights_file(tmp_path / "evil.pt", state, evil=True)
    with pytest.raises(GraphError, match=r"asks for os\.system.*nothing of it was run"):
        nn.load_tensors(tmp_path / "evil.pt")
    assert not (tmp_path / "pwned").exists()
    whole = (tmp_path / "net.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[:-200])
    (tmp_path / "old.pt").write_bytes(pickle.dumps({"a": 1}))
    for name in ("cut.pt", "old.pt", "none.pt"):
        with pytest.raises(GraphError, match="is no file of weights"):
            nn.load_tensors(tmp_path / name)
    halves = np.array([1.5, -2.0, 0.0078125], np.float32)
    header = b'{"h":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}'
    bits = (halves.view(np.uint32) >> 16).astype("<u2").tobytes()
    (tmp_path / "half.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bits)
    assert np.array_equal(nn.load_tensors(tmp_path / "half.safetensors")[0]["h"], halves)
    np.savez(tmp_path / "net.npz", **state)
    assert np.array_equal(nn.load_tensors(tmp_path / "net.npz")[0]["steps"], state["steps"])


def test_files_that_pytorch_wrote(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    state = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3)).state_dict()
    state |= {
        "half": torch.randn(3, 2).bfloat16(),
        "turned": torch.randn(3, 4).T,
        "scalar": torch.tensor(2.5),
    }
    torch.save({"model": state, "epoch": 3}, tmp_path / "run.pth")
    found, _ = nn.load_tensors(tmp_path / "run.pth")
    for key, value in state.items():
        assert np.array_equal(found[f"model.{key}"], value.float().numpy()), key
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(GraphError, match=r"save\s+module.state_dict"):
        nn.load_tensors(tmp_path / "whole.pt")
