"""Text as numbers: bytes, which need nothing, or byte pairs by the `tokenizers` package; and windows to train on.

>>> tokens = ByteTokenizer().encode("abba")
>>> tokens.tolist(), ByteTokenizer().decode(tokens)
([97, 98, 98, 97], 'abba')
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from workbench.graph import Array
from workbench.nn.dataset import DataError, Dataset


class Tokenizer(Protocol):
    """Text to whole numbers below `size`, and back."""

    @property
    def size(self) -> int:
        """How many different tokens there are."""
        ...

    def encode(self, text: str) -> Array:
        """The tokens of a text, int64."""
        ...

    def decode(self, tokens: Any) -> str:
        """The text of tokens."""
        ...


class ByteTokenizer:
    """A token a byte of UTF-8: every text has tokens, and every text comes back."""

    size = 256

    def encode(self, text: str) -> Array:
        """The bytes of a text."""
        try:
            return np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64)
        except UnicodeEncodeError as error:
            raise DataError(
                f"the text has half a character at {error.start}: it is no Unicode text"
            ) from None

    def decode(self, tokens: Any) -> str:
        """The text of bytes; what is no UTF-8, as a network may well write, becomes U+FFFD."""
        held = np.asarray(tokens)
        if held.size and (held.dtype.kind not in "iu" or held.min() < 0 or held.max() > 255):
            raise DataError("bytes are whole numbers from 0 to 255")
        return held.astype(np.uint8).tobytes().decode("utf-8", "replace")

    def __repr__(self) -> str:
        return "ByteTokenizer()"


class BPETokenizer:
    """Byte pairs that stand often beside each other, by the `tokenizers` package; see `bpe_tokenizer`."""

    def __init__(self, held: Any) -> None:
        self._held = held

    @property
    def size(self) -> int:
        """How many different tokens there are."""
        return int(self._held.get_vocab_size())

    def encode(self, text: str) -> Array:
        """The tokens of a text."""
        return np.array(self._held.encode(text).ids, np.int64)

    def decode(self, tokens: Any) -> str:
        """The text of tokens."""
        return str(self._held.decode([int(t) for t in np.asarray(tokens).ravel()]))

    def save(self, path: Any) -> None:
        """Write it as the JSON file that the package reads."""
        self._held.save(str(path))

    def __repr__(self) -> str:
        return f"BPETokenizer({self.size} tokens)"


def bpe_tokenizer(source: Any, size: int = 1000) -> BPETokenizer:
    """A tokenizer from a ``tokenizer.json`` file, or one that is learned from texts.

    Parameters
    ----------
    source : a path, or an iterable of texts to learn from.
    size : tokens at most, where it is learned (at least the 256 bytes).

    Raises
    ------
    DataError
        The package is missing, or a file that it does not read.
    """
    try:
        import tokenizers  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise DataError("byte pairs need the package `tokenizers`: pip install tokenizers") from None
    if isinstance(source, str | Path):
        try:
            content = Path(source).read_text(encoding="utf-8")
            return BPETokenizer(tokenizers.Tokenizer.from_str(content))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{source} cannot be read: {error}") from None
        except Exception as error:  # noqa: BLE001  # the package raises bare Exception
            raise DataError(f"{source} is no tokenizer: {error}") from None
    if size < 256:
        raise DataError(f"{size} tokens cannot hold the 256 bytes")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(_texts(source), trainer)
    return BPETokenizer(made)


def _texts(source: Iterable[str]) -> Iterable[str]:
    for i, text in enumerate(source):
        if not isinstance(text, str):
            raise DataError(f"text {i} to learn from is {type(text).__name__}")
        yield text


def windows(tokens: Sequence[int] | Array, length: int, stride: int | None = None) -> Dataset:
    """Runs of tokens, and for each token the one that follows: what a language model learns.

    Parameters
    ----------
    tokens : whole numbers, in the order of the text.
    length : tokens an example.
    stride : from one example to the next; by default `length`, so that they do not overlap.

    Returns
    -------
    `Dataset` with x and y int64 ``(n, length)``: y is x, one token on.

    Raises
    ------
    DataError
        Fewer tokens than one example needs.
    """
    held = np.asarray(tokens)
    step = length if stride is None else stride
    if held.ndim != 1 or held.dtype.kind not in "iu" or length < 1 or step < 1:
        raise DataError(f"windows of length {length} every {step} need a row of whole numbers")
    if len(held) <= length:
        raise DataError(f"{len(held)} tokens are too few for a window of {length} and the token after it")
    at = np.arange(0, len(held) - length, step)[:, None] + np.arange(length + 1)
    both = held.astype(np.int64)[at]
    return Dataset(both[:, :-1], both[:, 1:], source=f"{len(held):,} tokens")


def read_text(
    path: Any,
    length: int,
    tokenizer: Tokenizer | None = None,
    stride: int | None = None,
    encoding: str = "utf-8",
) -> Dataset:
    """Windows of a text file; see `windows`.

    Raises
    ------
    DataError
        No such file, no text of that encoding, or too short a one.
    """
    try:
        text = Path(path).read_text(encoding=encoding)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeError as error:
        raise DataError(f"{path} is no {encoding} text: {error}") from None
    except LookupError as error:
        raise DataError(str(error)) from None
    found = windows((tokenizer or ByteTokenizer()).encode(text), length, stride)
    return Dataset(found.x, found.y, source=Path(path).name)
