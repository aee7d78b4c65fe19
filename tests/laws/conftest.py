"""The laws compare exact numbers: balls are computed with enough bits to tell neighbouring floats apart."""

from __future__ import annotations

from collections.abc import Iterator

import flint
import pytest

from laws.checks import PRECISION


@pytest.fixture(autouse=True, scope="module")
def _precision() -> Iterator[None]:
    with flint.ctx.workprec(PRECISION):
        yield
