"""How a command may end, whatever it was given, and what it must never do."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

OK, REFUSED, BAD = "ok", "refused", "bad"
_LAID_BARE = re.compile(r"Traceback \(most recent|unexpected \w+: |unexpected \w+\b.*--debug")
"""What a user must not see: Python's own words for a failure that nobody foresaw."""
_LONGEST_EXCERPT = 300


@dataclass(frozen=True)
class Ending:
    """How one step on one mutant ended.

    Args:
        verdict: "ok", "refused" (in one sentence) or "bad".
        what: for a bad one what it did, for a refused one the sentence.
        where: for a bad one the place in the package, as far as it is known.
        seconds: time that it took.
        peak_bytes: most memory beyond what was held before, as far as it was seen.
    """

    verdict: str
    what: str = ""
    where: str = ""
    seconds: float = 0.0
    peak_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def judge_output(code: int | None, stdout: str, stderr: str, *, as_json: bool) -> Ending:
    """Judge what a command said.

    Args:
        code: its exit code; None where the step is no command.
        stdout: what it printed there.
        stderr: what it printed there.
        as_json: whether it was asked for one JSON document.
    """
    problem = find_problem(code, stdout, stderr, as_json=as_json)
    if problem is not None:
        return Ending(BAD, problem)
    sentence = next((line for line in stderr.splitlines() if line.startswith("error: ")), "")
    return Ending(REFUSED if code in (1, 2) else OK, excerpt(sentence))


def find_problem(code: int | None, stdout: str, stderr: str, *, as_json: bool) -> str | None:
    """Return what is wrong with what a command said; None where nothing is. Arguments as for `judge_output`."""
    if code not in (None, 0, 1, 2):
        return f"exit code {code}: {excerpt(stderr)}"
    for stream in (stdout, stderr):
        if found := _LAID_BARE.search(stream):
            return f"lays bare: {excerpt(stream[found.start() :])}"
    if as_json and stdout.strip() and not is_json(stdout):
        return f"stdout is no JSON document: {excerpt(stdout)}"
    for stream in (stderr,) if as_json else (stdout, stderr):
        line = next((line for line in stream.split("\n") if not is_printable(line)), None)
        if line is not None:
            return f"prints what steers a terminal: {excerpt(line)}"
    return None


def is_json(text: str) -> bool:
    """Tell whether a text is one JSON document, without NaN."""
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def is_printable(line: str) -> bool:
    """Tell whether a terminal shows a line as it is; a progress bar may go back to the line's start."""
    return line.replace("\r", "").replace("\t", "").isprintable()


def excerpt(text: str) -> str:
    """Return the beginning of a text in one printable line."""
    return ascii(text.strip())[1:-1][:_LONGEST_EXCERPT]
