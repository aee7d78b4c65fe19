"""Functions that build nodes, called on arrays: a graph of that one call is built, and run at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np

from workbench.graph import GraphError
from workbench.nn.parameter import Buffer, Parameter
from workbench.nn.value import Trace, Value


def on_arrays(function: Callable[..., Any], at: int = 0, whole: bool = False) -> Callable[..., Any]:
    """The function for values and, where nothing that it is given is a value, for arrays.

    Parameters
    ----------
    function : of values; builds nodes of their graph.
    at : which argument must be a value, or a sequence of values, for `function`.
    whole : whether whole numbers stay such (ids); else they become float32.
    """

    @wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        if len(given) <= at:  # named, or missing: Python's own message says so
            bound = signature(function).bind(*given, **named)
            given, named = bound.args, bound.kwargs
        main = given[at]
        many = isinstance(main, list | tuple) and any(
            isinstance(v, Value | np.ndarray | Parameter) for v in main
        )
        parts = list(main) if many else [main]
        if all(isinstance(v, Value) for v in parts):
            return function(*given, **named)
        around = [*parts, *given, *named.values()]
        trace = next((v.trace for v in around if isinstance(v, Value)), None)
        if trace is not None:  # an array or a parameter beside values
            dtype = "int64" if whole else next(v.dtype for v in around if isinstance(v, Value))
            lifted = [trace.lift(v, dtype) for v in parts]
            return function(*given[:at], lifted if many else lifted[0], *given[at + 1 :], **named)
        if any(isinstance(v, Parameter | Buffer) for v in parts):
            # run at once, its result would be a constant: training would never change it
            raise GraphError(
                f"{function.__name__} of a parameter alone belongs to no graph: write x.trace.lift(parameter) in its "
                "place, where x is any value of the forward, or parameter.value for its array"
            )
        arrays = [_numbers(function.__name__, v, whole) for v in parts]
        maker = Trace()
        inputs = [maker.input(f"x{i}", a.shape, str(a.dtype)) for i, a in enumerate(arrays)]
        result = function(*given[:at], inputs if many else inputs[0], *given[at + 1 :], **named)
        graph = maker.graph([result], function.__name__)
        from workbench.nn.tracing import Traced

        return np.asarray(Traced(graph)(*arrays))

    return call


def _numbers(name: str, thing: Any, whole: bool) -> Any:
    try:
        array = np.asarray(thing)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        raise GraphError(f"{name} takes values of a graph, or arrays of numbers, not {type(thing).__name__}")
    if array.dtype.kind != "f":
        return array.astype(np.int64 if whole else np.float32)
    return array
