"""The floating-point views' Python side: the inspector, the map of errors, the replay, the comparison of programs."""

from __future__ import annotations

import base64
import json
import math
import os
import pathlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import workbench as wb
from workbench.floats import FORMATS, MODES, Format, decode, fixed_point, flx, ftz, inspect, round_to, width
from workbench.floats.typed import decimal, exponent_of, read, round_exact, shortest
from workbench.methods.compare import compare
from workbench.semantics import ieee
from workbench.views import FloatInspector, ReplayView, RoundoffMap
from workbench.views.floatnumber import describe
from workbench.views.roundoffmap import BINS, worst

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "float_wire.json"
EIGHT = FORMATS["e4m3fn"]


@pytest.fixture(scope="module")
def model() -> Any:
    made = wb.examples.digits()
    made.compute()
    return made.wait()


def fresh(view: Any) -> Any:
    return view.wait()


# ---------------------------------------------------------------------- numbers as typed


@pytest.mark.parametrize(
    "form", [*FORMATS.values(), fixed_point(8, 4), flx(5), ftz(6, -10)], ids=lambda f: f.name
)
def test_a_rational_is_rounded_as_a_float64_is(form: Format) -> None:
    rng = np.random.default_rng(0)
    low, high = max(form.emin, -900) - form.precision - 3, min(form.emax, 900) + 3 - form.precision
    whole = rng.integers(1, 2 ** min(form.precision + 3, 53), 80).astype(float) * rng.choice([-1, 1], 80)
    points = [
        *np.ldexp(whole, rng.integers(low, high, 80)).tolist(),
        0.0,
        -0.0,
        math.inf,
        -math.inf,
        math.nan,
    ]
    points += [form.normal, -form.eta / 2, form.eta * 0.75, 1.7976931348623157e308]
    for mode in MODES:
        for x in points:
            rational = math.isfinite(x) and (x != 0 or math.copysign(1, x) > 0)
            got = round_exact(Fraction(x) if rational else x, form, mode)
            want = float(round_to(x, form, mode))
            same = got == want and math.copysign(1, got) == math.copysign(1, want)
            assert same or (math.isnan(got) and math.isnan(want)), (x.hex(), mode, got, want)


def test_a_typed_decimal_is_rounded_once() -> None:
    # the decimal lies just above a tie of binary32, and so near it that binary64 rounds it to the tie
    tie = Fraction(1) + Fraction(1, 2**24)
    assert round_exact(tie + Fraction(1, 2**60), FORMATS["binary32"]) == 1 + 2**-23
    assert float(np.float32(float(tie + Fraction(1, 2**60)))) == 1.0, (
        "by way of binary64 it would be another number"
    )
    assert round_exact(Fraction("0.1"), FORMATS["binary64"]) == 0.1


def test_what_can_be_typed() -> None:
    assert (
        read(" 1e-3 ") == Fraction(1, 1000)
        and read("1/3") == Fraction(1, 3)
        and read("3*2**-4") == Fraction(3, 16)
    )
    assert read("0x1.8p-3") == Fraction(3, 16) and read("\N{MINUS SIGN}2^-24") == -Fraction(1, 2**24)
    assert math.copysign(1, read("-0.0")) == -1 and read("-inf") == -math.inf and math.isnan(read("nan"))
    for wrong in ("", "two", "1/0", "1e99999", "9" * 500, "2^99999", "--1", "0x", "1+1", "__import__('os')"):
        with pytest.raises(ValueError, match=r"number|long|divides|digits"):
            read(wrong)


def test_decimals_are_exact_and_the_shortest_reads_back() -> None:
    for code in range(256):
        x = float(decode(np.array(code, np.uint64), EIGHT))
        if math.isfinite(x):
            assert Fraction(decimal(Fraction(x)) or "x") == Fraction(x)
            assert round_exact(read(shortest(x, EIGHT)), EIGHT) == x
            assert x == 0 or 2.0 ** exponent_of(Fraction(x)) <= abs(x) < 2.0 ** (exponent_of(Fraction(x)) + 1)
    assert decimal(Fraction(1, 3)) is None


