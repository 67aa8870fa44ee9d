"""Which values of a parameter run every time, and which in `make slow` alone."""

from typing import Any

import pytest


def or_slow(value: Any, fast: bool) -> Any:
    """Return a value for `parametrize` or a fixture's `params`, marked slow unless it is fast."""
    return value if fast else pytest.param(value, marks=pytest.mark.slow)
