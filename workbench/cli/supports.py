"""workbench supports: what kinds of queries and networks can be decided, as chapter 5 of the VNN-LIB standard asks.

Each capability is printed in the form that section 5.4 gives it, and nothing is claimed that is not analysed soundly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType

import typer

from workbench.cli.faults import BadInput, faults_in_one_sentence


def supports(context: typer.Context) -> None:
    """Say which queries and networks `workbench verify` can decide; name one capability.

    \b
    Capabilities:
      --onnx-opset-versions                oldest and newest opset
      --onnx-element-types                 element types that are analysed soundly
      --onnx-operators                     operators, one a line
      --vnnlib-versions                    oldest and newest version of VNN-LIB
      --hidden-node-theories               NH none, H any
      --multiple-input-output-theories     SIO one of each, MIO several
      --multiple-network-theories          SNET one, MENET equal, MINET isomorphic, MNET any
      --multiple-node-comparison-theories  SNC no, MNC yes
      --arithmetic-complexity-theories     BND bounds, OUTC outputs, LIN linear, POLY polynomial
      --optimised-disjunctive-reasoning    whether "or" is more than multiplied out
      --serialise-assignments              whether verify can write assignments as files

    \b
    Example:
      workbench supports --onnx-operators
    """  # noqa: D301 - a backspace, which keeps the lines below it as they are
    with faults_in_one_sentence():
        names = [a.removeprefix("--") for a in context.args]
        if len(names) != 1 or names[0] not in CAPABILITIES or not context.args[0].startswith("--"):
            given = f"not {' '.join(context.args)!r}" if context.args else "none is given"
            raise BadInput(
                f"name one capability, such as --onnx-operators; {given} (see workbench supports --help)"
            )
        sys.stdout.write("".join(f"{line}\n" for line in CAPABILITIES[names[0]]()))


def opsets() -> tuple[str, ...]:
    """Oldest and newest ONNX opset."""
    from workbench.io.opsets import NEWEST, OLDEST

    return str(OLDEST), str(NEWEST)


def operators() -> tuple[str, ...]:
    """ONNX operators with every rule that deciding a property needs, whatever their operands are."""
    import workbench.ops  # noqa: F401  (registers every operator)
    from workbench.op import OPS, table

    rules = table()
    needed = ("real", "interval", "affine", "rounding")
    found = {op for op in OPS if all((op, meaning) in rules for meaning in needed)}
    return tuple(sorted((found | {"Constant"}) - SOMETIMES))


def _said(*lines: str) -> Callable[[], tuple[str, ...]]:
    return lambda: lines


# supported where what decides (a condition, a type, a shape) is known without the input, and so not claimed
SOMETIMES = {"Cast", "Equal", "Shape", "Where"}
several = _said("SIO", "MIO")
CAPABILITIES: Mapping[str, Callable[[], tuple[str, ...]]] = MappingProxyType(
    {
        "onnx-opset-versions": opsets,
        "onnx-element-types": _said("float32", "float64", "real"),
        "onnx-operators": operators,
        "vnnlib-versions": _said("1.0", "2.0"),
        "hidden-node-theories": _said("NH", "H"),
        "multiple-input-output-theories": several,
        "multiple-inputs-output-theories": several,  # as the standard's own example spells it
        "multiple-network-theories": _said("SNET", "MENET", "MINET", "MNET"),
        "multiple-node-comparison-theories": _said("SNC", "MNC"),
        "arithmetic-complexity-theories": _said("BND", "OUTC", "LIN", "POLY"),
        "optimised-disjunctive-reasoning": _said("false"),
        "serialise-assignments": _said("true"),
    }
)