# ---------------------------------------------------------------------- the inspector


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda f: f.name)
def test_the_bits_shown_are_the_number(form: Format) -> None:
    for text in ("0.1", "-2.75", "1e-9", "0", "3"):
        shown = describe(read(text), form, words=text)
        assert "".join(f["bits"] for f in shown["fields"]) == shown["bits"].replace(" ", "")
        value = float(decode(np.array(int(shown["code"], 16), np.uint64), form))
        assert Fraction(shown["exact"]["fraction"]) == Fraction(value) == Fraction(shown["exact"]["decimal"])
        error = shown["rounding"].get("error")
        if error:
            assert Fraction(error["fraction"]) == Fraction(value) - Fraction(read(text))
        whole, _, power = (
            shown["exact"]["scaled"].replace("\N{MINUS SIGN}", "-").partition(" \N{MULTIPLICATION SIGN} 2^")
        )
        if value:
            assert Fraction(whole) * Fraction(2) ** int(power) == Fraction(value)
            assert abs(int(whole)) < 2**form.precision
        json.dumps(shown, allow_nan=False)


def test_flipping_any_bit_shows_the_number_of_that_code() -> None:
    view = wb.float_inspector("1.5", "e4m3fn")
    for bit in range(8):
        code = int(view.number["code"], 16) ^ (1 << bit)
        view._handle_custom_msg({"type": "flip", "bit": bit}, [])
        assert int(view.number["code"], 16) == code and not view.notice
        assert view.number["rounding"] is None, "nobody typed it, so nothing was rounded"
    view._handle_custom_msg({"type": "flip", "bit": 8}, [])
    assert "no bit 8" in view.notice


def test_stepping_visits_every_number_in_order() -> None:
    view = wb.float_inspector("-7", "e2m1fn")
    seen = [float(view.number["text"])]
    for _ in range(20):
        view._handle_custom_msg({"type": "step", "by": 1}, [])
        seen.append(float(view.number["text"]))
    assert sorted(set(seen)) == sorted(
        set(decode(np.arange(16, dtype=np.uint64), FORMATS["e2m1fn"]).tolist())
    )
    assert seen == sorted(seen) and "no number of e2m1fn above" in view.notice


def test_what_makes_no_sense_is_said_and_the_old_number_stays() -> None:
    view = wb.float_inspector("0.1")
    before = view.number
    view.typed = "zero point one"
    assert "no number that can be read" in view.notice and view.number == before
    view.typed = "nan"
    view.format = "e2m1fn"
    assert view.notice == "e2m1fn has no NaN" and view.format == "binary32" and view.number["text"] == "NaN"
    for junk in ({"type": "flip"}, {"type": "flip", "bit": "x"}, {"type": "step"}, {"type": "close"}, 7):
        view._handle_custom_msg(junk, [])
    assert view.comm is not None
    with pytest.raises(ValueError, match="no format"):
        wb.float_inspector("0.1", "binary33")
    with pytest.raises(ValueError, match="rounding mode"):
        wb.float_inspector("0.1", mode="sideways")


def test_changing_the_format_rounds_what_was_typed_and_not_what_was_shown() -> None:
    view = wb.float_inspector("0.1", "e5m2")
    view.format = "binary64"
    assert Fraction(view.number["exact"]["fraction"]) == Fraction(0.1)
    view.mode = "up"
    view.mode = "down"
    assert view.number["rounding"]["kind"] == "down"


def test_what_stands_in_the_field_is_the_number_and_not_only_near_it(model: Any) -> None:
    model.selection = ("fc2", 5)
    view = FloatInspector(model)
    assert read(view.typed) == Fraction(float(np.ravel(model.result.values["fc2"])[5]))
    assert view.number["rounding"]["kind"] == "exact"
    view.show(0.1)
    assert read(view.typed) == Fraction(0.1)
    view._handle_custom_msg({"type": "flip", "bit": 0}, [])
    value = Fraction(view.number["exact"]["fraction"])
    view.format = "bfloat16"
    assert read(view.typed) == value, "the number that the bits meant is what is rounded now"
    view.show(5e-324)
    assert read(view.typed) == Fraction(5e-324)


def test_overflow_and_underflow_are_said() -> None:
    assert describe(read("1e99"), FORMATS["binary32"], words="1e99")["rounding"]["kind"] == "overflow"
    assert describe(read("7"), FORMATS["e2m1fn"], words="7")["rounding"]["words"].startswith("saturated")
    tiny = describe(read("1e-400"), FORMATS["binary64"], words="1e-400")
    assert tiny["rounding"]["kind"] == "down" and "2^" in tiny["rounding"]["words"] and tiny["kind"] == "zero"


