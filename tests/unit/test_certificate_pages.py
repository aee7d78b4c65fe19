"""The schema that is published with the format, and what is made of a certificate for people: words, a page."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import random
import re
from collections.abc import Iterator
from fractions import Fraction
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from certificates import at_least, box, dense, falsified, of_a_tree, proved
from workbench.certificate import format as form
from workbench.certificate import produce
from workbench.certificate.check import Tick, check
from workbench.certificate.format import CannotCheck, Rejected
from workbench.certificate.outline import outline
from workbench.certificate.page import page
from workbench.certificate.plans import Tree
from workbench.certificate.words import rows, statement
from workbench.cli import app

SCHEMA = json.loads(files("workbench.certificate").joinpath("schema_v1.json").read_text())


def with_every_field() -> dict[str, Any]:
    """Phases, multipliers, slopes in every place that they may have."""
    net = dense([3, 8, 8, 2], leaky=True)
    tree = Tree(
        (Tree(), Tree((Tree(clipped=True), Tree()), axis=1, place=Fraction(1, 8))), relu="a0", element=1
    )
    found = proved(net, {**box(3, 1, 2), "unsafe": [at_least(0, 60)]}, tree)
    slopes = {"a1": [[0, 1 << 14]]}
    for step in found["proof"]["cases"][0]:
        if step[0] == "leaf":
            step[1][0] |= {"slopes": slopes, "multipliers": [["a0", 1, 5]]}
    found["proof"]["cases"][0].insert(2, ["clip", slopes])
    found["proof"]["cases"][0].insert(2, ["bounds", ["interval", "rows"], slopes])
    return found


@pytest.fixture(scope="module")
def certificates() -> dict[str, dict[str, Any]]:
    return {"tree": of_a_tree(), "all": with_every_field(), "counterexample": falsified([[1, 3]])}


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path, of a list's elements the first two and the last."""
    if path:
        yield path
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*path, key))
    elif isinstance(value, list):
        for key in sorted({0, 1, len(value) - 1} & set(range(len(value)))):
            yield from paths(value[key], (*path, key))


def changes(given: dict[str, Any], path: tuple[Any, ...], rng: random.Random) -> Iterator[dict[str, Any]]:
    """The certificate with one thing changed, left out, or added, in two of seven ways."""
    for number in rng.sample(range(7), 2):
        found = copy.deepcopy(given)
        holder: Any = found
        for key in path[:-1]:
            holder = holder[key]
        value = holder[path[-1]]
        match number:
            case 0:
                del holder[path[-1]]
            case 1 if isinstance(value, dict):
                value["unknown field"] = 1
            case 1 if isinstance(value, list):
                value.append(value[0] if value else 0)
            case 2:
                holder[path[-1]] = None
            case 3:
                holder[path[-1]] = "x" * 2000
            case 4:
                holder[path[-1]] = -1 if value != -1 else -2
            case 5:
                holder[path[-1]] = {} if value != {} else []
            case 6:
                holder[path[-1]] = True if value is not True else 1
            case _:
                continue
        yield found


def is_accepted(given: dict[str, Any]) -> bool:
    try:
        check(form.loads(produce.dumps(given)), seconds=20)
    except (Rejected, CannotCheck):
        return False
    return True


def test_the_schema_is_one_and_is_of_this_version() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["title"] == form.NAME == SCHEMA["properties"]["format"]["const"]


def test_what_is_accepted_is_valid_and_every_field_matters(certificates: dict[str, dict[str, Any]]) -> None:
    """Whatever the schema refuses the checker does not accept; the schema refuses most changes of a field's form."""
    validator, refused, tried = Draft202012Validator(SCHEMA), 0, 0
    rng = random.Random(3)  # noqa: S311
    for given in certificates.values():
        assert validator.is_valid(given), next(validator.iter_errors(given)).message
        assert is_accepted(given)
        for path in paths(given):
            for changed in changes(given, path, rng):
                tried += 1
                if not validator.is_valid(changed):
                    refused += 1
                    assert not is_accepted(changed), path
            if isinstance(path[-1], str) and path[:-1] != ("network", "tensors"):
                less = copy.deepcopy(given)
                holder: Any = less
                for key in path[:-1]:
                    holder = holder[key]
                del holder[path[-1]]
                optional = {"slopes", "multipliers"} | set(given["proof"]) & {"a1"}
                if path[-1] not in optional and "attributes" not in path and "a1" not in path:
                    assert not validator.is_valid(less), path
    assert refused > tried / 2 > 100


