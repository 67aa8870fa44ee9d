"""Torch's settings for the length of a run: no gradients, and this runtime's number of threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def running_torch(threads: int | None) -> Iterator[None]:
    """Run the block without gradients and with a number of threads (None: torch's setting); both are put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
