"""Architectures in plain PyTorch, as people write them: what `from_torch` takes in and `to_torch` gives back.

Imported only where torch is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class ResNet(nn.Module):
    class Block(nn.Module):
        def __init__(self, inner: int, outer: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer)
            self.conv2, self.bn2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer)
            self.down = nn.Sequential()
            if stride != 1:
                self.down = nn.Sequential(
                    nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer)
                )

        def forward(self, x: Any) -> Any:
            y = F.relu(self.bn1(self.conv1(x)), inplace=True)
            y = self.bn2(self.conv2(y))
            y += self.down(x)
            return F.relu(y)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.layer1, self.layer2 = self.Block(8, 8, 1), self.Block(8, 12, 2)
        self.pool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(12, 5)

    def forward(self, x: Any) -> Any:
        return self.fc(torch.flatten(self.pool(self.layer2(self.layer1(self.stem(x)))), 1))


class ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.cls = nn.Parameter(torch.randn(1, 1, 16))
        self.pos = nn.Parameter(torch.randn(1, 5, 16))
        layer = nn.TransformerEncoderLayer(16, 2, 32, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 4))

    def forward(self, x: Any) -> Any:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1) + self.pos
        return self.head(self.encoder(x)[:, 0])


class GPT(nn.Module):
    """A block with token ids, as in nanoGPT."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(11, 16), nn.Embedding(8, 16)
        self.ln_1, self.ln_2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.c_attn, self.c_proj = nn.Linear(16, 48), nn.Linear(16, 16)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU("tanh"), nn.Linear(32, 16))
        self.drop = nn.Dropout(0.1)
        self.register_buffer("bias", torch.tril(torch.ones(8, 8)).view(1, 1, 8, 8))

    def attend(self, x: Any) -> Any:
        b, t, c = x.size()
        q, k, v = self.c_attn(x).split(16, dim=2)
        q, k, v = (y.view(b, t, 2, c // 2).transpose(1, 2) for y in (q, k, v))
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :t, :t] == 0, float("-inf"))
        y = F.softmax(att, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(b, t, c))

    def forward(self, ids: Any) -> Any:
        pos = torch.arange(0, ids.size(1), dtype=torch.long, device=ids.device)
        x = self.drop(self.wte(ids) + self.wpe(pos))
        x = x + self.attend(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return F.linear(x, self.wte.weight)


class Llama(nn.Module):
    """Rotary positions, RMS norm, gated units, fused attention."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(16, eps=1e-5)
        self.qkv, self.o = nn.Linear(16, 48, bias=False), nn.Linear(16, 16, bias=False)
        self.gate, self.up, self.down = (
            nn.Linear(a, b, bias=False) for a, b in ((16, 24), (16, 24), (24, 16))
        )
        angles = torch.arange(6)[:, None] / 10000 ** (torch.arange(0, 8, 2) / 8)
        self.register_buffer("cos", torch.cat([angles, angles], -1).cos(), persistent=False)
        self.register_buffer("sin", torch.cat([angles, angles], -1).sin(), persistent=False)

    def turn(self, x: Any) -> Any:
        a, b = x.chunk(2, dim=-1)
        return x * self.cos + torch.cat((-b, a), dim=-1) * self.sin

    def forward(self, x: Any) -> Any:
        b, t, _ = x.shape
        q, k, v = self.qkv(self.norm(x)).view(b, t, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(self.turn(q), self.turn(k), v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(b, t, 16))
        return x + self.down(F.silu(self.gate(x)) * self.up(x))


class Recurrent(nn.Module):
    def __init__(self, kind: Any, **settings: Any) -> None:
        super().__init__()
        self.rnn = kind(4, 6, batch_first=True, **settings)
        self.head = nn.Linear(12 if settings.get("bidirectional") else 6, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.rnn(x)[0][:, -1, :])


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()

        def double(a: int, b: int) -> nn.Module:
            return nn.Sequential(
                nn.Conv2d(a, b, 3, padding=1), nn.GroupNorm(2, b), nn.SiLU(), nn.Conv2d(b, b, 1)
            )

        self.down1, self.down2, self.middle = double(1, 4), double(4, 6), double(6, 8)
        self.up2, self.up1 = nn.ConvTranspose2d(8, 6, 2, 2), nn.Upsample(scale_factor=2, mode="nearest")
        self.dec2, self.dec1, self.out = double(12, 6), double(10, 4), nn.Conv2d(4, 2, 1)

    def forward(self, x: Any) -> Any:
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.dec2(torch.cat([self.up2(self.middle(F.avg_pool2d(b, 2))), b], 1))
        return torch.sigmoid(self.out(self.dec1(torch.cat([self.up1(c), a], 1))))


class Mamba(nn.Module):
    """Selective state space with the scan written as a loop."""

    def __init__(self, d: int = 6, n: int = 4) -> None:
        super().__init__()
        self.inner, self.n = 2 * d, n
        self.in_proj, self.out_proj = nn.Linear(d, 4 * d, bias=False), nn.Linear(2 * d, d, bias=False)
        self.conv1d = nn.Conv1d(2 * d, 2 * d, 3, groups=2 * d, padding=2)
        self.x_proj, self.dt_proj = nn.Linear(2 * d, 1 + 2 * n, bias=False), nn.Linear(1, 2 * d)
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, n + 1).repeat(2 * d, 1)))
        self.D = nn.Parameter(torch.ones(2 * d))

    def forward(self, x: Any) -> Any:
        b, length, _ = x.shape
        u, gate = self.in_proj(x).chunk(2, dim=-1)
        u = F.silu(self.conv1d(u.transpose(1, 2))[..., :length].transpose(1, 2))
        dt, write, read = self.x_proj(u).split([1, self.n, self.n], dim=-1)
        dt = F.softplus(self.dt_proj(dt))
        decay = torch.exp(dt.unsqueeze(-1) * -torch.exp(self.A_log))
        fed = (dt * u).unsqueeze(-1) * write.unsqueeze(2)
        h, found = torch.zeros(b, self.inner, self.n, device=x.device), []
        for t in range(length):
            h = decay[:, t] * h + fed[:, t]
            found.append(torch.einsum("bdn,bn->bd", h, read[:, t]))
        y = torch.stack(found, dim=1) + u * self.D
        return self.out_proj(y * F.silu(gate))


class KAN(nn.Module):
    """Piecewise linear edges on a grid, and silu beside them."""

    def __init__(self, a: int, b: int, grid: int = 4) -> None:
        super().__init__()
        self.cell = 2 / grid
        self.register_buffer("grid", (torch.arange(grid + 1) * self.cell - 1).expand(a, -1).contiguous())
        self.base_weight = nn.Parameter(torch.randn(b, a) * 0.5)
        self.spline_weight = nn.Parameter(torch.randn(b, a, grid + 1) * 0.3)

    def forward(self, x: Any) -> Any:
        bumps = F.relu(1 - (x.unsqueeze(-1) - self.grid).abs() / self.cell)
        edges = self.spline_weight.reshape(len(self.base_weight), -1)
        return F.linear(F.silu(x), self.base_weight) + F.linear(bumps.view(x.size(0), -1), edges)


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv1d(1, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(32, 3)
        )
        self.decoder = nn.Sequential(
            nn.Linear(3, 32), nn.ELU(), nn.Unflatten(1, (4, 8)), nn.ConvTranspose1d(4, 1, 4, 2, 1), nn.Tanh()
        )

    def forward(self, x: Any) -> Any:
        code = self.encoder(x)
        return self.decoder(code), code


class Gates(nn.Module):
    """Functions of every kind: what activations, comparisons of constants and reductions look like."""

    def __init__(self) -> None:
        super().__init__()
        self.prelu, self.norm = nn.PReLU(6), nn.InstanceNorm1d(6, affine=True)
        self.pool, self.most = nn.AdaptiveAvgPool1d(3), nn.AdaptiveMaxPool1d(2)

    def forward(self, x: Any) -> Any:
        y = self.norm(self.prelu(x)) + F.hardswish(x).clamp(-1, 2) - F.mish(x) * 0.5
        z = F.glu(torch.cat([y, x], 1), dim=1) + torch.where(torch.arange(5) > 2, y, 1.0 / (x * x + 1).sqrt())
        a, b = self.pool(z).mean(dim=(1, 2)), self.most(z).amax(dim=1).sum(-1, keepdim=True)
        return torch.stack([a, z.std(dim=(1, 2)), F.log_softmax(z, -1).flatten(1).max(1).values], 1) / (
            1 + b.abs()
        )


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 4), nn.Softmax(1)
    )


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, 2, 2, dilation=1), nn.BatchNorm2d(4, affine=False), nn.ReLU6(), nn.ZeroPad2d(1),
        nn.Conv2d(4, 8, 3, groups=2, padding_mode="zeros"), nn.Hardtanh(), nn.MaxPool2d(2, ceil_mode=True),
        nn.Dropout2d(0.2), nn.Flatten(), nn.LazyLinear(3), nn.LogSoftmax(-1),
    )  # fmt: skip


# name -> how it is built, and the shape of an input (an integer type where ids are meant)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "mlp": (mlp, (1, 1, 4, 4), "f"),
    "cnn": (cnn, (2, 1, 10, 10), "f"),
    "resnet": (ResNet, (1, 3, 8, 8), "f"),
    "vit": (ViT, (1, 3, 8, 8), "f"),
    "gpt": (GPT, (1, 6), "i"),
    "llama": (Llama, (1, 6, 16), "f"),
    "lstm": (lambda: Recurrent(nn.LSTM, num_layers=2, bidirectional=True), (1, 5, 4), "f"),
    "gru": (lambda: Recurrent(nn.GRU), (1, 5, 4), "f"),
    "rnn": (lambda: Recurrent(nn.RNN, nonlinearity="relu"), (1, 5, 4), "f"),
    "unet": (UNet, (1, 1, 8, 8), "f"),
    "mamba": (Mamba, (1, 5, 6), "f"),
    "kan": (lambda: nn.Sequential(KAN(3, 5), KAN(5, 2)), (1, 3), "f"),
    "autoencoder": (Autoencoder, (1, 1, 16), "f"),
    "gates": (Gates, (2, 6, 5), "f"),
}


def build(name: str) -> tuple[nn.Module, Any]:
    """The network with random weights and statistics, in evaluation mode, and an example input."""
    torch.manual_seed(0)
    make, shape, kind = NETWORKS[name]
    x = torch.randint(0, 11, shape) if kind == "i" else torch.randn(shape)
    module = make()
    with torch.no_grad():
        module.eval()(x)  # lazy layers learn their sizes
        for key, buffer in module.named_buffers():
            if "running" in key:
                buffer.copy_(torch.rand_like(buffer) * 0.2 + (0.5 if "var" in key else -0.1))
    return module, x
