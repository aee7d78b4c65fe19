"""onnxruntime's own library functions: one operator as a session, and what trying all its inputs here has shown.

A verdict about the network's own float program ("onnx") assumes how exact exp, tanh and their kin are.  What was
tried of onnxruntime (``workbench libm check --library onnxruntime``) is read from the same files as NumPy's, and
believed under the same conditions (`floats.checked`); onnxruntime is only started where there is such a file.

A fact is about one operator on arrays of one session: its Softmax, say, has an exp of its own.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np

from workbench.floats import checked
from workbench.floats.checked import Fact, Implementation
from workbench.floats.format import BINARY16, BINARY32, Format
from workbench.floats.program import Semantics

NAME = "onnxruntime"


def version() -> str:
    """The library with its version, such as "onnxruntime 1.20.0".

    Raises
    ------
    ImportError
        It is not installed.
    """
    return f"{NAME} {import_module(NAME).__version__}"  # it has no types


def operator(function: str, form: Format) -> Implementation | None:
    """One operator of onnxruntime, on its CPU; None where it has no kernel for this function and type."""
    helper = import_module("onnx.helper")
    if form not in (BINARY16, BINARY32) or function in ("expm1", "log1p"):
        return None
    kind = 1 if form is BINARY32 else 10
    tensor = helper.make_tensor_value_info
    node = helper.make_node(function.capitalize(), ["x"], ["y"])
    graph = helper.make_graph([node], "one", [tensor("x", kind, ["n"])], [tensor("y", kind, ["n"])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnxruntime = import_module(NAME)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception:  # noqa: BLE001  (its own exception types: no kernel for this operator and type)
        return None
    return lambda x: np.asarray(session.run(None, {"x": x})[0])


def _here(function: str, form: Format) -> tuple[Implementation | None, str]:
    return operator(function, form), version()


def fact(function: str, form: Format) -> Fact | None:
    """What is known about onnxruntime's operator here; None where nothing is, or where the file is not believed."""
    return checked.fact(function, form, NAME, _here)


def ledger(program: Semantics, assumptions: tuple[str, ...]) -> tuple[str, ...]:
    """What is known of onnxruntime about the functions that some assumptions of a program name, a sentence each."""
    found = []
    for function in program.functions:
        if not any(a.startswith(f"{function} in {program.accumulator.name} is within") for a in assumptions):
            continue
        known = fact(function, program.accumulator)
        if known is not None:
            within = program.ulps(function)
            said = "checked" if known.scan.worst <= within else "NOT TRUE"
            found.append(
                f"{function} within {within:g} ulp, as onnxruntime's operator {function.capitalize()} alone: {said} "
                f"for {known.sentence()}"
            )
    return tuple(found)
