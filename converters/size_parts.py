"""Parts of one file of several sizes: one file a size, which must be the same but for the shapes of their values."""

from edge_deeplab.errors import ConversionError


def differing(kind: str, what: str) -> ConversionError:
    """Return the error that parts differ.

    Args:
        kind: of the files.
        what: of them is not the same.
    """
    return ConversionError(
        f"{kind} programs of several sizes differ in {what}; programs that are the same but for their shapes were "
        "expected; export each size into a file of its own"
    )