# ---- what is made of it for people


def test_ticks_name_every_step_and_the_one_that_fails(certificates: dict[str, dict[str, Any]]) -> None:
    given = certificates["tree"]
    steps = given["proof"]["cases"][0]
    seen: list[Tick] = []
    accepted = check(given, watch=seen.append)
    assert [t.kind for t in seen] == [s[0] for s in steps]
    assert [t.done for t in seen] == list(range(accepted.steps))
    assert seen[-1].open == 1
    nodes = outline(given).cases[0]
    assert sum(n.leaf for n in nodes) == accepted.leaves
    assert [k for n in nodes for k in range(n.first, n.last + 1)] == list(range(len(steps)))
    assert all(n.parent is None or nodes[n.parent].last < n.first for n in nodes)
    last = max(k for k, s in enumerate(steps) if s[0] == "leaf")
    wrong = copy.deepcopy(given)
    wrong["proof"]["cases"][0][last] = ["leaf", [{"rows": []}]]
    seen.clear()
    with pytest.raises(Rejected) as error:
        check(wrong, watch=seen.append)
    assert error.value.place == (0, last) == (seen[-1].case, seen[-1].number)
    node = outline(wrong).at(0, last)
    assert node is not None and node.leaf


class Reader(HTMLParser):
    """Tags, links and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") or name == "src" for name, _ in attrs)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_says_it_all_and_carries_the_certificate(certificates: dict[str, dict[str, Any]]) -> None:
    for given in certificates.values():
        accepted = check(given)
        text = page(given, accepted)
        assert text == page(given, accepted)
        reader = Reader()
        reader.feed(text)
        words = " ".join(reader.text)
        assert statement(given) in words
        assert all(value in words for _, value in rows(accepted))
        assert set(reader.tags) & {"script", "iframe", "img", "object", "form", "link"} == set()
        (link,) = reader.links
        head, _, data = link.partition(",")
        assert head == "data:application/gzip;base64"
        inside = form.loads(base64.b64decode(data))
        assert inside == json.loads(json.dumps(given))
        assert check(form.loads(gzip.decompress(base64.b64decode(data)))).verdict == accepted.verdict


def test_a_hostile_page_is_only_text(certificates: dict[str, dict[str, Any]]) -> None:
    """Names that are markup, in every text of the certificate, checked or not."""
    attack = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e'
    given = copy.deepcopy(certificates["all"])
    given["network"]["name"] = given["network"]["sha256"] = attack
    given["made_by"] = dict.fromkeys(given["made_by"], attack)
    renamed = json.loads(json.dumps(given).replace('"a0"', json.dumps("a0" + attack)))
    accepted = check(renamed)
    wrong = copy.deepcopy(renamed)
    wrong["proof"]["cases"][0].pop()
    broken = {**renamed, "trust": {"assumptions": [attack]}, "claim": attack, "proof": {"cases": attack}}
    for one, result in (
        (renamed, accepted),
        (wrong, None),
        (broken, None),
        (renamed, Rejected(attack, attack, (0, 1))),
    ):
        text = page(one, result, network=attack)
        reader = Reader()
        reader.feed(text)
        assert set(reader.tags).isdisjoint({"script", "img"})
        assert "alert(1)" in " ".join(reader.text)
        assert "\u202e" not in text


def test_the_command_writes_a_page_whatever_the_checker_says(
    certificates: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    good, bad, out = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "page.html"
    good.write_bytes(produce.dumps(certificates["tree"]))
    wrong = copy.deepcopy(certificates["tree"])
    wrong["proof"]["cases"][0].pop()
    bad.write_bytes(produce.dumps(wrong))
    run = CliRunner().invoke(app, ["report", str(good), "-o", str(out)])
    assert run.exit_code == 0, run.output
    assert "accepted" in out.read_text()
    run = CliRunner().invoke(app, ["report", str(bad), "-o", str(out)])
    assert run.exit_code == 4
    assert re.search(r"rejected</strong>.*R7 tree", out.read_text())
