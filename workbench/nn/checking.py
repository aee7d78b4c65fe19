"""check: whether a module fits its input, layer by layer, before anything runs.

>>> from workbench import nn
>>> net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(31, 10))
>>> print(check(net, "batch=1 pixels=64").error)
layer '2' (Linear) expects a last dimension of 31, but was given [batch=1, 32]
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from workbench.graph import GraphError
from workbench.nn.module import Module, names_of
from workbench.nn.parameter import Parameter
from workbench.nn.shapes import dims_text, parse
from workbench.nn.tracing import Evaluating, _inputs, check_shapes
from workbench.nn.value import Trace, Value

FITS, FAILS, INSIDE, UNREACHED = "fits", "fails", "inside", "unreached"


@dataclass
class Layer:
    """One call of a layer.

    Parameters
    ----------
    path, kind : its name in the module ("" for the whole), and its class.
    given, result : shapes with the user's names of dimensions, as `dims_text` writes them; no result where it failed.
    parameters : its own, not those of layers in it.
    state : "fits", "fails" (here), "inside" (a layer in it failed) or "unreached".
    message, fix : what was expected and given, and a line that would fit, where one is known.
    """

    path: str
    kind: str
    given: tuple[str, ...] = ()
    result: str = ""
    parameters: int = 0
    state: str = FITS
    message: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Check:
    """What `check` found: the layers in the order of their calls, then those that were not reached."""

    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    output: str
    error: str = ""
    parameters: int = 0

    @property
    def fits(self) -> bool:
        """Whether the whole module can run on such an input."""
        return not self.error

    def __repr__(self) -> str:
        marks = {FITS: "fits", FAILS: "FAILS", INSIDE: "(fails inside)", UNREACHED: "not reached"}
        rows = [
            (r.path or "(whole)", r.kind, ", ".join(r.given), r.result, marks[r.state]) for r in self.layers
        ]
        rows.insert(0, ("layer", "kind", "given", "result", ""))
        wide = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = ["  ".join(f"{v:<{n}}" for v, n in zip(row, wide, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, self.error or f"fits: {', '.join(self.inputs)} -> {self.output}"])


@dataclass
class _Calls:
    """What the layers are given while a module is traced."""

    made: list[Layer] = field(default_factory=list)
    blamed: bool = False


def check(module: Module, *shapes: Any) -> Check:
    """Trace a module and write down what each layer is given and gives, or where and why it does not fit.

    Parameters
    ----------
    shapes : one an input: ``(1, 64)`` or ``"batch=1 pixels=64"``.

    Raises
    ------
    GraphError
        Another number of shapes than the module takes; text that is no shape.
    """
    check_shapes(module, shapes)
    paths, names = names_of(module.drawn())
    maker = Trace(paths=paths, names=names)
    calls, error, output = _Calls(), "", ""
    inputs: list[Value] = []
    with Evaluating(module), _watched(module, paths, calls):
        try:
            inputs = _inputs(maker, module.forward, [(*parse(s), "float32") for s in shapes])
            output = ", ".join(_texts(module(*inputs)))
        except GraphError as found:
            error = str(found)
        except (TypeError, ValueError, AttributeError, IndexError) as found:  # of the user's own forward
            error = f"{type(found).__name__} in forward: {found}"
    if error and calls.made and not calls.blamed:
        calls.made[0].state, calls.made[0].message = FAILS, error
    reached = {row.path for row in calls.made}
    rows = list(calls.made)
    for path, one in module.named_modules():
        if path not in reached and (_own(one) or not list(one.children())):
            rows.append(Layer(path, type(one).__name__, parameters=_own(one), state=UNREACHED))
    given = tuple(_texts(inputs)) or tuple(dims_text(*parse(s)) for s in shapes)
    return Check(tuple(rows), given, output, error, sum(p.size for p in module.parameters()))


def _texts(values: Any) -> list[str]:
    found = values if isinstance(values, tuple | list) else [values]
    return [dims_text(v.shape, v.dims) for v in found if isinstance(v, Value)]


def _own(module: Module) -> int:
    return sum(v.size for v in vars(module).values() if isinstance(v, Parameter))


@contextmanager
def _watched(module: Module, paths: Any, calls: _Calls) -> Iterator[None]:
    """Every layer's `forward` writes down what it is given, for as long as this lasts."""
    held = [one for _, one in module.named_modules() if "forward" not in vars(one)]
    for one in held:
        object.__setattr__(one, "forward", _told(one, paths.get(id(one), ""), calls))
    try:
        yield
    finally:
        for one in held:
            object.__delattr__(one, "forward")


def _told(module: Module, path: str, calls: _Calls) -> Any:
    forward = type(module).forward

    def watched(*inputs: Any, **options: Any) -> Any:
        row = Layer(path, type(module).__name__, tuple(_texts(inputs)), parameters=_own(module))
        calls.made.append(row)
        try:
            result = forward(module, *inputs, **options)
        except Exception as error:
            row.state = INSIDE if calls.blamed else FAILS
            if not calls.blamed:
                calls.blamed, row.message = True, str(error)
                row.fix = _fix(module, inputs)
            raise
        row.result = ", ".join(_texts(result))
        return result

    # what inspects the signature (names of the inputs, annotations) sees the user's own
    watched.__wrapped__ = forward.__get__(module)  # type: ignore[attr-defined]
    return watched


def _fix(module: Module, inputs: Any) -> str:
    """The layer that would take what was given, for those whose sizes say it."""
    kind, weight = type(module).__name__, getattr(module, "weight", None)
    given = inputs[0].shape if inputs and isinstance(inputs[0], Value) else ()
    if not isinstance(weight, Parameter) or len(given) < 2:
        return ""
    if kind == "Linear":
        return f"nn.Linear({given[-1]}, {weight.shape[0]})"
    if (
        kind in ("Conv1d", "Conv2d", "Conv3d")
        and len(given) == len(weight.shape)
        and given[1] != weight.shape[1]
    ):
        sizes = set(weight.shape[2:])
        kernel = str(weight.shape[2]) if len(sizes) == 1 else str(tuple(weight.shape[2:]))
        return f"nn.{kind}({given[1]}, {weight.shape[0]}, {kernel}, ...)"
    if kind.startswith("BatchNorm"):
        return f"nn.{kind}({given[1]})"
    return ""
