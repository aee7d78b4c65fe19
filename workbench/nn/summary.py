"""summary: a table of a module's layers, with the shapes that they give and the parameters that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.nn.module import Module, names_of
from workbench.nn.parameter import Parameter
from workbench.nn.tracing import Evaluating, check_shapes, given_shape
from workbench.nn.value import Trace


@dataclass(frozen=True)
class Row:
    """One layer: path, class, shape of the result, parameters of its own."""

    path: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Summary:
    """Rows, and what they add up to; prints itself."""

    rows: tuple[Row, ...]
    parameters: int
    trainable: int

    def __repr__(self) -> str:
        cells = [("layer", "kind", "output", "parameters")]
        cells += [
            (r.path, r.kind, str(list(r.shape)), f"{r.parameters:,}" if r.parameters else "")
            for r in self.rows
        ]
        wide = [max(len(row[i]) for row in cells) for i in range(4)]
        lines = [
            f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c:<{wide[2]}}  {d:>{wide[3]}}".rstrip() for a, b, c, d in cells
        ]
        return "\n".join([*lines, f"{self.parameters:,} parameters, {self.trainable:,} of them trained"])


def summary(module: Module, shapes: Sequence[Any]) -> Summary:
    """The table; `shapes` as `Module.graph` takes them."""
    check_shapes(module, shapes)
    paths, names = names_of(module.drawn())
    maker = Trace(paths=paths, names=names)
    told = [given_shape(s, "float32") for s in shapes]
    inputs = [maker.input(f"x{i}", shape, kind, dims) for i, (shape, dims, kind) in enumerate(told)]
    with Evaluating(module):
        module(*inputs)
    rows = []
    for path, m in module.named_modules():
        own = sum(p.size for p in _own(m))
        if path and (own or not list(m.children())):
            rows.append(Row(path, type(m).__name__, maker.results.get(id(m), ()), own))
    every = module.parameters()
    return Summary(tuple(rows), sum(p.size for p in every), sum(p.size for p in every if p.trainable))


def _own(module: Module) -> list[Any]:
    return [v for v in vars(module).values() if isinstance(v, Parameter)]
