"""Sizes of the picture that a file lists, where it takes several: what the readers of every format share."""

Size = tuple[int, int]
"""Height and width in pixels."""

MOST_SIZES = 128
"""Core ML enumerates no more, and of other formats no more are read."""


def check_count(count: int) -> None:
    """Refuse a file that lists too many sizes.

    Raises:
        ValueError: when there are more than `MOST_SIZES`.
    """
    if count > MOST_SIZES:
        raise ValueError(f"it lists {count} sizes, and at most {MOST_SIZES} are read")
