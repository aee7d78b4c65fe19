"""Progress: how a method tells how far it is, and how it is asked to stop."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

Progress = Callable[[float, str], None]


class Cancelled(Exception):
    """Raised inside a method when its progress callback asks it to stop."""


class OutOfTime(Cancelled):
    """Raised inside a method when its time has come: see `until`."""


def until(deadline: float | None, progress: Progress | None = None) -> Progress:
    """A callback that stops a method at a time.

    Parameters
    ----------
    deadline : by `time.monotonic`, in seconds; None for no limit.
    progress : what is told as well.
    """

    def told(share: float, words: str) -> None:
        if deadline is not None and monotonic() >= deadline:
            raise OutOfTime
        if progress is not None:
            progress(share, words)

    return told