def test_the_selected_neuron_fills_it(model: Any) -> None:
    model.selection = ("fc2", 5)
    view = model.float_view()
    value = float(np.ravel(model.result.values["fc2"])[5])
    assert Fraction(view.number["exact"]["fraction"]) == Fraction(value)
    assert view.origin["node"] == "fc2" and view.origin["index"] == 5 and not view.origin["stale"]
    model.selection = ("logits", 2)
    assert view.origin["node"] == "logits"
    view.typed = "0.25"
    assert view.origin == {}, "what is typed is no neuron's value"
    model.selection = ("logits", None)
    assert view.number["text"] == "0.25"
    assert model.float_view() is view
    view.close()


def test_a_neuron_whose_result_is_old_is_marked_stale() -> None:
    own = wb.examples.digits()
    own.selection = ("fc2", 5)
    own.compute()
    own.wait()
    view = FloatInspector(own)
    assert not view.origin["stale"]
    own.live = False
    own.eps = 0.01
    assert view.origin["stale"]


# ---------------------------------------------------------------------- the map of errors


def arrays(view: Any) -> dict[str, np.ndarray]:
    return {
        a["key"]: np.frombuffer(view.cells_data, "<f8", a["length"], a["offset"])
        for a in view.cells["arrays"]
    }


def test_the_map_shows_the_results_own_numbers(model: Any) -> None:
    view = fresh(RoundoffMap(model))
    held, errors = arrays(view), model.result.errors
    for row in view.cells["rows"]:
        part = slice(row["first"], row["first"] + row["count"])
        index = held["index"][part].astype(int)
        np.testing.assert_array_equal(
            held["bound"][part], np.ravel(model.result.rounding[row["node"]])[index]
        )
        np.testing.assert_array_equal(held["value"][part], np.ravel(errors.ulps(row["node"])[0])[index])
    assert view.cells["seq"] == model.result.seq and view.cells["eps"] == model.result.eps
    view.unit = "absolute"
    np.testing.assert_array_equal(arrays(view)["value"], arrays(view)["bound"])
    json.dumps([view.cells, view.layers, view.replay], allow_nan=False)


def test_nothing_seen_or_predicted_lies_above_the_bound(model: Any) -> None:
    view = fresh(RoundoffMap(model))
    for layer in ("observed", "adversarial", "predicted"):
        view.layer = layer
        fresh(view)
        held = arrays(view)
        assert held["value"].size and held[layer].size
        if layer != "predicted":
            assert (held[layer] <= held["bound"]).all()
        assert next(one for one in view.layers if one["key"] == layer)["kind"] != "bound"
    view.layer = "nonsense"
    assert view.layer == "bound" and "no layer" in view.notice


