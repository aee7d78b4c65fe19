"""TorchLean's certificates, written for its snapshot `io.torchlean.SNAPSHOT`, and read back and checked properly.

TorchLean's own checkers of these files recompute less than they could (a margin file's bounds are not recomputed, its
hashes not compared, a leaf file's leaves need not cover anything).  Here every bound is proved from the network's
numbers, hashes are compared, and coverage is proved.  What is written is widened outward to the next float64.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import inf, nextafter
from typing import Any

from workbench.certificate.bounds import Bounds
from workbench.certificate.check import Accepted
from workbench.certificate.claim import Case, parsed_case
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.outside import Box, Proved, below, box, exact, prove, prove_bounds
from workbench.certificate.parts import Part
from workbench.certificate.program import Program, lower

SUITE = "vnnlib_suite_v0_1"
MARGINS = "robust_margin_cert_v0_1"
LEAVES = "abcrown_leaf_artifact_v0_1"
PRECISION = 64


def down(value: Fraction) -> float:
    """The largest float64 that is not above it."""
    near = float(value)
    return nextafter(near, -inf) if Fraction(near) > value else near


def up(value: Fraction) -> float:
    """The smallest float64 that is not below it."""
    return -down(-value)


def _float(value: Fraction, what: str) -> float:
    if Fraction(float(value)) != value:
        raise CannotCheck(f"{what}: {value} is no float64")
    return float(value)


# ---- weights of a dense chain


def weights_to_json(network: Mapping[str, Any]) -> dict[str, Any]:
    """A chain of dense layers with a relu between them, as ``layers.<i>.weight`` and ``.bias``.

    Raises
    ------
    CannotCheck
        Another network; a number that float64 does not have.
    """
    program = lower(network)
    found: dict[str, Any] = {}
    for i, step in enumerate(program.steps[1 : program.output + 1]):
        plain = step.kind == "relu" and step.matrix == ((0,),)
        if step.sources != (i,) or not (step.kind == "affine" if i % 2 == 0 else plain):
            raise CannotCheck(
                f"{step.name[:60]!r}: TorchLean's suites are about dense layers with relu between them"
            )
        if step.kind == "affine":
            scale = 1 << step.exponent
            rows = [[_float(Fraction(v, scale), step.name) for v in r] for r in step.matrix]
            found[f"layers.{i}.weight"] = [r[:-1] for r in rows]
            found[f"layers.{i}.bias"] = [r[-1] for r in rows]
    if program.steps[program.output].kind != "affine":
        raise CannotCheck("TorchLean's chains end with a dense layer")
    return found


def network_from_weights(
    given: Mapping[str, Any], sha256: str = "", name: str = "torchlean"
) -> dict[str, Any]:
    """The network of a certificate from such weights, every number as the float64 that it is.

    Raises
    ------
    Rejected
        Not such weights; step "format".
    """
    held = given.get("params", given)
    if not isinstance(held, dict):
        raise Rejected("format", "params is not an object")
    numbers = sorted(
        {int(k.split(".")[1]) for k in held if k.startswith("layers.") and k.split(".")[1].isdigit()}
    )
    if not numbers:
        raise Rejected("format", "there is no layers.<i>.weight")
    nodes, tensors, at, before = [], {}, "x", None
    for k in numbers:
        rows, bias = held.get(f"layers.{k}.weight"), held.get(f"layers.{k}.bias")
        if not isinstance(rows, list) or not rows or not isinstance(rows[0], list) or not rows[0]:
            raise Rejected("format", f"layers.{k}.weight is no matrix")
        n = len(rows[0]) if before is None else before
        values = [v for r in rows for v in exact(r, f"layers.{k}.weight", n)]
        tensors[f"w{k}"] = _tensor([len(rows), n], values)
        tensors[f"b{k}"] = _tensor([len(rows)], exact(bias, f"layers.{k}.bias", len(rows)))
        if before is not None:
            nodes.append({"op": "Relu", "inputs": [at], "output": f"a{k}", "attributes": {}})
            at = f"a{k}"
        inputs, attributes = [at, f"w{k}", f"b{k}"], {"transB": 1}
        nodes.append({"op": "Gemm", "inputs": inputs, "output": f"z{k}", "attributes": attributes})
        at, before = f"z{k}", len(rows)
    first = tensors[f"w{numbers[0]}"]["shape"][1]
    where = {"name": "x", "shape": [1, first]}
    return {"sha256": sha256, "name": name, "input": where, "output": at, "nodes": nodes, "tensors": tensors}


def _tensor(shape: list[int], values: Sequence[Fraction]) -> dict[str, Any]:
    e = max((v.denominator.bit_length() - 1 for v in values), default=0)
    return {"shape": shape, "exponent": -e, "data": [int(v * (1 << e)) for v in values]}


# ---- suites


def suite_to_json(cases: Sequence[Case], outputs: int) -> dict[str, Any]:
    """Boxes and unsafe outputs; a box is widened, and a bound raised, to float64: what is claimed is no less.

    Raises
    ------
    CannotCheck
        A coefficient that float64 does not have.
    """
    instances = []
    for k, case in enumerate(cases):
        spec = []
        for every in case.unsafe:
            rows = [[float(dict(one.terms).get(i, 0)) for i in range(outputs)] for one in every]
            for row, one in zip(rows, every, strict=True):
                for i, c in one.terms:
                    if Fraction(row[i]) != c:
                        raise CannotCheck(f"the coefficient {c} is no float64")
            spec.append({"mat": rows, "rhs": [up(Fraction(one.bound)) for one in every]})
        ends = {"input_lo": [down(v) for v in case.lower], "input_hi": [up(v) for v in case.upper]}
        instances.append({"id": k, **ends, "spec": spec})
    return {"format": SUITE, "instances": instances}


def prove_suite(
    network: Mapping[str, Any], suite: Mapping[str, Any], *, seconds: float | None = None
) -> list[tuple[Any, Proved | Rejected]]:
    """Every instance of a suite: proved safe, or the step that fails (which is not to say that it is unsafe).

    Raises
    ------
    Rejected
        Not of the format.
    CannotCheck
        An operator without a rule, or a limit.
    """
    program = lower(network)
    n, size = program.steps[0].size, program.steps[program.output].size
    if suite.get("format") != SUITE or not isinstance(suite.get("instances"), list):
        raise Rejected("format", f"not of the format {SUITE}")
    found: list[tuple[Any, Proved | Rejected]] = []
    for k, one in enumerate(suite["instances"]):
        region = box(one, f"instance {k}", n, "input_lo", "input_hi")
        unsafe = []
        if not isinstance(one.get("spec"), list):
            raise Rejected("format", f"instance {k} has no spec")
        for term in one["spec"]:
            rows, limits = term.get("mat"), exact(term.get("rhs"), f"instance {k}: rhs")
            if not isinstance(rows, list) or len(rows) != len(limits):
                raise Rejected("format", f"instance {k}: mat and rhs are of different lengths")
            unsafe.append(
                [below(exact(r, f"instance {k}: mat", size), v) for r, v in zip(rows, limits, strict=True)]
            )
        try:
            made, accepted = prove(network, region, unsafe, method=SUITE, seconds=seconds, most=2_000)
        except Rejected as error:
            found.append((one.get("id", k), error))
        else:
            found.append((one.get("id", k), Proved(f"instance {k} is safe", (made,), (accepted,))))
    return found


# ---- margins of a classifier


def margins_to_json(
    network: Mapping[str, Any],
    examples: Sequence[tuple[Sequence[Fraction], int]],
    eps: float,
    *,
    weights: bytes,
    dataset: bytes,
    paths: tuple[str, str] = ("weights.json", "dataset.json"),
    inside: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Bounds of the logits on the l_inf ball around each example, and whether they certify its label.

    Parameters
    ----------
    examples : inputs and labels, those of the data set's file in order.
    weights, dataset : the bytes of the two files, whose hashes are written.
    inside : what every input lies in besides, as ``(0, 1)``.  The format has no field for it.
    """
    program = lower(network)
    size = program.steps[program.output].size
    found, right, certain = [], 0, 0
    for k, (x, label) in enumerate(examples):
        (low, high), y = bounds_of(program, _ball(x, Fraction(eps), inside)), at(program, x)
        pred = max(range(size), key=lambda i, y=y: (y[i], -i))  # type: ignore[misc]
        ends = {"logits_lo": [down(v) for v in low], "logits_hi": [up(v) for v in high]}
        sure = _certain(ends["logits_lo"], ends["logits_hi"], label)
        right, certain = right + (pred == label), certain + sure
        found.append({"id": k, "label": label, "pred": pred, **ends, "certified": sure})
    hashes = [hashlib.sha256(d).hexdigest() for d in (weights, dataset)]
    meta = {"weights_path": paths[0], "dataset_path": paths[1]}
    return {
        "format": MARGINS,
        "norm": "linf",
        "method": "workbench",
        "eps": eps,
        "input_dim": program.steps[0].size,
        "num_classes": size,
        "meta": {**meta, "weights_sha256": hashes[0], "dataset_sha256": hashes[1]},
        "summary": {"examples": len(found), "nominal_ok": right, "certified_ok": certain},
        "examples": found,
    }


