"""What Coq takes for one box of a random dense relu network: python bench/coq.py 2-200-200-2 64-256-256-10.

Weights have 8 bits, inputs lie in [-1/2, 1/2], and both ends of every output are claimed as the exact rules find them
with 16 bits, so that nothing is to spare.  Printed are the bytes of Coq's file, its processor time and the wall time.
"""

from __future__ import annotations

import random
import sys
import time
from itertools import pairwise
from typing import Any

from workbench.certificate import coq
from workbench.certificate.bounds import Bounds
from workbench.certificate.check import root
from workbench.certificate.claim import parsed_case
from workbench.certificate.emit_coq import emit
from workbench.certificate.produce import certificate
from workbench.certificate.program import lower

PRECISION, SCALE = 16, 1 << 10


def network(sizes: list[int]) -> dict[str, Any]:
    rng = random.Random(0)  # noqa: S311
    nodes, tensors, at = [], {}, "x"
    for k, (n, m) in enumerate(pairwise(sizes)):
        most = max(1, int(384 / n**0.5))
        for name, shape, count, size in ((f"w{k}", [n, m], n * m, most), (f"b{k}", [m], m, most // 2)):
            data = [rng.randint(-size, size) for _ in range(count)]
            tensors[name] = {"shape": shape, "exponent": -8, "data": data}
        nodes.append({"op": "Gemm", "inputs": [at, f"w{k}", f"b{k}"], "output": f"z{k}", "attributes": {}})
        at = f"z{k}"
        if k < len(sizes) - 2:
            nodes.append({"op": "Relu", "inputs": [at], "output": f"a{k}", "attributes": {}})
            at = f"a{k}"
    of = {"name": "x", "shape": [1, sizes[0]]}
    return {"sha256": "", "name": "random", "input": of, "output": at, "nodes": nodes, "tensors": tensors}


def claimed(sizes: list[int]) -> dict[str, Any]:
    """A certificate that every output lies between its bounds."""
    net, m = network(sizes), sizes[-1]
    region = {"lower": [[-1, 2]] * sizes[0], "upper": [[1, 2]] * sizes[0], "open": [], "unsafe": []}
    program = lower(net)
    rules = Bounds(program, PRECISION)
    part = root(rules, parsed_case(region, program))
    rules.bound(part, ["interval", "rows"], {})
    signs = [(j, s) for j in range(m) for s in (1, -1)]
    lows = rules.rows([[(s << PRECISION) * (i == j) for i in range(m)] for j, s in signs], part)
    unsafe = [
        [{"terms": [[j, s * SCALE]], "bound": int(low * SCALE >> PRECISION) - 1, "strict": False}]
        for (j, s), low in zip(signs, lows, strict=True)
    ]
    tokens = [["bounds", ["interval", "rows"]], ["leaf", [{"rows": [[0, 1]]}] * len(unsafe)]]
    claim = {"verdict": "verified", "semantics": "real", "cases": [{**region, "unsafe": unsafe}]}
    return certificate(net, claim, {"precision": PRECISION, "cases": [tokens]}, "bench", 0.0)


def main() -> None:
    import resource

    coqc = coq.find()
    if coqc is None:
        sys.exit(coq.HELP)
    coq.compiled(coqc)
    for name in sys.argv[1:] or ["2-50-50-2", "2-200-200-2"]:
        emitted = emit(claimed([int(n) for n in name.split("-")]))
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, time.perf_counter()
        coq.run(coqc, emitted)
        user = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        print(
            f"{name}: {len(emitted.text):,} bytes, {user:.1f} s of processor, {time.perf_counter() - start:.1f} s"
        )


if __name__ == "__main__":
    main()
