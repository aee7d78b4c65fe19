"""How many examples a law tries: few in CI's quick run, many with HYPOTHESIS_PROFILE=thorough."""

from __future__ import annotations

from hypothesis import settings

THOROUGH = settings().max_examples > 1000
COUNT = settings().max_examples // 10 if THOROUGH else 24
