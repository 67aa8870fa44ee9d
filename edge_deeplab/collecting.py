"""Fewer searches for reference cycles while a graph is built: it is many small objects, of which nearly all stay."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_RARELY = (50_000, 20, 50)
"""Thresholds of `gc.set_threshold`, seventy times Python's own: a search took a fifth of a capture."""


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Search for cycles more rarely within, if at all; a decorator as well."""
    before = gc.get_threshold()
    if before[0]:  # zero: searching is switched off
        gc.set_threshold(*map(max, before, _RARELY))
    try:
        yield
    finally:
        gc.set_threshold(*before)
