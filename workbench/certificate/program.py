"""What the network of a certificate computes: ONNX nodes as a short list of `Step`s over exact integers.

This is a part of what must be believed: each operator's meaning is one method below.  An operator, or a use of one,
that is not here is refused by name.  Nothing of the engine is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from workbench.certificate.format import LONGEST, CannotCheck, Rejected, fields, integers, listed, text, whole

MOST_NEURONS = 1 << 20  # of one node
ONE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Tensor:
    """Numbers ``data[i] * 2**exponent``, row-major."""

    shape: tuple[int, ...]
    exponent: int
    data: Sequence[int]


@dataclass(frozen=True, slots=True)
class Step:
    """One vector of the network, from vectors before it (row-major, whatever the ONNX shape).

    kind      value
    input     what the network is given
    affine    ``2**-exponent * (M x + b)``; `matrix` holds a row ``[*M_i, b_i]`` for every element i
    shift     ``x + 2**-exponent * b``; `matrix` is ``[b]``
    relu      x where x >= 0, else ``2**-exponent * matrix[0][0] * x``
    add       the sum of both sources
    conv      as affine, in blocks: see `Taps`
    """

    kind: str
    name: str
    size: int
    sources: tuple[int, ...] = ()
    exponent: int = 0
    matrix: tuple[tuple[int, ...], ...] = ()
    taps: Taps | None = None


@dataclass(frozen=True, slots=True)
class Taps:
    """A convolution.

    Element ``[c, p]`` of the result (channel c, place p, flat ``c * places + p``) is
    ``2**-exponent * (sum_k matrix[c][k] * x[gather[p][k]] + bias_c)``; the last entry of a matrix row is the bias;
    a gather of -1 is padding: 0.
    """

    places: int
    gather: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """The network: steps in order, of which the first is the input; `output` is a position in it."""

    steps: tuple[Step, ...]
    output: int


def tensor(value: Any, what: str) -> Tensor:
    """A tensor of a certificate."""
    given = fields(value, what, "shape exponent data")
    shape = tuple(whole(n, f"{what}: a size", 0, MOST_NEURONS) for n in listed(given["shape"], what))
    exponent = whole(given["exponent"], f"{what}: the exponent", -2200, 2200)
    if len(shape) > 8 or prod(shape) > LONGEST:
        raise Rejected("format", f"{what} is too large")
    return Tensor(shape, exponent, integers(given["data"], what, prod(shape)))


def lower(network: Any) -> Program:
    """What the network of a certificate computes.

    Raises
    ------
    Rejected
        A network that is none.
    CannotCheck
        An operator, or a use of one, that is not among those listed here.
    """
    given = fields(network, "network", "sha256 name input output nodes tensors")
    source = fields(given["input"], "network.input", "name shape")
    shape = tuple(
        whole(n, "the input's shape", 1, MOST_NEURONS) for n in listed(source["shape"], "the shape")
    )
    if prod(shape) > MOST_NEURONS:
        raise Rejected("network", "the input is too large")
    if type(given["tensors"]) is not dict:
        raise Rejected("format", "network.tensors is not an object")
    if "" in given["tensors"]:
        raise Rejected("network", "a tensor has no name: in ONNX that stands for an operand that is absent")
    known = _Lowering({k: tensor(v, f"tensor {k[:60]!r}") for k, v in given["tensors"].items()})
    first = text(source["name"], "the input's name")
    if not first or first in given["tensors"]:
        raise Rejected("network", "the input has no name, or that of a tensor")
    known.steps.append(Step("input", first, prod(shape)))
    known.live[first] = (0, shape)
    nodes = [
        fields(n, "a node", "op inputs output attributes") for n in listed(given["nodes"], "network.nodes")
    ]
    for node in nodes:
        for name in listed(node["inputs"], "a node's inputs"):
            known.uses[text(name, "a node's input")] = known.uses.get(name, 0) + 1
    last = text(given["output"], "the output's name")
    known.uses[last] = known.uses.get(last, 0) + 1
    for node in nodes:
        known.visit(
            text(node["op"], "an operator"),
            node["inputs"],
            text(node["output"], "a name"),
            node["attributes"],
        )
    if last not in known.live:
        raise Rejected("network", f"the output {last[:60]!r} is not computed from the input")
    return Program(tuple(known.steps), known.live[last][0])


class _Lowering:
    """The steps so far, and where the value of each ONNX name is."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors
        self.steps: list[Step] = []
        self.live: dict[str, tuple[int, tuple[int, ...]]] = {}
        self.uses: dict[str, int] = {}

    def visit(self, op: str, inputs: list[str], output: str, attributes: Any) -> None:
        """One ONNX node."""
        if output in self.live or output in self.tensors:
            raise Rejected("network", f"the name {output[:60]!r} is given twice")
        rules: Mapping[str, Callable[..., None]] = {
            "MatMul": self.matmul,
            "Gemm": self.gemm,
            "Add": self.add,
            "Sub": self.add,
            "Flatten": self.rename,
            "Reshape": self.rename,
            "Identity": self.rename,
            "Relu": self.relu,
            "LeakyRelu": self.relu,
            "Conv": self.conv,
        }
        if op not in rules:
            raise CannotCheck(
                f"the operator {op[:60]!r} has no exact rule here; there are {', '.join(rules)}"
            )
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]  # ONNX: an optional operand without a name is absent
        if len(inputs) > (3 if op in ("Gemm", "Conv") else 2):
            raise Rejected("network", f"{op} has too many operands")
        if not output or "" in inputs:
            raise Rejected("network", f"{op} has an operand or a result without a name")
        for name in inputs:
            if name not in self.live and name not in self.tensors:
                raise Rejected("network", f"{op} needs {name[:60]!r}, which is not computed before it")
        rules[op](op, inputs, output, _attributes(attributes, op))

    def _live(self, op: str, inputs: list[str], at: int = 0) -> tuple[int, tuple[int, ...]]:
        if at >= len(inputs) or inputs[at] not in self.live:
            raise CannotCheck(f"{op}: operand {at} must depend on the input here")
        return self.live[inputs[at]]

    def _constant(self, op: str, inputs: list[str], at: int) -> Tensor:
        if at >= len(inputs) or inputs[at] not in self.tensors:
            raise CannotCheck(f"{op}: operand {at} must be constant here")
        return self.tensors[inputs[at]]

    def _new(self, step: Step, shape: tuple[int, ...]) -> None:
        if step.size > MOST_NEURONS or step.size != prod(shape):
            raise Rejected("network", f"{step.name[:60]!r} has an impossible size")
        self.live[step.name] = (len(self.steps), shape)
        self.steps.append(step)

    def _dense(self, op: str, name: str, source: int, columns: bool, w: Tensor, b: Tensor | None) -> Step:
        """``W x + b``; with `columns` an element's weights are a column of w."""
        m, n = w.shape if not columns else w.shape[::-1]
        if n != self.steps[source].size or (b is not None and len(b.data) not in (1, m)):
            raise Rejected("network", f"{op} {name[:60]!r}: the shapes do not fit")
        return Step("affine", name, m, (source,), *_rows(op, w, b, m, n, columns))

    def matmul(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """``x W`` for one row x: element j is ``sum_i x_i W[i, j]``."""
        source, shape = self._live(op, inputs)
        w = self._constant(op, inputs, 1)
        if len(w.shape) != 2 or prod(shape[:-1]) != 1 or not shape or attributes or len(inputs) != 2:
            raise CannotCheck("MatMul: only one row times a matrix has an exact rule here")
        step = self._dense(op, output, source, True, w, None)
        self._new(step, (*shape[:-1], step.size))

    def gemm(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """``x W + b``, or ``x W^T + b`` with transB, for one row x."""
        source, shape = self._live(op, inputs)
        w = self._constant(op, inputs, 1)
        b = self._constant(op, inputs, 2) if len(inputs) > 2 else None
        transposed = _take(attributes, "transB", 0)
        plain = _take(attributes, "alpha", ONE) == 1 and _take(attributes, "beta", ONE) == 1
        if (
            len(shape) != 2
            or shape[0] != 1
            or len(w.shape) != 2
            or not plain
            or _take(attributes, "transA", 0)
        ):
            raise CannotCheck("Gemm: only x W + b for one row x has an exact rule here")
        if attributes or transposed not in (0, 1):
            raise CannotCheck("Gemm: an attribute that is not known")
        if b is not None and (len(b.shape) > 2 or (len(b.shape) == 2 and b.shape[0] != 1)):
            raise Rejected("network", "Gemm: the shapes do not fit")
        step = self._dense(op, output, source, not transposed, w, b)
        self._new(step, (1, step.size))

    def add(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """``x + b``, ``x - b`` or ``b + x`` with a constant b that has, or spreads to, x's shape; or ``x + y``."""
        if len(inputs) != 2 or attributes:
            raise Rejected("network", f"{op} takes two operands")
        flipped = inputs[0] in self.tensors
        if flipped and op == "Sub":
            raise CannotCheck("Sub: a constant minus a value has no exact rule here")
        source, shape = self._live(op, inputs, int(flipped))
        other = inputs[0 if flipped else 1]
        if other in self.live:
            if op == "Sub" or self.live[other][1] != shape:
                raise CannotCheck(
                    f"{op} of two computed values of different shapes, or Sub, has no exact rule here"
                )
            step = Step("add", output, self.steps[source].size, (source, self.live[other][0]))
            return self._new(step, shape)
        b = self.tensors[other]
        sign = -1 if op == "Sub" else 1
        values = [sign * b.data[i] for i in _spread(b.shape, shape, op)]
        before = self.steps[source]
        low = min(b.exponent, -before.exponent, 0)
        used_once = all(self.uses.get(n, 0) <= 1 for n, (k, _) in self.live.items() if k == source)
        if before.kind == "affine" and used_once and source == len(self.steps) - 1 and _small(b, before, low):
            # (M x + c) 2^-e + b is one affine step: this saves a walk through one more vector
            up, more = -low - before.exponent, b.exponent - low
            rows = (
                (*(v << up for v in r[:-1]), (r[-1] << up) + (v << more))
                for r, v in zip(before.matrix, values, strict=True)
            )
            self.steps[source] = Step("affine", output, before.size, before.sources, -low, tuple(rows))
            self.live[output] = (source, shape)
            return None
        up = max(b.exponent, 0)
        matrix = (tuple(v << up for v in values),)
        return self._new(Step("shift", output, before.size, (source,), max(-b.exponent, 0), matrix), shape)

    def rename(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """Flatten, Reshape, Identity: the same elements in the same order, under another shape."""
        source, shape = self._live(op, inputs)
        size = self.steps[source].size
        if op == "Flatten":
            axis = _take(attributes, "axis", 1)
            axis = axis + len(shape) if axis < 0 else axis
            shape = (prod(shape[:axis]), prod(shape[axis:]))
        elif op == "Reshape":
            wanted = self._constant(op, inputs, 1)
            if wanted.exponent or _take(attributes, "allowzero", 0) or len(wanted.data) > 8:
                raise CannotCheck("Reshape: only to a plain shape")
            new = [shape[i] if n == 0 and i < len(shape) else n for i, n in enumerate(wanted.data)]
            rest = prod(n for n in new if n != -1)
            shape = tuple(size // rest if n == -1 and rest > 0 else n for n in new)
        if attributes or prod(shape) != size or any(n < 1 for n in shape):
            raise Rejected(
                "network", f"{op} does not keep the elements, or has an attribute that is not known"
            )
        self.live[output] = (source, shape)

    def relu(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """Relu, and LeakyRelu with ``0 <= alpha <= 1``."""
        source, shape = self._live(op, inputs)
        slope = Fraction(0)
        if op == "LeakyRelu":
            if "alpha" not in attributes:
                raise CannotCheck("LeakyRelu: alpha must be given")
            slope = _take(attributes, "alpha", ONE)
        if attributes or len(inputs) != 1 or not 0 <= slope <= 1:
            raise CannotCheck(f"{op} with these attributes has no exact rule here")
        exponent = slope.denominator.bit_length() - 1
        size = self.steps[source].size
        self._new(Step("relu", output, size, (source,), exponent, ((slope.numerator,),)), shape)

    def conv(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """A two-dimensional convolution of one image, of one group."""
        source, shape = self._live(op, inputs)
        w = self._constant(op, inputs, 1)
        b = self._constant(op, inputs, 2) if len(inputs) > 2 else None
        if len(shape) != 4 or shape[0] != 1 or len(w.shape) != 4 or w.shape[1] != shape[1]:
            raise CannotCheck("Conv: only one image with two axes, in one group, has an exact rule here")
        _, channels, height, width = shape
        count, _, high, wide = w.shape
        pads = _take(attributes, "pads", [0, 0, 0, 0])
        (sy, sx), (dy, dx) = _take(attributes, "strides", [1, 1]), _take(attributes, "dilations", [1, 1])
        if (
            _take(attributes, "group", 1) != 1
            or _take(attributes, "kernel_shape", [high, wide]) != [high, wide]
            or attributes
        ):
            raise CannotCheck("Conv: an attribute without an exact rule here")
        if (
            min(sy, sx, dy, dx) < 1
            or len(pads) != 4
            or not 0 <= min(pads) <= max(pads) <= max(high * dy, wide * dx)
        ):
            raise Rejected("network", "Conv: strides, dilations or pads that cannot be")
        rows = (height + pads[0] + pads[2] - dy * (high - 1) - 1) // sy + 1
        columns = (width + pads[1] + pads[3] - dx * (wide - 1) - 1) // sx + 1
        if rows < 1 or columns < 1 or (b is not None and b.shape != (count,)):
            raise Rejected("network", "Conv: the shapes do not fit")
        if rows * columns * channels * high * wide > 1 << 22 or count * rows * columns > MOST_NEURONS:
            raise CannotCheck("Conv: too large for this checker")

        def place(c: int, y: int, x: int) -> int:
            return (c * height + y) * width + x if 0 <= y < height and 0 <= x < width else -1

        kernel = [(c, i * dy, j * dx) for c in range(channels) for i in range(high) for j in range(wide)]
        gather = tuple(
            tuple(place(c, y * sy - pads[0] + i, x * sx - pads[1] + j) for c, i, j in kernel)
            for y in range(rows)
            for x in range(columns)
        )
        exponent, matrix = _rows(op, w, b, count, len(kernel), columns=False)
        taps = Taps(rows * columns, gather)
        self._new(
            Step("conv", output, count * len(gather), (source,), exponent, matrix, taps),
            (1, count, rows, columns),
        )


def _rows(
    op: str, w: Tensor, b: Tensor | None, m: int, n: int, columns: bool
) -> tuple[int, tuple[tuple[int, ...], ...]]:
    """The exponent and the rows ``[*weights, bias]`` of an affine step with one exponent for both."""
    low = min(w.exponent, 0 if b is None else b.exponent, 0)
    if m < 1 or n < 1:
        raise Rejected("network", f"{op} has weights of size 0")
    if (w.exponent - low) * len(w.data) > 1 << 30:
        raise CannotCheck(f"{op}: the exponents of weights and bias are too far apart")
    data = [v << (w.exponent - low) for v in w.data]
    bias = [0] * m if b is None else [v << (b.exponent - low) for v in b.data] * (m // len(b.data))
    rows = [data[i::m] if columns else data[i * n : (i + 1) * n] for i in range(m)]
    return -low, tuple((*r, c) for r, c in zip(rows, bias, strict=True))


def _take(attributes: dict[str, Any], name: str, default: Any) -> Any:
    """An attribute of the default's type (a float attribute is a Fraction), taken out of those that are left."""
    found = attributes.pop(name, default)
    if type(found) is not type(default) or (type(found) is list and len(found) != len(default)):
        raise Rejected("network", f"the attribute {name[:60]!r} is not of its type")
    return found


def _small(b: Tensor, before: Step, low: int) -> bool:
    """Whether one common exponent does not make the numbers much longer."""
    return b.exponent - low <= 64 and -low - before.exponent <= 64


def _spread(shape: tuple[int, ...], wanted: tuple[int, ...], op: str) -> list[int]:
    """For each element of `wanted` the flat index of the element of `shape` that broadcasting puts there."""
    full = (1,) * (len(wanted) - len(shape)) + shape
    if len(full) != len(wanted) or any(a not in (1, n) for a, n in zip(full, wanted, strict=True)):
        raise CannotCheck(f"{op}: a constant that enlarges the value has no exact rule here")
    found, stride = [0], prod(full)
    for a, n in zip(full, wanted, strict=True):
        stride //= a
        found = [i + (k * stride if a > 1 else 0) for i in found for k in range(n)]
    return found


def _attributes(value: Any, op: str) -> dict[str, Any]:
    """Attributes: integers, lists of integers, and floats as mantissa and exponent."""
    if type(value) is not dict:
        raise Rejected("format", f"the attributes of {op} are not an object")
    found: dict[str, Any] = {}
    for name, given in value.items():
        if type(given) is dict:
            parts = fields(given, name[:60], "mantissa exponent")
            exponent = whole(parts["exponent"], "an exponent", -2200, 2200)
            found[name] = whole(parts["mantissa"], "a mantissa") * Fraction(2) ** exponent
        elif type(given) is list:
            found[name] = integers(given, name[:60])
        else:
            found[name] = whole(given, name[:60], -(1 << 31), 1 << 31)
    return found
