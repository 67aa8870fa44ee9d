"""All pairs are looked at, in this process or in several."""

import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from edge_deeplab.data.inspection.pair import Look, Pair, look_at
from edge_deeplab.errors import DataError
from edge_deeplab.progress import Progress

_PAIRS_FOR_A_PROCESS = 500
"""A process is worth its start, about a second, from so many pairs of its own."""
_AT_A_TIME = 8


def look_at_all(pairs: Sequence[Pair], workers: int, progress: Progress) -> list[Look]:
    """Return what each pair holds, in order.

    Args:
        pairs: what is to be looked at.
        workers: processes, at most; 0 or 1 looks in this one.
        progress: told each pair.

    Raises:
        DataError: when a process is lost, as one is that the memory does not suffice for.
    """
    progress.begin("reading images and masks", len(pairs), "images")
    processes = min(workers, len(pairs) // _PAIRS_FOR_A_PROCESS)
    if processes <= 1:
        return list(_counted(map(look_at, pairs), progress))
    # spawned, because a process that holds torch's threads cannot be forked safely
    pool = ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_leave_signals_to_parent
    )
    try:
        return list(_counted(pool.map(look_at, pairs, chunksize=_AT_A_TIME), progress))
    except BrokenProcessPool as error:
        raise DataError(
            "a process that read images was lost, which happens where memory does not suffice; fewer workers or a "
            "lower limit of pixels need less"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _counted(looks: Iterable[Look], progress: Progress) -> Iterator[Look]:
    for look in looks:
        yield look
        progress.advance()


def _leave_signals_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
