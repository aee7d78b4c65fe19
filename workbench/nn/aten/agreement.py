"""Whether what was imported computes what PyTorch computes: both are run, and compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn.attention import FAR
from workbench.nn.module import flat

TOLERANCE = 1e-4  # of the largest magnitude, for what was imported against what PyTorch computes


def compare(
    torch: Any, module: Any, tensors: tuple[Any, ...], run: Callable[[list[Array]], Any], first: bool = False
) -> None:
    """Both networks on the example, and on one draw of its shape.

    Parameters
    ----------
    torch : the package, which is not imported here.
    module : in evaluation mode; buffers that its forward writes into are put back.
    tensors : the example.
    run : what was imported, as a function of a list of arrays.
    first : whether only the first output is to be compared.

    Raises
    ------
    GraphError
        They differ.
    """
    rng = np.random.default_rng(0)
    drawn = tuple(
        torch.as_tensor(rng.standard_normal(tuple(t.shape))).to(t) if t.is_floating_point() else t
        for t in tensors
    )
    floating = any(t.is_floating_point() for t in tensors)
    state = [(b, b.clone()) for b in module.buffers()]
    runs = list[tuple[str, list[Any], list[Array]]]()
    kinds = {v.dtype for v in (*module.parameters(), *tensors) if v.is_floating_point()}
    for label, given in (("the example", tensors), ("a random draw of its shape", drawn))[: 1 + floating]:
        try:
            expected = [v for v in flat((module(*given),)) if isinstance(v, torch.Tensor)]
        except Exception as error:
            if given is tensors:
                raise GraphError(f"{type(module).__name__} does not take the example: {error}") from error
            continue  # a module that checks its inputs need not take any numbers
        finally:
            for b, before in state:  # a forward may write into buffers
                if not torch.equal(b, before):
                    b.copy_(before)
        with np.errstate(all="ignore"):
            found = list(flat((run([numbers(t) for t in given]),)))
        kinds |= {v.dtype for v in expected if v.is_floating_point()}
        runs.append((label, found, [numbers(v) for v in (expected[:1] if first else expected)]))
    most = max([TOLERANCE, *(16 * torch.finfo(k).eps for k in kinds)])
    # of both runs: an example of zeros may give nothing but rounding errors, which agree with nobody's
    scales = [max(map(_largest, each)) for each in zip(*(theirs for _, _, theirs in runs), strict=True)]
    for label, found, theirs in runs:
        if said := differing(found, theirs, [most * scale for scale in scales]):
            raise GraphError(
                f"what was imported of {type(module).__name__} does not compute what PyTorch does: on {label}, {said}. "
                "It is refused; please report the module. Export it to ONNX and open the file with wb.load, or import "
                "its parts to find the operator"
            )


def _largest(array: Array) -> float:
    wide = np.asarray(array, np.float64)
    return float(np.max(abs(wide), where=np.isfinite(wide), initial=0.0))


def numbers(tensor: Any) -> Array:
    """Its numbers; short floats as float32."""
    short = tensor.is_floating_point() and tensor.element_size() < 4
    return np.asarray((tensor.float() if short else tensor).detach().cpu().numpy())


def differing(found: Sequence[Any], expected: Sequence[Array], most: Sequence[float]) -> str:
    """How outputs differ by more than `most` for each; empty if they do not.

    What is no number has to be none in both.  Where one is infinite, the other may be a mask of ours (`FAR`, nearly).
    """
    if len(found) != len(expected):
        return f"there are {len(found)} outputs instead of {len(expected)}"
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
        if x.size != y.size:
            return f"output {i} has the shape {list(x.shape)} instead of {list(y.shape)}"
        x = x.reshape(y.shape)
        x = np.where(np.isinf(y) & (np.sign(x) == np.sign(y)) & (abs(x) > -FAR / 2), y, x)
        if not np.array_equal(np.isnan(x), np.isnan(y)):
            return f"output {i} is not a number at other places"
        if not y.size:
            continue
        same = (x == y) | np.isnan(y)
        with np.errstate(invalid="ignore"):
            off = np.where(same, 0.0, abs(x - y))
        if not off.max() <= most[i]:
            return f"output {i} is off by {off.max():.3g}, and {most[i]:.3g} is rounding"
    return ""
