"""Progress: how a method tells how far it is, and how it is asked to stop."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]


class Cancelled(Exception):
    """Raised inside a method when its progress callback asks it to stop."""
