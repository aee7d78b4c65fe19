"""Value and Trace: plain Python code on values builds a graph, one node an operation.

A value's shape is what the operator's own real rule gives (`semantics.plan.infer`): there is no second description of
shapes.  What is checked here is what a person means: ranks that differ, and the names of dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

import workbench.ops  # noqa: F401  (registers every operator)
from workbench.graph import Array, Attribute, Graph, GraphError, Node
from workbench.nn.shapes import Dims, ShapeError, dims_text, joined, unnamed
from workbench.passes.prune import pruned
from workbench.semantics.plan import infer

if TYPE_CHECKING:
    from workbench.nn.parameter import Buffer, Parameter

Operand = "Value | Parameter | Buffer | Array | float | int"


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor that is not computed yet: a node of the graph that is being built.

    Parameters
    ----------
    trace : the graph that is being built.
    name : the node's or weight's name in it.
    shape, dtype : as in `Node`.
    dims : a name for every dimension, or None: for messages.
    """

    trace: Trace
    name: str
    shape: tuple[int, ...]
    dtype: str
    dims: Dims

    __array_ufunc__ = None  # an array on the left gives way to the methods below

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def __repr__(self) -> str:
        return f"Value({self.name!r}, {self.dtype}{dims_text(self.shape, self.dims)})"

    def __bool__(self) -> bool:
        raise GraphError(
            f"{self!r} has no value while the graph is built, so that Python cannot branch on it: "
            "use wb.nn.functional.relu, maximum or minimum, or branch on shapes"
        )

    def __iter__(self) -> Any:
        raise GraphError(f"{self!r} cannot be iterated over: take parts with x[:, i], or x.split(n, axis)")

    def __add__(self, other: Any) -> Value:
        return self._with("Add", other)

    def __radd__(self, other: Any) -> Value:
        return self._with("Add", other, turned=True)

    def __sub__(self, other: Any) -> Value:
        return self._with("Sub", other)

    def __rsub__(self, other: Any) -> Value:
        return self._with("Sub", other, turned=True)

    def __mul__(self, other: Any) -> Value:
        return self._with("Mul", other)

    def __rmul__(self, other: Any) -> Value:
        return self._with("Mul", other, turned=True)

    def __truediv__(self, other: Any) -> Value:
        return self._with("Div", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._with("Div", other, turned=True)

    def __neg__(self) -> Value:
        return self.trace.emit("Neg", [self], dims=self.dims)

    def __pow__(self, other: float) -> Value:
        if not isinstance(other, int | float):
            raise GraphError(f"an exponent must be a number, not {other!r}: write exp(y * log(x))")
        if other == 2:
            return self * self
        return self.trace.emit("Pow", [self, self.trace.lift(other, self.dtype)], dims=self.dims)

    def __matmul__(self, other: Any) -> Value:
        right = self.trace.lift(other, self.dtype)
        return self.trace.product(self, right)

    def __rmatmul__(self, other: Any) -> Value:
        return self.trace.product(self.trace.lift(other, self.dtype), self)

    def __getitem__(self, key: Any) -> Value:
        from workbench.nn.slicing import take_slice

        return take_slice(self, key)

    def _with(self, op: str, other: Any, turned: bool = False) -> Value:
        second = self.trace.lift(other, self.dtype)
        a, b = (second, self) if turned else (self, second)
        return self.trace.elementwise(op, a, b)

    def reshape(self, *shape: int | tuple[int, ...]) -> Value:
        """The same elements in another shape; one size may be -1."""
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        numbers = np.array([int(n) for n in wanted], np.int64)  # type: ignore[arg-type]
        target = self.trace.constant(numbers, "shape")
        return self.trace.emit("Reshape", [self, target])

    def flatten(self, start: int = 0) -> Value:
        """All axes from `start` on as one."""
        return self.reshape(*self.shape[:start], prod(self.shape[start:]))

    def permute(self, *order: int) -> Value:
        """The axes in another order."""
        named = tuple(self.dims[i] for i in order)
        return self.trace.emit("Transpose", [self], {"perm": tuple(int(i) % self.ndim for i in order)}, named)

    def transpose(self, first: int, second: int) -> Value:
        """Two axes exchanged."""
        order = list(range(self.ndim))
        order[first], order[second] = order[second], order[first]
        return self.permute(*order)

    @property
    def T(self) -> Value:
        """A matrix turned."""
        return self.transpose(-1, -2)

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Value:
        """Sum over axes; over all where none is given."""
        return self._reduced("ReduceSum", axis, keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Value:
        """Mean over axes; over all where none is given."""
        return self._reduced("ReduceMean", axis, keepdims)

    def max(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Value:
        """Largest element over axes; over all where none is given."""
        return self._reduced("ReduceMax", axis, keepdims)

    def _reduced(self, op: str, axis: int | tuple[int, ...] | None, keepdims: bool) -> Value:
        chosen = range(self.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        axes = tuple(sorted(a % self.ndim for a in chosen))
        named = tuple(d for i, d in enumerate(self.dims) if keepdims or i not in axes)
        constant = self.trace.constant(np.array(axes, np.int64), "axes")
        return self.trace.emit(op, [self, constant], {"keepdims": int(keepdims)}, named)


@dataclass(eq=False)
class Trace:
    """A graph that is being built.

    Parameters
    ----------
    trained : True where parameters become inputs, so that there are gradients with respect to them; False where they
        become weights.
    every : True where frozen parameters become inputs too.
    training : what layers such as Dropout ask.
    paths : id of a module -> its path, for names and messages.
    """

    trained: bool = False
    training: bool = False
    every: bool = False
    paths: Mapping[int, str] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)
    known: dict[str, Value] = field(default_factory=dict)
    scopes: list[tuple[str, str]] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    updates: list[tuple[Buffer, Value]] = field(default_factory=list)
    noises: dict[str, Callable[[np.random.Generator], Array]] = field(default_factory=dict)
    results: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _lifted: dict[int, tuple[object, Value]] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The layer that is being built, for messages: ``layer 'fc1' (Linear)``."""
        if not self.scopes:
            return "the function"
        path, kind = self.scopes[-1]
        return f"layer {path!r} ({kind})" if path else f"the {kind}"

    def input(self, name: str, shape: Sequence[int], dtype: str = "float32", dims: Dims = ()) -> Value:
        """A new input of the graph."""
        node = Node(self.fresh(name), "Input", shape=tuple(int(n) for n in shape), dtype=dtype)
        return self.add(node, dims)

    def noise(self, name: str, shape: Sequence[int], draw: Callable[[np.random.Generator], Array]) -> Value:
        """An input that is drawn anew at every step of training."""
        value = self.input(name, shape)
        self.noises[value.name] = draw
        return value

    def constant(self, array: Array, hint: str = "constant") -> Value:
        """A weight that is never trained; equal ones stand once."""
        array = np.asarray(array)
        if array.size <= 64:
            for name, held in self.weights.items():
                if held.dtype == array.dtype and held.shape == array.shape and np.array_equal(held, array):
                    return self.known[name]
        name = self.fresh(hint)
        self.weights[name] = array
        return self.know(name, array.shape, str(array.dtype), ())

    def parameter(self, parameter: Parameter) -> Value:
        """A parameter: an input while it is trained, else a weight."""
        return self._held(parameter, self.trained and (parameter.trainable or self.every), "parameter")

    def buffer(self, buffer: Buffer) -> Value:
        """A buffer: an input where training updates it, else a weight."""
        return self._held(buffer, self.trained, "buffer")

    def _held(self, held: Parameter | Buffer, as_input: bool, kind: str) -> Value:
        if id(held) not in self._lifted:
            name = self.names.get(id(held))
            if name is None:
                path = self.scopes[-1][0] if self.scopes else ""
                name = self.fresh(f"{path}.{kind}" if path else kind)
            array = held.value
            if as_input:
                value = self.input(name, array.shape, str(array.dtype), held.dims)
            else:
                self.weights[name] = array
                value = self.know(name, array.shape, str(array.dtype), held.dims)
            if kind == "parameter":
                self.parameters[name] = held  # type: ignore[assignment]
            self._lifted[id(held)] = (held, value)
        return self._lifted[id(held)][1]

    def lift(self, thing: Any, dtype: str = "float32") -> Value:
        """A value, a parameter, an array or a number as a value of this graph.

        Raises
        ------
        GraphError
            A value of another graph; what is no number.
        """
        from workbench.nn.parameter import Buffer, Parameter

        if isinstance(thing, Value):
            if thing.trace is not self:
                raise GraphError(f"{thing!r} belongs to another graph: trace the functions together")
            return thing
        if isinstance(thing, Parameter):
            return self.parameter(thing)
        if isinstance(thing, Buffer):
            return self.buffer(thing)
        try:
            array = np.asarray(thing)
        except ValueError:
            array = np.array(None)
        if array.dtype.kind not in "fiub":
            raise GraphError(f"{self.where}: {type(thing).__name__} is no number, array or value")
        return self.constant(array.astype(dtype) if array.dtype.kind in "fiu" else array)

    def emit(
        self,
        op: str,
        operands: Sequence[Value | None],
        attrs: Mapping[str, Attribute] | None = None,
        dims: Dims = (),
        hint: str = "",
    ) -> Value:
        """One operation; its shape is inferred, and what does not fit is said in the layer's name."""
        path = self.scopes[-1][0] if self.scopes else ""
        name = self.fresh(f"{path}/{hint or op.lower()}" if path else hint or op.lower())
        inputs = tuple("" if o is None else o.name for o in operands)
        group = "/".join(path.split(".")[:-1]) if path else ""
        node = Node(name, op, inputs, dict(attrs or {}), group=group)
        given = {o.name: o for o in operands if o is not None}
        around = [Node(o.name, "Input", shape=o.shape, dtype=o.dtype) for k, o in given.items()
                  if k not in self.weights]  # fmt: skip
        try:
            *_, typed = infer([*around, node], {k: self.weights[k] for k in given if k in self.weights})
        except GraphError as error:
            told = ", ".join(dims_text(o.shape, o.dims) for o in operands if o is not None)
            raise ShapeError(f"{self.where}: {op} does not take {told}: {_short(error)}") from error
        return self.add(typed, dims)

    def elementwise(self, op: str, a: Value, b: Value) -> Value:
        """An operation with broadcasting, but never of ranks: (n,) with (n, 1) is more often a mistake than meant."""
        if a.ndim != b.ndim and a.size > 1 and b.size > 1:
            low, high = (a, b) if a.ndim < b.ndim else (b, a)
            ones = (1,) * (high.ndim - low.ndim)
            raise ShapeError(
                f"{self.where}: {op} of {dims_text(a.shape, a.dims)} and {dims_text(b.shape, b.dims)} would "
                f"repeat one of them along new axes; if that is meant, say so: .reshape{(*ones, *low.shape)}"
            )
        rank = max(a.ndim, b.ndim)
        pairs = zip(a.shape, b.shape, strict=True) if a.ndim == b.ndim else ()
        if any(m != n and 1 not in (m, n) for m, n in pairs):
            raise ShapeError(
                f"{self.where}: {op} of {dims_text(a.shape, a.dims)} and {dims_text(b.shape, b.dims)}: sizes "
                "must be equal, or 1"
            )
        named = joined(
            a.dims if a.ndim == rank else unnamed(rank), b.dims if b.ndim == rank else unnamed(rank)
        )
        return self.emit(op, [a, b], dims=named)

    def product(self, a: Value, b: Value) -> Value:
        """A product of matrices."""
        if not a.ndim or not b.ndim or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
            raise ShapeError(
                f"{self.where}: a product of {dims_text(a.shape, a.dims)} and {dims_text(b.shape, b.dims)}: the "
                "last size of the first must be the last but one of the second"
            )
        named: Dims = ()
        if a.ndim >= 2 and b.ndim == 2:
            named = (*a.dims[:-1], b.dims[-1])
        elif a.ndim == b.ndim >= 2:
            named = (*joined(a.dims[:-2], b.dims[:-2]), a.dims[-2], b.dims[-1])
        return self.emit("MatMul", [a, b], dims=named)

    def update(self, buffer: Buffer, value: Value) -> None:
        """What a buffer becomes after a step of training."""
        self.updates.append((buffer, value))

    def rename(self, value: Value, name: str) -> Value:
        """The newest node under another name (nobody uses it yet)."""
        name = self.fresh(name)
        self.known.pop(value.name)
        self.nodes[-1] = Node(name, *(getattr(self.nodes[-1], k) for k in NODE_FIELDS))
        return self.know(name, value.shape, value.dtype, value.dims)

    def graph(self, outputs: Sequence[Value], name: str = "network") -> Graph:
        """The graph of what the outputs need; its inputs all stay."""
        whole = Graph(tuple(self.nodes), tuple(v.name for v in outputs), self.weights, name)
        return pruned(whole, whole.nodes, whole.weights)

    def fresh(self, name: str) -> str:
        """A name that is not taken yet."""
        found, count = name, 1
        while found in self.known:
            found, count = f"{name}_{count}", count + 1
        return found

    def add(self, node: Node, dims: Dims) -> Value:
        """A node that is typed already."""
        self.nodes.append(node)
        return self.know(node.name, node.shape, node.dtype, dims)

    def know(self, name: str, shape: tuple[int, ...], dtype: str, dims: Dims) -> Value:
        """A value under a name."""
        named = dims if len(dims) == len(shape) else unnamed(len(shape))
        self.known[name] = Value(self, name, shape, dtype, named)
        return self.known[name]


NODE_FIELDS = ("op", "inputs", "attrs", "shape", "dtype", "group")


def _short(error: GraphError) -> str:
    text = str(error)
    return text.rpartition("cannot be computed from operands of shape ")[2].partition(": ")[2] or text
