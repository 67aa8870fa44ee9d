"""How many CPU threads a runtime gets where none is asked for, the same for all so that times compare; torch's own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def available_cpus() -> int:
    """Return the number of CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def running_torch(threads: int | None) -> Iterator[None]:
    """Run the block without gradients and with a number of threads (None: torch's setting); both are put back."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
