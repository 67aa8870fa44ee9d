"""Text from strangers and from third-party errors, made fit for one line of a terminal."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """Return a stranger's text as a terminal may show it: what would steer the terminal is replaced."""
    return "".join(letter if letter.isprintable() else _REPLACEMENT for letter in text)


def first_line(message: object) -> str:
    """Return the first line of an error's message that says something; "no message" where none does.

    Args:
        message: an error, or its text.
    """
    lines = (line.strip() for line in str(message).splitlines())
    return next((line for line in lines if line), "no message")
