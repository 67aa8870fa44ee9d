"""What is written beside a result: each output is tried, and what cannot be written never takes the result away."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.errors import EdgeDeepLabError, OutputError, UnwrittenError
from edge_deeplab.text import first_line

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Output:
    """A file or folder that was asked for beside a result.

    Args:
        path: its place.
        write: draws and writes it.
    """

    path: Path
    write: Callable[[], object]


def write_all(result: object, outputs: Iterable[Output]) -> None:
    """Write all outputs of a result; what one of them fails with, of whatever kind, keeps no other from being written.

    Args:
        result: what was measured; whoever catches the error has it from there.
        outputs: in the order in which they are written.

    Raises:
        UnwrittenError: with the result and a sentence for each output that failed, once all were tried.
    """
    failed = [(output.path, error) for output in outputs if (error := _try(output)) is not None]
    if failed:
        raise UnwrittenError(result, [_tell(*each) for each in failed]) from failed[0][1]


def _try(output: Output) -> Exception | None:
    try:
        output.write()
    except Exception as error:  # of templates, plots or pictures too: what was measured stands
        log.debug("%s failed", output.path, exc_info=True)
        return error
    return None


def _tell(path: Path, error: Exception) -> str:
    if isinstance(error, OutputError):
        return str(error)
    own = isinstance(error, EdgeDeepLabError)
    reason = str(error) if own else f"{type(error).__name__}: {first_line(error)}"
    return f"{path} was not written, the result stands: {reason}"
