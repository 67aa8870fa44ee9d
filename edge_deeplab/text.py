"""Text for people: what came from strangers or third-party errors, fit for a line or a Markdown page, and durations."""

import re

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_MARKDOWN = re.compile(r"[\\`*_~&\[\]<>|]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def printable(text: str) -> str:
    """Return a stranger's text as a terminal may show it: what would steer the terminal is replaced.

    That is every character that is no letter, mark, number, symbol or space: controls and escapes, line ends, overrides
    of the writing direction, and what stands in a file's name for bytes that are no text.
    """
    return "".join(letter if letter.isprintable() else _REPLACEMENT for letter in text)


def printable_lines(text: str) -> str:
    """Return text of several lines, each as `printable` has it."""
    return "\n".join(map(printable, text.split("\n")))


def markdown(text: str) -> str:
    """Return a stranger's text as one line of Markdown that shows it: nothing in it is a cell, tag, link or style."""
    return _MARKDOWN.sub(r"\\\g<0>", printable(text))


def markdown_code(text: str) -> str:
    """Return a stranger's text as code in one line of Markdown, also in a table: nothing in it is linked or read."""
    shown = printable(text).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    space = " " if shown[:1] in ("`", " ") or shown[-1:] in ("`", " ") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def size_text(size_hw: tuple[int, int]) -> str:
    """Return a picture's size as people write it, height first."""
    return f"{size_hw[0]}x{size_hw[1]}"


def at_size(what: object, size_hw: tuple[int, int] | None) -> str:
    """Return what a file is called, with the size of its picture where it takes several; None: it takes one."""
    return str(what) if size_hw is None else f"{what} at {size_text(size_hw)}"


def first_line(message: object) -> str:
    """Return the first line of an error's message that says something; "no message" where none does.

    Args:
        message: an error, or its text.
    """
    lines = (line.strip() for line in str(message).splitlines())
    return next((line for line in lines if line), "no message")


def duration(seconds: float) -> str:
    """Return a time for people: "90 s", "12 min", "3 h 20 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes >= 2 else f"{minutes * 60 + rest} s"
