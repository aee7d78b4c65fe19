"""Operators, one family a file; importing this package registers them all."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

FAMILIES = tuple(sorted(m.name for m in iter_modules(__path__) if not m.ispkg))

for _family in FAMILIES:
    import_module(f"{__name__}.{_family}")
