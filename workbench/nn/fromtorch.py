"""from_torch: a PyTorch module as a module of ours, through `torch.export` and a table of its operators.

PyTorch is imported here and in `totorch` alone, and only when a function is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.graph import Array, GraphError
from workbench.nn.aten import TABLE, handler
from workbench.nn.aten.agreement import compare, numbers
from workbench.nn.attention import FAR
from workbench.nn.imported import FACTORIES, Imported, Part, Program, Ref, Step, part
from workbench.nn.parameter import Buffer, Parameter

CASTS = {"to", "_to_copy", "type_as", "float", "double"}
IGNORED = {"_assert_scalar", "sym_constrain_range", "sym_constrain_range_for_size", "_assert_tensor_metadata"}


def from_torch(module: Any, example: Any, via: str = "export") -> Any:
    """A `torch.nn.Module` as a module of the workbench: same results, same names of parameters.

    Parameters
    ----------
    module : the network; taken in evaluation mode.  Nothing of it is kept.
    example : an input, a tensor or an array, or a tuple of them; its shape and type count.  If the first axis may
        have any size, as in nearly every network, it may have any size here too; else it is the example's.
        Both networks are run on it, and once more on normal numbers of its shape in place of its floats (drawn from a
        fixed seed; whole numbers stay the example's): an import that computes something else is refused.
    via : ``"export"``: through `torch.export`, whose operators are translated one by one, so that the result can be
        trained further.  ``"onnx"``: through `torch.onnx` (which needs the package onnxscript), and gives a `wb.Model`.

    Raises
    ------
    GraphError
        PyTorch is not there, cannot export the module, or uses an operator without a counterpart; it is named.
        What was imported gives other results than the module, by more than 1e-4 of an output's largest magnitude
        (16 roundings of its floats, if the module has shorter ones than float32).

    Examples
    --------
    ``net = wb.from_torch(module, torch.zeros(1, 3, 32, 32))``, then ``net.model()`` to bound and verify, ``net(x)`` to
    run, `nn.Trainer` to train, ``net.state_dict()`` to go back.
    """
    torch = _torch()
    if not isinstance(module, torch.nn.Module):
        raise GraphError(f"from_torch takes a torch.nn.Module, not {type(module).__name__}")
    given = example if isinstance(example, tuple | list) else (example,)
    tensors = tuple(
        v.detach() if isinstance(v, torch.Tensor) else torch.as_tensor(np.asarray(v)) for v in given
    )
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            if via == "onnx":
                model = _through_onnx(torch, module, tensors)
                names = model.graph.inputs
                compare(
                    torch, module, tensors, lambda a: model.run(dict(zip(names, a, strict=True))), first=True
                )
                return model
            if via != "export":
                raise GraphError(f"via is 'export' or 'onnx', not {via!r}")
            program, free = _exported(torch, module, tensors)
            net = _translated(torch, program, tensors, free, type(module).__name__.lower())
            compare(torch, module, tensors, net.runner([tuple(t.shape) for t in tensors]))
            return net
    finally:
        for m, mode in modes:
            m.training = mode


def _torch() -> Any:
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise GraphError("from_torch needs PyTorch: pip install torch") from None
    return torch


def _exported(torch: Any, module: Any, tensors: tuple[Any, ...]) -> tuple[Any, bool]:
    """The program, for any size of the first axis where that can be."""
    count = tensors[0].shape[0] if tensors[0].ndim else 0
    first = [t.ndim and t.shape[0] == count for t in tensors]
    if count and all(first):
        # one example would be taken as a size that never changes
        wide = tuple(torch.cat([t, t]) if count == 1 else t for t in tensors)
        try:
            dims = tuple({0: torch.export.Dim.AUTO} for _ in wide)
            found = _export(torch, module, wide, dims)
            inputs = [n for n in found.graph.nodes if n.name in found.graph_signature.user_inputs]
            if not any(isinstance(n.meta["val"].shape[0], int) for n in inputs):
                return found, True
        except GraphError:
            pass
    return _export(torch, module, tensors, None), False


def _export(torch: Any, module: Any, tensors: tuple[Any, ...], dims: Any) -> Any:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # `forward` may take its inputs as *args: then the sizes stand in one tuple more
            packed = dims if dims is None or not _starred(module) else (dims,)
            found = torch.export.export(module, tensors, dynamic_shapes=packed)
            if any(_mutates(n) for n in found.graph.nodes):
                found = found.run_decompositions({})  # without operators that write into their operands
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        hint = (
            "; does its forward branch on values? A graph has no branches"
            if "data-dependent" in first
            else ""
        )
        raise GraphError(f"torch.export cannot take {type(module).__name__} apart: {first}{hint}") from error
    return found


def _starred(module: Any) -> bool:
    import inspect

    kinds = [p.kind for p in inspect.signature(module.forward).parameters.values()]
    return bool(kinds) and kinds[0] is inspect.Parameter.VAR_POSITIONAL


def _mutates(node: Any) -> bool:
    schema = getattr(node.target, "_schema", None)
    return bool(schema is not None and schema.is_mutable)


def _translated(torch: Any, exported: Any, tensors: tuple[Any, ...], free: bool, label: str) -> Imported:
    signature = exported.graph_signature
    sources = {spec.arg.name: spec for spec in signature.input_specs if hasattr(spec.arg, "name")}
    state = {**exported.state_dict, **exported.constants}
    inputs, held, tensors_of, steps = {}, {}, dict[str, Any](), list[Step]()
    shapes = iter(tensors)
    folded = set[str]()
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            spec = sources[node.name]
            if spec.kind.name == "USER_INPUT":
                t = next(shapes)
                kind = "float32" if t.is_floating_point() else "int64"
                inputs[node.name] = (tuple(t.shape), "float64" if t.dtype == torch.float64 else kind)
            else:
                if spec.kind.name != "PARAMETER":
                    tensors_of[node.name] = state[spec.target]
                if spec.kind.name in ("PARAMETER", "BUFFER") and spec.persistent is not False:
                    held[node.name] = spec.target
        elif node.op == "call_function":
            _step(torch, node, tensors_of, steps, folded, held)
    outputs = next(n for n in exported.graph.nodes if n.op == "output").args[0]
    arranged = _arranged(torch, exported, outputs)
    used = {r.name for s in steps for r in _refs((*s.args, *s.named.values()))} | {
        r.name for r in _refs(arranged)
    }
    constants = {
        name: _array(t)
        for name, t in tensors_of.items()
        if name in used and name not in held and _is_tensor(torch, t)
    }
    whole = dict(exported.state_dict)
    program = Program(
        tuple(steps), inputs, {n: held[n] for n in held if n in used}, constants, arranged, free, label
    )
    kinds = {
        str(v[0]): str(v[1]).rpartition(".")[2]
        for node in exported.graph.nodes
        for v in node.meta.get("nn_module_stack", {}).values()
        if isinstance(v, tuple)
    }
    return _module(torch, program, whole, {n for n in folded if n in whole}, kinds)


def _step(
    torch: Any,
    node: Any,
    values: dict[str, Any],
    steps: list[Step],
    folded: set[str],
    held: Mapping[str, str],
) -> None:
    """One node: computed at once where it depends on constants alone, else a step."""
    name = _name(node)
    if name in IGNORED:
        return
    parents = node.all_input_nodes
    if all(p.name in values for p in parents) and _is_constant(torch, node):
        taken = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: values[n.name])
        values[node.name] = node.target(*taken[0], **taken[1])
        folded.update(held[p.name] for p in parents if p.name in held)
        return
    # like an operand, of which only the type counts
    if name in FACTORIES and parents and _is_constant(torch, node):
        told = node.meta["val"]
        fill = 1.0 if "ones" in name else 0.0
        if "full" in name:
            fill = node.args[-1]
        values[node.name] = torch.full(tuple(told.shape), fill, dtype=told.dtype)
        return
    stack = [v for k, v in node.meta.get("nn_module_stack", {}).items() if isinstance(v, tuple)]
    path, kind = (str(stack[-1][0]), str(stack[-1][1]).rpartition(".")[2]) if stack else ("", "")
    if not name.startswith("operator.") and name not in FACTORIES:
        handler(name, path)  # complains here, and not only when a graph is built
    cast = _cast(torch, node, name, path)
    args, named = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: Ref(n.name))
    clean = {
        k: v
        for k, v in named.items()
        if k not in ("device", "layout", "pin_memory", "memory_format", "dtype")
    }
    if name in CASTS:
        clean["kind"] = cast
    steps.append(
        Step(
            node.name, name, _plain(torch, args), {k: _plain(torch, v) for k, v in clean.items()}, path, kind
        )
    )


def _cast(torch: Any, node: Any, name: str, path: str) -> str:
    """The kind of numbers that a node gives: f for floats, i for whole numbers, b for truth values.

    Raises
    ------
    GraphError
        A type that is asked for turns floats into something else: steps of our graphs do not jump.
    """
    told = node.meta.get("val")
    if not isinstance(told, torch.Tensor) or told.is_floating_point():
        return "f"
    taken = node.args[0].meta.get("val") if node.args and hasattr(node.args[0], "meta") else None
    asked = name in CASTS or any(
        isinstance(a, torch.dtype)
        for a in torch.utils._pytree.tree_leaves((node.args, node.kwargs))  # noqa: SLF001
    )
    if asked and isinstance(taken, torch.Tensor) and taken.is_floating_point():
        raise GraphError(
            f"the node {node.name}{f' in {path}' if path else ''} turns {str(taken.dtype).removeprefix('torch.')} into "
            f"{str(told.dtype).removeprefix('torch.')} (operator {name!r}): that jumps, and has no counterpart here. "
            "Leave the cast out, or compute it before the network and give the result as an input"
        )
    return "b" if told.dtype == torch.bool else "i"


def _is_constant(torch: Any, node: Any) -> bool:
    value = node.meta.get("val")
    sizes = list(torch.utils._pytree.tree_leaves((node.args, node.kwargs)))  # noqa: SLF001
    if any(isinstance(a, torch.SymInt) for a in sizes):
        return False
    leaves = value if isinstance(value, tuple | list) else (value,)
    return not any(
        isinstance(v, torch.SymInt)
        or (isinstance(v, torch.Tensor) and any(isinstance(s, torch.SymInt) for s in v.shape))
        for v in leaves
    )


def _name(node: Any) -> str:
    """``conv2d`` of aten.conv2d.default; ``operator.mul`` of Python's own."""
    if getattr(node.target, "__module__", "") in ("_operator", "operator"):
        return f"operator.{node.target.__name__}"
    packet = getattr(node.target, "overloadpacket", None)
    found = str(packet.__name__ if packet is not None else getattr(node.target, "__name__", node.target))
    return found.removesuffix("_") if found.endswith("_") and found.removesuffix("_") in TABLE else found


def _plain(torch: Any, thing: Any) -> Any:
    """Lists and numbers without anything of PyTorch's."""
    if isinstance(thing, torch.dtype | torch.device | torch.layout | torch.memory_format):
        return None
    if isinstance(thing, tuple | list):
        return tuple(_plain(torch, t) for t in thing)
    return thing


def _refs(thing: Any) -> list[Ref]:
    if isinstance(thing, Ref):
        return [thing]
    return [r for t in thing for r in _refs(t)] if isinstance(thing, tuple | list) else []


def _arranged(torch: Any, exported: Any, outputs: Any) -> Any:
    """Outputs as the module gives them: one alone, or in tuples."""
    wanted = exported.graph_signature.user_outputs
    named = [Ref(n.name) for n in outputs if getattr(n, "name", None) in wanted]
    spec = exported.call_spec.out_spec
    found = torch.utils._pytree.tree_unflatten(named, spec)  # noqa: SLF001  (what export itself is written with)
    if not isinstance(found, Ref | tuple | list):
        raise GraphError(
            f"a network gives tensors, in tuples where there are several, not {type(found).__name__}"
        )
    return found


def _is_tensor(torch: Any, thing: Any) -> bool:
    return isinstance(thing, torch.Tensor)


def _array(tensor: Any) -> Array:
    """Its numbers; an infinite one is meant as a mask, and becomes one that counts nothing."""
    array = numbers(tensor)
    if tensor.is_floating_point():
        array = np.where(np.isinf(array), np.sign(array) * -FAR, array).astype(array.dtype)
        return array if array.dtype == np.float64 else array.astype(np.float32)
    return array


def _module(
    torch: Any, program: Program, state: Mapping[str, Any], folded: set[str], kinds: Mapping[str, str]
) -> Imported:
    """The tree of parameters by their names; tensors that are one tensor are one parameter."""
    used = set(program.held.values())
    made: dict[int, tuple[str, Any]] = {}
    aliases: dict[str, str] = {}
    root = Imported(program, aliases, frozenset(folded))
    ordered: Sequence[str] = sorted(state, key=lambda n: n not in used)
    for name in ordered:
        tensor = state[name]
        if name.endswith("num_batches_tracked"):
            continue
        if id(tensor) in made:
            aliases[name] = made[id(tensor)][0]
            continue
        array = _array(tensor)
        if isinstance(tensor, torch.nn.Parameter):
            held: Any = Parameter(
                array.shape, _nothing, trainable=tensor.requires_grad, dtype=str(array.dtype)
            )
        else:
            held = Buffer(array.shape, _nothing, dtype=str(array.dtype))
        held.value = array.copy()
        made[id(tensor)] = (name, held)
        *folders, last = name.split(".")
        at: Any = root
        for depth, folder in enumerate(folders, 1):
            if not isinstance(vars(at).get(folder), Part):
                setattr(at, folder, part(kinds.get(".".join(folders[:depth]), "Part")))
            at = getattr(at, folder)
        setattr(at, last, held)
    return root


def _nothing(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    raise GraphError("a network that was imported has its values: it is not drawn again")


def _through_onnx(torch: Any, module: Any, tensors: tuple[Any, ...]) -> Any:
    import tempfile
    from pathlib import Path

    from workbench.io import onnx
    from workbench.model import Model

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{type(module).__name__.lower()}.onnx"
        try:
            torch.onnx.export(module, tensors, path, dynamo=True, verbose=False)
        except Exception as error:
            hint = "; it needs the package onnxscript" if "onnxscript" in str(error) else ""
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise GraphError(f"torch.onnx cannot export {type(module).__name__}: {first}{hint}") from error
        graph = onnx.load(path)
    return Model(graph, name=graph.name)