def _ball(x: Sequence[Fraction], eps: Fraction, inside: tuple[float, float] | None) -> Box:
    low, high = [v - eps for v in x], [v + eps for v in x]
    if inside is not None:
        least, most = map(Fraction, inside)
        low, high = [max(v, least) for v in low], [min(v, most) for v in high]
    return low, high


def _certain(low: Sequence[Any], high: Sequence[Any], label: int) -> bool:
    return all(low[label] > h for i, h in enumerate(high) if i != label)


def at(program: Program, x: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The outputs at a point, exactly."""
    from workbench.certificate.replay import exactly

    return exactly(program, tuple(x))


def bounds_of(program: Program, region: Box) -> tuple[list[Fraction], list[Fraction]]:
    """Bounds of the outputs over a box by the exact rules: those of ``rows``."""
    rules, unit = Bounds(program, PRECISION, None, None), 1 << PRECISION
    low = [(v.numerator << PRECISION) // v.denominator for v in region[0]]
    high = [-((-v.numerator << PRECISION) // v.denominator) for v in region[1]]
    part, size = Part((low, high)), program.steps[program.output].size
    rules.bound(part, ["interval", "rows"], {})
    picks = [[(s * unit) * (i == j) for i in range(size)] for s in (1, -1) for j in range(size)]
    found = rules.rows(picks, part)
    least = [max(int(v), int(b)) for v, b in zip(found[:size], part.low[program.output], strict=True)]
    most = [min(-int(v), int(b)) for v, b in zip(found[size:], part.high[program.output], strict=True)]
    return [Fraction(v, unit) for v in least], [Fraction(v, unit) for v in most]


def prove_margins(
    given: Mapping[str, Any],
    *,
    weights: bytes,
    dataset: bytes,
    inside: tuple[float, float] | None = None,
    seconds: float | None = None,
) -> Proved:
    """A margin file, checked against the two files that it is about.

    Proved are: the hashes; for every example its label and point from the data set, every bound of every logit on its
    ball from the weights, its prediction, and what "certified" says; and the summary, counted again.

    Parameters
    ----------
    inside : what every input lies in besides.  TorchLean's own exporter cuts its balls to ``(0, 1)`` and does not say
        so in the file.

    Raises
    ------
    Rejected
        The first of them that fails.
    CannotCheck
        A limit.
    """
    from workbench.io.torchlean import read_json

    if given.get("format") != MARGINS or given.get("norm") != "linf":
        raise Rejected("format", f"not of the format {MARGINS}, with the norm linf")
    meta = given.get("meta")
    if not isinstance(meta, dict):
        raise Rejected("format", "there is no meta: nothing says which weights it is about")
    for name, data in (("weights", weights), ("dataset", dataset)):
        if meta.get(f"{name}_sha256") != hashlib.sha256(data).hexdigest():
            raise Rejected("hash", f"the file of the {name} is another one than {name}_sha256 says")
    try:
        numbers, points = read_json(weights), read_json(dataset)
    except ValueError as error:
        raise Rejected("format", str(error)[:200]) from None
    network = network_from_weights(numbers, hashlib.sha256(weights).hexdigest())
    program = lower(network)
    size, n = program.steps[program.output].size, program.steps[0].size
    if given.get("num_classes") != size or given.get("input_dim", n) != n:
        raise Rejected("format", f"the network has {n} inputs and {size} classes")
    (eps,) = exact([given.get("eps")], "eps")
    known = {one.get("id"): one for one in points.get("examples", []) if isinstance(one, dict)}
    made, right, certain = [], 0, 0
    for one in given.get("examples", []):
        what = f"example {str(one.get('id'))[:20]}"
        source = known.pop(one.get("id"), None)
        if source is None or source.get("y") != one.get("label") or type(one.get("label")) is not int:
            raise Rejected("dataset", f"{what}: the data set has no such example, or another label")
        x = exact(source.get("x"), what, n)
        made.append(_margin(network, program, one, x, _ball(x, eps, inside), what, seconds))
        y = at(program, x)
        right += y[one["label"]] == max(y)
        certain += made[-1][2]
    counted = {"examples": len(made), "nominal_ok": right, "certified_ok": certain}
    if not made or given.get("summary", counted) != counted:
        raise Rejected("summary", f"counted again, it is {counted}")
    words = f"{certain} of {len(made)} examples certified at {float(eps):g}, every bound proved"
    return Proved(words, tuple(c for c, _, _ in made), tuple(a for _, a, _ in made))


def _margin(
    network: Mapping[str, Any],
    program: Program,
    one: Mapping[str, Any],
    x: Sequence[Fraction],
    region: Box,
    what: str,
    seconds: float | None,
) -> tuple[dict[str, Any], Accepted, bool]:
    """One example's bounds, prediction and margin: the certificate, what the checker said, and if it is certain."""
    size, label = program.steps[program.output].size, one["label"]
    low, high = (exact(one.get(k), f"{what}: {k}", size) for k in ("logits_lo", "logits_hi"))
    if not 0 <= label < size or any(l > h for l, h in zip(*region, strict=True)):
        raise Rejected("format", f"{what}: no such class, or an empty ball")
    found, accepted = prove_bounds(network, region, low, high, what=what, seconds=seconds)
    y, sure = at(program, x), _certain(low, high, label)
    pred = one.get("pred", max(range(size), key=lambda i: y[i]))
    if type(pred) is not int or not 0 <= pred < size or y[pred] != max(y):
        raise Rejected("prediction", f"{what}: its largest logit is another one")
    if one.get("certified", sure) is not sure:
        raise Rejected("margin", f"{what}: its bounds do not say what certified does")
    return found, accepted, sure


# ---- leaves


def leaves_to_json(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of an accepted certificate whose region is split by inputs only, one case and one constraint.

    Raises
    ------
    CannotCheck
        Another certificate; a leaf whose bound is not above its threshold without splits of signs.
    """
    program = lower(certificate["network"])
    (case,) = (parsed_case(c, program) for c in certificate["claim"]["cases"])
    tokens, unit = certificate["proof"]["cases"][0], 1 << certificate["proof"]["precision"]
    if len(case.unsafe) != 1 or len(case.unsafe[0]) != 1 or any(t[0] == "z" for t in tokens):
        raise CannotCheck("leaves are written of one constraint, and of splits of inputs only")
    (one,) = case.unsafe[0]
    low, high = ([Fraction(v) for v in e] for e in (case.lower, case.upper))
    todo, leaves = [(low, high)], []
    threshold = up(Fraction(one.bound))
    for token in tokens:
        if token[0] == "x":
            axis, place = token[1], Fraction(token[2], unit)
            l, h = todo.pop()
            todo += [([*l[:axis], place, *l[axis + 1 :]], h), (l, [*h[:axis], place, *h[axis + 1 :]])]
        elif token[0] == "leaf":
            l, h = todo.pop()
            ends = [down(v) for v in l], [up(v) for v in h]
            least = _least(
                program, ([Fraction(v) for v in ends[0]], [Fraction(v) for v in ends[1]]), dict(one.terms)
            )
            if not down(least) > threshold:
                raise CannotCheck("a leaf whose bound is above its threshold only by clips or chosen slopes")
            lb = {"lb": [down(least)], "threshold": [threshold]}
            more = {"witness_idx": 0, "witness_margin": down(least) - threshold}
            leaves.append({"lo": ends[0], "hi": ends[1], **lb, **more})
    root = {"lo": [down(v) for v in low], "hi": [up(v) for v in high]}
    return {"format": LEAVES, "input_dim": len(low), "root": root, "leaves": leaves}


def _least(program: Program, region: Box, terms: Mapping[int, int]) -> Fraction:
    rules, unit = Bounds(program, PRECISION, None, None), 1 << PRECISION
    low = [(v.numerator << PRECISION) // v.denominator for v in region[0]]
    high = [-((-v.numerator << PRECISION) // v.denominator) for v in region[1]]
    part = Part((low, high))
    rules.bound(part, ["interval", "rows"], {})
    row = [terms.get(i, 0) * unit for i in range(program.steps[program.output].size)]
    return Fraction(int(rules.rows([row], part)[0]), unit)
