"""Where third-party converters are called: quietly, and with their errors mapped to this project's, once."""

from collections.abc import Iterator
from contextlib import contextmanager

from edge_deeplab.converters.noise import quietly
from edge_deeplab.errors import ConversionError, EdgeDeepLabError
from edge_deeplab.text import first_line


@contextmanager
def calling(converter: str, target: str) -> Iterator[None]:
    """Run a third-party converter inside the block.

    Args:
        converter: its name, for the error.
        target: what it converts to, for the error.

    Raises:
        ConversionError: for whatever it raises, other than a file that could not be written (OSError)
            and this project's own errors, which pass.
    """
    try:
        with quietly():
            yield
    except (EdgeDeepLabError, OSError):
        raise
    except Exception as error:
        raise ConversionError(
            f"{converter} failed to convert to {target} ({type(error).__name__}: {first_line(error)}); a graph that it "
            "can lower was expected; run edge-deeplab doctor to test the installed converters, and --debug for the rest"
        ) from error
