"""What the network of a certificate computes: ONNX nodes as a short list of `Step`s over exact integers.

This is a part of what must be believed: each operator's meaning is one method below.  An operator, or a use of one,
that is not here is refused by name.  Nothing of the engine is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import isqrt, prod
from typing import Any

from workbench.certificate.format import CannotCheck, Rejected, fields, listed, text, whole
from workbench.certificate.smooth import FUNCTIONS
from workbench.certificate.steps import (
    MOST_NEURONS,
    ONE,
    Program,
    Step,
    Taps,
    Tensor,
    attributes_of,
    rows_of,
    spread,
    take,
    tensor,
)
from workbench.certificate.windows import convolution, padded, pool

__all__ = ["Program", "Step", "Taps", "Tensor", "lower"]
LARGEST = 1 << 24  # numbers of all steps
NARROW = 96  # bits of a factor that is no dyadic number
BN_BITS = 160  # after the point, of a factor of BatchNormalization
Factors = tuple[int, tuple[int, ...], tuple[int, ...]]
OPERANDS = {"Gemm": 3, "Conv": 3, "BatchNormalization": 5, "Pad": 3}  # at most; else 2


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
        self.room = LARGEST

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
            "MaxPool": self.pool,
            "AveragePool": self.pool,
            "GlobalAveragePool": self.pool,
            "Pad": self.pad,
            "BatchNormalization": self.normal,
            "Mul": self.times,
            "Div": self.times,
            **dict.fromkeys(FUNCTIONS, self.smooth),
        }
        if op not in rules:
            raise CannotCheck(
                f"the operator {op[:60]!r} has no exact rule here; there are {', '.join(rules)}"
            )
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]  # ONNX: an optional operand without a name is absent
        if len(inputs) > OPERANDS.get(op, 2):
            raise Rejected("network", f"{op} has too many operands")
        if not output or "" in inputs:
            raise Rejected("network", f"{op} has an operand or a result without a name")
        for name in inputs:
            if name not in self.live and name not in self.tensors:
                raise Rejected("network", f"{op} needs {name[:60]!r}, which is not computed before it")
        rules[op](op, inputs, output, attributes_of(attributes, op))

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
        self.live[step.name] = (self._inner(step), shape)

    def _dense(self, op: str, name: str, source: int, columns: bool, w: Tensor, b: Tensor | None) -> Step:
        """``W x + b``; with `columns` an element's weights are a column of w."""
        m, n = w.shape if not columns else w.shape[::-1]
        if n != self.steps[source].size or (b is not None and len(b.data) not in (1, m)):
            raise Rejected("network", f"{op} {name[:60]!r}: the shapes do not fit")
        return Step("affine", name, m, (source,), *rows_of(op, w, b, m, n, columns))

    def matmul(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """``x W`` for one row x: element j is ``sum_i x_i W[i, j]``; or ``W x`` for one column x."""
        if len(inputs) == 2 and inputs[0] in self.tensors:
            w, (source, shape) = self.tensors[inputs[0]], self._live(op, inputs, 1)
            if len(w.shape) != 2 or attributes or len(shape) not in (1, 2) or prod(shape[1:]) != 1:
                raise CannotCheck("MatMul: only a matrix times one column has an exact rule here")
            step = self._dense(op, output, source, False, w, None)
            return self._new(step, (step.size, *shape[1:]))
        source, shape = self._live(op, inputs)
        w = self._constant(op, inputs, 1)
        if len(w.shape) != 2 or prod(shape[:-1]) != 1 or not shape or attributes or len(inputs) != 2:
            raise CannotCheck("MatMul: only one row times a matrix has an exact rule here")
        step = self._dense(op, output, source, True, w, None)
        return self._new(step, (*shape[:-1], step.size))

    def gemm(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """``x W + b``, or ``x W^T + b`` with transB, for one row x."""
        source, shape = self._live(op, inputs)
        w = self._constant(op, inputs, 1)
        b = self._constant(op, inputs, 2) if len(inputs) > 2 else None
        transposed = take(attributes, "transB", 0)
        plain = take(attributes, "alpha", ONE) == 1 and take(attributes, "beta", ONE) == 1
        if (
            len(shape) != 2
            or shape[0] != 1
            or len(w.shape) != 2
            or not plain
            or take(attributes, "transA", 0)
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
        values = [sign * b.data[i] for i in spread(b.shape, shape, op)]
        before = self.steps[source]
        low = min(b.exponent, -before.exponent, 0)
        used_once = all(self.uses.get(n, 0) <= 1 for n, (k, _) in self.live.items() if k == source)
        no_bias = before.kind == "affine" and not any(r[-1] for r in before.matrix)
        if no_bias and used_once and source == len(self.steps) - 1 and _small(b, before, low):
            # M x 2^-e + b is one affine step: this saves a walk through one more vector. (A second bias stays apart:
            # what rounding costs, R15, is not told by the sum of both.)
            self._take(before)  # again: many such additions must not make the checker slow
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
            axis = take(attributes, "axis", 1)
            axis = axis + len(shape) if axis < 0 else axis
            shape = (prod(shape[:axis]), prod(shape[axis:]))
        elif op == "Reshape":
            wanted = self._constant(op, inputs, 1)
            if wanted.exponent or take(attributes, "allowzero", 0) or len(wanted.data) > 8:
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
            slope = take(attributes, "alpha", ONE)
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
        self._new(*convolution(op, output, source, shape, w, b, attributes))

    def pool(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """The largest, or the mean, of what every window has; what lies outside of the image does not count.

        (With count_include_pad it counts, as 0.)
        """
        source, shape = self._live(op, inputs)
        if len(inputs) != 1 or (op != "GlobalAveragePool" and "kernel_shape" not in attributes):
            raise Rejected("network", f"{op} takes one operand, and a kernel_shape")
        step, new, factors = pool(op, output, source, shape, attributes)
        if factors is None:
            return self._new(step, new)
        return self._scaled(self._inner(step), output, new, _around(factors))

    def pad(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """Zeros around a value: how many, as an attribute or as an operand."""
        source, shape = self._live(op, inputs)
        value = attributes.pop("value", Fraction(0))
        if len(inputs) > 1 and "pads" not in attributes:
            wanted = self._constant(op, inputs, 1)
            if wanted.exponent or len(wanted.shape) != 1:
                raise CannotCheck("Pad: only by plain numbers")
            attributes["pads"] = list(wanted.data)
            if len(inputs) > 2 and any(self._constant(op, inputs, 2).data):
                value = ONE
        elif len(inputs) > 1:
            raise Rejected("network", "Pad says twice how many")
        pads = attributes.pop("pads", None)
        if attributes or value != 0 or type(pads) is not list:
            raise CannotCheck("Pad: only zeros that are added have an exact rule here")
        self._new(*padded(output, source, shape, pads))

    def times(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """``x c``, ``c x`` or ``x / c`` with a constant c that has, or spreads to, x's shape."""
        if len(inputs) != 2 or attributes:
            raise Rejected("network", f"{op} takes two operands")
        flipped = inputs[0] in self.tensors and op == "Mul"
        source, shape = self._live(op, inputs, int(flipped))
        c = self._constant(op, inputs, int(not flipped))
        values = [v * Fraction(2) ** c.exponent for v in c.data]  # each once, however often it is used
        if op == "Div":
            if not all(values):
                raise CannotCheck("Div by 0 has no exact rule here")
            values = [1 / v for v in values]
        exponent, low, high = _around(values)
        at = spread(c.shape, shape, op)
        self._scaled(source, output, shape, (exponent, tuple(low[i] for i in at), tuple(high[i] for i in at)))

    def normal(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """``(x - mean) * scale / sqrt(var + epsilon) + bias``, channel by channel (axis 1)."""
        source, shape = self._live(op, inputs)
        attributes.pop("momentum", None)  # of training
        if len(inputs) != 5 or "epsilon" not in attributes or len(shape) < 2:
            raise CannotCheck("BatchNormalization: five operands and epsilon must be given")
        epsilon, area = take(attributes, "epsilon", ONE), prod(shape[2:])
        scale, bias, mean, variance = (
            [v * Fraction(2) ** t.exponent for v in t.data]
            for t in (self._constant(op, inputs, k) for k in range(1, 5))
        )
        if take(attributes, "training_mode", 0) or attributes or shape[0] != 1:
            raise CannotCheck("BatchNormalization: an attribute, or a batch, without an exact rule here")
        if any(len(v) != shape[1] for v in (scale, bias, mean, variance)):
            raise Rejected("network", "BatchNormalization: the shapes do not fit")
        if any(v + epsilon <= 0 for v in variance):
            raise Rejected("network", "BatchNormalization: a variance that is not positive")
        roots = [_root(s, v + epsilon) for s, v in zip(scale, variance, strict=True)]
        both = [(low, high) for low, high in roots for _ in range(area)]
        moved = self._inner(_shifted(source, [-v for v in mean for _ in range(area)]))
        scaled = self._inner(Step("scale", "", len(both), (moved,), BN_BITS, tuple(zip(*both, strict=True))))
        last = _shifted(scaled, [v for v in bias for _ in range(area)])
        self._new(Step(last.kind, output, last.size, last.sources, last.exponent, last.matrix), shape)

    def smooth(self, op: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> None:
        """A function of every element."""
        source, shape = self._live(op, inputs)
        if len(inputs) != 1 or attributes:
            raise Rejected("network", f"{op} takes one operand, and no attribute")
        self._new(Step("smooth", output, self.steps[source].size, (source,), function=op), shape)

    def _inner(self, step: Step) -> int:
        """A step, and where it stands; what all of them hold together is limited."""
        self._take(step)
        self.steps.append(step)
        return len(self.steps) - 1

    def _take(self, step: Step) -> None:
        self.room -= step.size + sum(map(len, step.matrix)) + (0 if step.taps is None else step.taps.reads)
        if step.size > MOST_NEURONS or self.room < 0:
            raise CannotCheck("the network is too large for this checker")

    def _scaled(self, source: int, name: str, shape: tuple[int, ...], factors: Factors) -> None:
        exponent, low, high = factors
        self._new(Step("scale", name, len(low), (source,), exponent, (low, high)), shape)


def _around(factors: list[Fraction]) -> Factors:
    """Factors as integers with one exponent: themselves where they are dyadic, else the two next to them.

    They have `NARROW` bits after the leading one of the least.
    """
    exponent = 0
    for d in {v.denominator for v in factors}:
        exponent = max(exponent, d.bit_length() - 1 + (0 if d & (d - 1) == 0 else NARROW))
    low = tuple((v.numerator << exponent) // v.denominator for v in factors)
    return exponent, low, tuple(-((-v.numerator << exponent) // v.denominator) for v in factors)


def _root(scale: Fraction, variance: Fraction) -> tuple[int, int]:
    """The integers next to ``2**BN_BITS * scale / sqrt(variance)``: r <= sqrt(q) < r + 1 for r = isqrt(floor(q))."""
    square = scale * scale / variance
    low = isqrt((square.numerator << 2 * BN_BITS) // square.denominator)
    return (low, low + 1) if scale > 0 else (-low - 1, -low) if scale else (0, 0)


def _shifted(source: int, values: list[Fraction]) -> Step:
    """``x + b``, b dyadic."""
    e = max((v.denominator.bit_length() - 1 for v in values), default=0)
    row = tuple(v.numerator << e - (v.denominator.bit_length() - 1) for v in values)
    return Step("shift", "", len(values), (source,), e, (row,))


def _small(b: Tensor, before: Step, low: int) -> bool:
    """Whether one common exponent does not make the numbers much longer."""
    return b.exponent - low <= 64 and -low - before.exponent <= 64
