"""How many CPU threads a runtime gets where none is asked for: the same for all of them, so that times compare."""

import os


def available_cpus() -> int:
    """Return the number of CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
