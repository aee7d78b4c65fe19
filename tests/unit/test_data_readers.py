"""Data from files: what is read is what was written, and hostile or careless files give one clear error."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench import nn
from workbench.nn.readers import read_npy

RNG = np.random.default_rng(0)


class Bomb:
    """What a hostile pickle does when it is loaded."""

    def __reduce__(self) -> Any:
        return os.system, ("touch HACKED",)


# ---------------------------------------------------------------------- arrays


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    for k, array in enumerate(
        [
            RNG.normal(size=(3, 4)),
            np.arange(5, dtype=">i4"),
            np.zeros((0, 2), np.float16),
            np.asfortranarray(RNG.normal(size=(4, 2))),
        ]
    ):
        np.save(tmp_path / f"{k}.npy", array)
        found = nn.read_npy(tmp_path / f"{k}.npy")
        assert np.array_equal(found, array) and found.dtype == array.dtype.newbyteorder("=")
    x, y = RNG.normal(size=(6, 2)).astype(np.float32), np.arange(6, dtype=np.uint8)
    np.savez_compressed(tmp_path / "both.npz", x=x, y=y, other=x)
    held = nn.read_npz(tmp_path / "both.npz")
    assert np.array_equal(held.x, x) and held.y is not None and held.y.dtype == np.int64
    assert nn.read_npz(tmp_path / "both.npz", "other", None).y is None
    with pytest.raises(nn.DataError, match=r"no array 'z': it has x, y, other"):
        nn.read_npz(tmp_path / "both.npz", "z")
    np.savez(tmp_path / "uneven.npz", x=x, y=y[:3])
    with pytest.raises(nn.DataError, match="6 examples and 3 targets"):
        nn.read_npz(tmp_path / "uneven.npz")


def _header(shape: str, descr: str = "'<f8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _pickled() -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    return stream.getvalue() + pickle.dumps(Bomb())


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no .npy array"),
    "pickle": (pickle.dumps(Bomb()), "no .npy array"),
    "objects": (_pickled(), "unpickling could run anything"),
    "cut off": (_header("(4, 4)") + bytes(100), "cut off"),
    "a billion billion": (_header("(1000000000, 1000000000)") + bytes(8), "cut off"),
    "negative": (_header("(-4,)") + bytes(64), "negative|no .npy array"),
    "no shape": (_header("__import__('os').system('touch HACKED')") + bytes(8), "no .npy array"),
    "deep": (_header("(" * 5000 + ")" * 5000), "no .npy array"),
    "strings": (_header("(1,)", "'<U4'") + bytes(16), "numbers of at most 64 bits"),
    "records": (_header("(1,)", "[('a', '<f8')]") + bytes(8), "numbers of at most 64 bits"),
    "complex": (_header("(1,)", "'<c16'") + bytes(16), "numbers of at most 64 bits"),
    "no magic": (b"\x93NUMPY\x09\x00" + bytes(40), "no .npy array"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_array_gives_one_clear_error_and_runs_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, words = HOSTILE[name]
    Path("a.npy").write_bytes(content)
    with pytest.raises(nn.DataError, match=words):
        nn.read_npy("a.npy")
    with zipfile.ZipFile("a.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(nn.DataError, match=words):
        nn.read_npz("a.npz", y=None)
    assert not Path("HACKED").exists()


def test_limits_hold_and_random_bytes_never_get_through(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.zeros(10_000))
    with pytest.raises(nn.DataError, match="limit is 1,000"):
        read_npy(tmp_path / "large.npy", limit=1000)
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros(2_000_000))
    assert (tmp_path / "bomb.npz").stat().st_size < 40_000
    with pytest.raises(nn.DataError, match="limit"):
        nn.read_npz(tmp_path / "bomb.npz", y=None, limit=1_000_000)
    good = (tmp_path / "bomb.npz").read_bytes()[:200], (tmp_path / "large.npy").read_bytes()[:200]
    for trial in range(120):
        broken = bytearray(good[trial % 2])
        for at in RNG.integers(0, len(broken), 3):
            broken[at] = int(RNG.integers(0, 256))
        file = tmp_path / "broken"
        file.write_bytes(bytes(broken))
        for read in (nn.read_npy, lambda f: nn.read_npz(f, y=None)):
            with pytest.raises(nn.DataError):
                read(file)
    for read in (nn.read_npy, nn.read_npz, nn.read_csv):
        with pytest.raises(nn.DataError, match="no file"):
            read(tmp_path / "missing")  # type: ignore[operator]


# ---------------------------------------------------------------------- tables


def csv_file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "table.csv"
    file.write_bytes(text.encode("utf-8"))
    return file


def test_a_table_with_names_and_one_without(tmp_path: Path) -> None:
    held = nn.read_csv(
        csv_file(tmp_path, "\ufefflength,width,kind\r\n1.5,2,oak\r\n\r\n-3e2,0.5,ash\r\n4,5,oak\r\n")
    )
    assert (
        held.columns == ("length", "width")
        and held.classes == ("ash", "oak")
        and held.y.tolist() == [1, 0, 1]
    )
    assert held.x.dtype == np.float32 and held.x.tolist() == [[1.5, 2], [-300, 0.5], [4, 5]]
    bare = nn.read_csv(
        csv_file(tmp_path, "5.1,3.5,setosa\n4.9,3.0,other\n")
    )  # one cell is no number: no names
    assert len(bare) == 2 and bare.columns == ("column 0", "column 1")
    first = nn.read_csv(csv_file(tmp_path, "y;a;b\n2;1;1\n0;2;2\n"), "y", delimiter=";")
    assert (
        first.y.tolist() == [2, 0]
        and first.classes == ("0", "1", "2")
        and first.x.tolist() == [[1, 1], [2, 2]]
    )
    numbers = nn.read_csv(csv_file(tmp_path, "a,b\n1,0.5\n2,1\n"))
    assert numbers.classes == () and numbers.y.tolist() == [0.5, 1.0] and numbers.y.dtype == np.float32
    assert nn.read_csv(csv_file(tmp_path, "a,b\n1,2\n"), None).y is None
    quoted = nn.read_csv(csv_file(tmp_path, 'a,city,y\n1,"Aix,\nen",0\n2,"x",1\n'), drop=["city"])
    assert quoted.columns == ("a",) and quoted.y.tolist() == [0, 1]
    assert nn.read_csv(csv_file(tmp_path, "a,y\n1,3\n2,7\n"), target="number").y.dtype == np.float32


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("a,b\n1,2\n,3\n", {}, "line 3, column 'a': the value is missing"),
        ("a,b\n1,2\n4,\n", {}, "line 3, column 'b': the value is missing"),
        ("a,b\n1,2\nNA,3\n", {}, "line 3, column 'a': the value is missing"),
        ("a,b\n1,2\nnan,3\n", {}, "line 3, column 'a': the value is missing"),
        ("a,b\n1,2\ninf,3\n", {}, "line 3, column 'a': 'inf' is not finite"),
        ("a,b\n1,2\n1e39,3\n", {}, "line 3, column 'a': '1e39' is not finite"),
        ("a,b\n1,2\n1_0,3\n", {}, "line 3, column 'a': '1_0' is no number"),
        ("a,b\n1,2\n1,2,3\n", {}, "line 3: 3 cells, where 2 are wanted"),
        ('a,b\n"x\ny",2\n', {"header": True}, "line 3, column 'a': 'x"),
        ("a,a\n1,2\n", {}, "two columns are called 'a'"),
        ("a,b\n", {}, "no examples"),
        ("", {}, "no lines"),
        ("a\n1\n", {}, "no column left"),
        ("a,b\n1,2\n", {"label": "c"}, "no column 'c': it has a, b"),
        ("a,b\n1,2\n", {"label": 5}, "no column 5"),
        ("a,b\n1,x\n", {"target": "number"}, "line 2, column 'b': 'x' is no number"),
        ("a,b\n1,2\n", {"target": "both"}, "'auto', 'class' or 'number'"),
        ('a,b\n1,"2\n', {}, "after line 1"),
        ("a,b\n1,2\n", {"encoding": "utf-16"}, "is no utf-16 text|UTF-16"),
        ("a,b\n1,2\n", {"encoding": "what"}, "unknown encoding"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_its_line(
    text: str, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(nn.DataError, match=words):
        nn.read_csv(csv_file(tmp_path, text), **options)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.csv").write_bytes(b"a,b\n\xff\xfe\x00,2\n")
    with pytest.raises(nn.DataError, match="no utf-8-sig text"):
        nn.read_csv(tmp_path / "bytes.csv")
    with pytest.raises(nn.DataError, match="no utf-8 text"):
        nn.read_text(tmp_path / "bytes.csv", 2)
    with pytest.raises(nn.DataError, match="cannot be read"):
        nn.read_text(tmp_path / "none.txt", 2)


# ---------------------------------------------------------------------- text


def test_every_text_has_bytes_and_comes_back(tmp_path: Path) -> None:
    tokens = nn.ByteTokenizer()
    for text in ("", "abc", "naïve — \N{GRINNING FACE}\n\0"):
        assert tokens.decode(tokens.encode(text)) == text
    assert tokens.decode([0xFF, 65]) == "\ufffdA"
    for wrong in ([256], [-1], [0.5]):
        with pytest.raises(nn.DataError):
            tokens.decode(wrong)
    with pytest.raises(nn.DataError, match="half a character"):
        tokens.encode("\ud800")
    (tmp_path / "book.txt").write_text("abcdefgh", encoding="utf-8")
    held = nn.read_text(tmp_path / "book.txt", 3)
    assert [tokens.decode(row) for row in held.x] == ["abc", "def"]
    assert [tokens.decode(row) for row in held.y] == ["bcd", "efg"]
    assert len(nn.windows(range(10), 3, 1)) == 7 and nn.windows(range(10), 3, 1).y[-1].tolist() == [7, 8, 9]
    for given, length in (([1, 2], 2), ([0.5, 1, 2], 1), (range(9), 0)):
        with pytest.raises(nn.DataError):
            nn.windows(given, length)


def test_byte_pairs_are_learned_kept_and_come_back(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    texts = ["the cat sat on the mat, the end"] * 20
    made = nn.bpe_tokenizer(texts, 300)
    assert 256 <= made.size <= 300
    tokens = made.encode("the cat — ü")
    assert made.decode(tokens) == "the cat — ü" and len(tokens) < len("the cat — ü".encode())
    made.save(tmp_path / "bpe.json")
    assert np.array_equal(nn.bpe_tokenizer(tmp_path / "bpe.json").encode("the mat"), made.encode("the mat"))
    (tmp_path / "bad.json").write_text('{"model": 3}')
    for source, options in (
        (tmp_path / "bad.json", {}),
        (tmp_path / "none.json", {}),
        (texts, {"size": 5}),
        ([3], {}),
    ):
        with pytest.raises(nn.DataError):
            nn.bpe_tokenizer(source, **options)


# ---------------------------------------------------------------------- pictures


def test_pictures_in_folders(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for name, shade in (("dark", 10), ("light", 250)):
        (tmp_path / name).mkdir()
        for i in range(2):
            image.fromarray(np.full((6, 8), shade + i, np.uint8)).save(tmp_path / name / f"{i}.png")
    (tmp_path / ".hidden").mkdir()
    held = nn.read_images(tmp_path)
    assert (
        held.x.shape == (4, 1, 6, 8) and held.classes == ("dark", "light") and held.y.tolist() == [0, 0, 1, 1]
    )
    assert held.x[:, 0, 0, 0].tolist() == [np.float32(v) / np.float32(255) for v in (10, 11, 250, 251)]
    assert nn.read_images(tmp_path, (4, 5), "RGB").x.shape == (4, 3, 4, 5)
    with pytest.raises(nn.DataError, match="limit is 40 a picture"):
        nn.read_images(tmp_path, pixels=40)

    def refused(words: str, act: Callable[[], Any]) -> None:
        act()
        with pytest.raises(nn.DataError, match=words):
            nn.read_images(tmp_path)

    refused("9 x 9 .*but 0.png is 6 x 8", lambda: image.new("L", (9, 9)).save(tmp_path / "light" / "9.png"))
    refused(
        "9.png is no picture",
        lambda: (tmp_path / "light" / "9.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40)),
    )
    deep = np.full((6, 8), 40_000, np.uint16)
    refused("more than 8 bits", lambda: image.fromarray(deep).save(tmp_path / "light" / "9.png"))
    (tmp_path / "light" / "9.png").unlink()
    refused("no pictures", (tmp_path / "empty").mkdir)
    for folder, words in ((tmp_path / "none", "no folder"), (tmp_path / "light", "no folders")):
        with pytest.raises(nn.DataError, match=words):
            nn.read_images(folder)
    with pytest.raises(nn.DataError, match="'L'"):
        nn.read_images(tmp_path, mode="CMYK")


# ---------------------------------------------------------------------- data sets


def test_a_split_keeps_shares_of_classes_and_loses_nothing() -> None:
    y = np.repeat([0, 1, 2], [50, 30, 20])
    held = nn.Dataset(np.arange(100.0).reshape(-1, 1), y)
    for test in (0.2, 20, 0.33):
        first, second = held.split(test, seed=4)
        assert sorted([*first.x.ravel(), *second.x.ravel()]) == list(range(100))
        assert len(second) == (20 if test in (0.2, 20) else 33)
        shares = np.bincount(second.y) / len(second)
        assert np.abs(shares - [0.5, 0.3, 0.2]).max() < 0.03
    again = held.split(0.2, seed=4)[1]
    assert np.array_equal(again.x, held.split(0.2, seed=4)[1].x) and not np.array_equal(
        again.x, held.split(0.2, seed=5)[1].x
    )
    for wrong in (0, 0.001, 100, 1000):
        with pytest.raises(nn.DataError):
            held.split(wrong)
    x, labels = held
    assert x is held.x and labels is y
    with pytest.raises(nn.DataError, match="no targets"):
        nn.Dataset(np.zeros(3)).pair()


def test_scikit_learns_own_are_trained_on_as_they_are() -> None:
    pytest.importorskip("sklearn")
    iris = nn.dataset("iris")
    assert iris.classes == ("setosa", "versicolor", "virginica") and iris.columns[0] == "sepal length (cm)"
    assert nn.dataset("diabetes").classes == ()
    with pytest.raises(nn.DataError, match="iris, wine"):
        nn.dataset("mnist")
    train, test = iris.split(0.3)
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)).init(0)
    trainer = nn.Trainer(net, None, nn.Adam(net, lr=0.02), progress=False)
    history = trainer.fit(train.loader(batch_size=16), 30, validation=test)
    assert history["val_accuracy"][-1] > 0.9