def test_a_layer_that_cannot_be_had_says_so(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.views.roundoffmap.MOST_NEURONS", 3)
    view = fresh(RoundoffMap(model))
    view.layer = "predicted"
    assert view.cells["rows"] == [] and "3 neurons" in view.layers[3]["message"]


def test_of_many_neurons_the_worst_is_kept() -> None:
    values = np.random.default_rng(0).random(10_000)
    values[[777, 9_999]] = np.inf, 5.0
    cells, per = worst(values)
    assert len(cells) <= BINS and {777, 9_999} <= set(cells.tolist())
    for k in range(len(cells)):
        assert values[cells[k]] == values[k * per : (k + 1) * per].max()


def test_before_any_result_nothing_is_drawn() -> None:
    own = wb.examples.digits()
    own.watch = lambda: None
    view = RoundoffMap(own)
    assert view.cells["rows"] == [] and view.cells_data == b"" and view.replay["state"] == "none"


# ---------------------------------------------------------------------- the replay


@pytest.mark.parametrize("order", ["sequential", "pairwise", "random", "fma"])
def test_the_replay_ends_in_the_runs_own_bits(model: Any, order: str) -> None:
    model.selection = ("fc2", 11)
    view = ReplayView(model)
    view.order = order
    fresh(view)
    shown = view.replay
    assert (shown["state"], shown["order"], shown["node"], shown["index"]) == ("fresh", order, "fc2", 11)
    run = ieee.run(model.plan, {"x": model.result.values["x"][None]}, "binary32", order)
    assert shown["steps"][-1]["value"] == float(np.ravel(run["fc2"])[11])
    assert shown["chart"][-1][1] == shown["sum_error"] and shown["total"] == len(shown["steps"])
    bits = [s for s in shown["steps"] if s["bits"] is not None]
    assert bits and all(inspect(s["value"], FORMATS["binary32"]).bits == s["bits"] for s in bits[:40])


def test_an_order_that_cannot_be_told_fails_in_words(model: Any) -> None:
    model.selection = ("fc2", 11)
    view = fresh(ReplayView(model))
    view.order = "blas"
    fresh(view)
    assert view.replay["state"] == "failed" and "BLAS" in view.replay["message"]
    model.selection = ("fc2", None)
    assert view.replay["state"] == "none"


# ---------------------------------------------------------------------- programs side by side


def test_programs_are_compared_with_the_first(model: Any) -> None:
    found = model.compare_semantics()
    assert [o.format for o in found.outcomes[:2]] == ["binary64", "binary32"] and found.outcomes[
        0
    ].differs is None
    for o in found.outcomes[1:]:
        run = ieee.run(model.plan, model.network.inputs(model.center, np.float64)[0], o.format, o.order)
        np.testing.assert_array_equal(o.output, run["logits"][0])
        assert o.differs is not None and o.differs[0] == "fc1"
    assert "all programs choose the same class" in repr(found) and "<svg" in found._repr_html_()
    with pytest.raises(ValueError, match="one input"):
        compare(model.plan, {"x": np.zeros((2, 1, 8, 8))})
    with pytest.raises(ValueError, match="at least one"):
        compare(model.plan, {"x": np.zeros((1, 1, 8, 8))}, ())


def test_a_gap_between_programs_is_found() -> None:
    # two outputs that are equal in the reals: their sums are added in one order and rounded differently
    from workbench.graph import Graph, Node

    weights = {"w": np.array([[2.0**24, 1.0], [1.0, 1.0], [1.0, 2.0**24]])}
    nodes = (Node("x", "Input", shape=(1, 3)), Node("y", "MatMul", ("x", "w"), shape=(1, 2)))
    own = wb.Model(Graph(nodes, ("y",), weights, name="tie"))
    found = own.compare_semantics(
        np.ones((1, 3)), ["binary64", ("binary32", "sequential"), ("binary32", "reversed")]
    )
    assert found.gap and [o.choice for o in found.outcomes] == [0, 1, 0]
    assert "(!)" in repr(found)


# ---------------------------------------------------------------------- the golden wire


def golden() -> dict[str, Any]:
    """What the tests of the front end read: the traits of each view, numbers that do not depend on the machine."""
    shown = wb.float_inspector("0.1", "bfloat16")
    own = wb.examples.toy()
    own.explore(np.array([0.5, 0.25]), eps=0.25)
    own.compute()
    own.wait()
    own.selection = (own.graph.outputs[0], 0)
    view = fresh(RoundoffMap(own))
    traits = (
        "cells",
        "layers",
        "layer",
        "unit",
        "replay",
        "orders",
        "order",
        "status",
        "controls",
        "selection",
    )
    kept = {name: getattr(view, name) for name in traits}
    kept["status"] = {**kept["status"], "seconds": None}
    for part in ("cells", "replay"):
        kept[part] = {**kept[part], "seconds": None}
    small = {k: getattr(view, k) for k in ("eps", "method", "format", "example", "live")}
    names = ("number", "formats", "modes", "typed", "format", "mode", "origin", "notice")
    return {
        "float": {name: getattr(shown, name) for name in names},
        "roundoff": {
            **kept,
            **small,
            "cells_data": base64.b64encode(view.cells_data).decode(),
            "code": {},
            "notice": "",
        },
    }


def test_the_golden_wire_is_what_is_sent() -> None:
    made = json.loads(json.dumps(golden(), allow_nan=False))
    if os.environ.get("WORKBENCH_GOLDEN"):
        GOLDEN.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    held = json.loads(GOLDEN.read_text())
    assert made["float"] == held["float"]
    assert set(made["roundoff"]) == set(held["roundoff"])
    for part in ("layers", "orders", "replay"):
        assert made["roundoff"][part] == held["roundoff"][part]
    assert made["roundoff"]["cells"]["rows"][-1].keys() == held["roundoff"]["cells"]["rows"][-1].keys()


def test_widths_of_fields_add_up() -> None:
    for form in FORMATS.values():
        shown = describe(Fraction(1), form)
        assert sum(len(f["bits"]) for f in shown["fields"]) == width(form)
