"""compile: a function or a module as one planned graph, with its memory, for arrays of the same shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn.module import Module
from workbench.nn.parameter import Buffer, Parameter
from workbench.nn.tracing import Traced, for_arrays, trace
from workbench.nn.value import Value
from workbench.semantics.plan import plan_of
from workbench.semantics.planned import Planned

MOST = 8  # shapes that are kept; the oldest is forgotten


class Compiled:
    """A function that is planned once for every shape it is called with; see `compile`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._made: dict[Any, tuple[Traced, Planned, Mapping[str, Parameter | Buffer]]] = {}

    def __repr__(self) -> str:
        return f"compile({self.function!r}, {len(self._made)} shapes planned)"

    def __call__(self, *inputs: Any) -> Any:
        """What the function gives, bit for bit; its parameters are read anew at every call."""
        if any(isinstance(v, Value) for v in inputs):  # while another graph is built there is nothing to run
            return self.function(*inputs)
        arrays = [np.asarray(v) for v in inputs]
        key = tuple((a.shape, a.dtype.str) for a in arrays)
        if key not in self._made:
            while len(self._made) >= MOST:
                del self._made[next(iter(self._made))]
            self._made[key] = self._make(arrays)
        traced, planned, held = self._made[key]

        def run(given: dict[str, Array]) -> Mapping[str, Array]:
            values = planned.run({**given, **{name: h.value[None] for name, h in held.items()}})
            # what is given away must not be written over by the next call
            names = zip(traced.graph.outputs, planned.plan.graph.outputs, strict=True)
            return {name: values[lies].copy() for name, lies in names}

        return traced.computed(run, *arrays)

    def _make(self, arrays: list[Array]) -> tuple[Traced, Planned, Mapping[str, Parameter | Buffer]]:
        if not isinstance(self.function, Module):
            traced = trace(self.function, *arrays)
            return traced, Planned(plan_of(traced.graph)), {}
        traced, live = for_arrays(self.function, arrays), for_arrays(self.function, arrays, trained=True)
        both: dict[str, Parameter | Buffer] = {
            **self.function.named_parameters(),
            **self.function.named_buffers(),
        }
        held = {n: both[n] for n in live.graph.inputs if n in both}
        return traced, Planned(plan_of(live.graph)), held


def compile(function: Callable[..., Any]) -> Compiled:  # noqa: A001 (PyTorch's name)
    """A module, or a function of tensors, as one planned graph: results are those of running it node by node.

    Parameters
    ----------
    function : a module, or a plain Python function as `trace` takes it.  A module goes on training: its parameters are
        read at every call.

    >>> import numpy as np
    >>> from workbench import nn
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).init(0)
    >>> fast, x = compile(net), np.ones((4, 2), np.float32)
    >>> bool((fast(x) == net(x)).all())
    True
    """
    if not callable(function):
        raise GraphError(f"compile takes a module or a function, not {function!r}")
    return function if isinstance(function, Compiled) else Compiled(function)
