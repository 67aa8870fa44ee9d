"""The commands that the documents tell, as they would be typed."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_PROGRAM = re.compile(r"^(?:\$ |- run: |time )*(edge-deeplab .*)$")
_COMMENT = re.compile(r"\s+#\s.*$")


@dataclass(frozen=True)
class Told:
    """A command in a document.

    Args:
        document: the file, from the repository's root.
        line: where it begins, from 1.
        words: what is typed, without the program's name.
    """

    document: str
    line: int
    words: tuple[str, ...]

    def typed_in(self, folder: Path) -> list[str]:
        """Return the words as a shell in a folder gives them: with the files that patterns stand for."""
        return [
            str(each)
            for word in self.words
            for each in (_files(folder, word) if "*" in word else []) or [word]
        ]

    def __str__(self) -> str:
        return f"{self.document}:{self.line} edge-deeplab {shlex.join(self.words)}"


def _files(folder: Path, pattern: str) -> list[Path]:
    return [path.relative_to(folder) for path in sorted(folder.glob(pattern))]


def commands_of(path: Path) -> Iterator[Told]:
    """Yield the commands of a document's code blocks: indented by four, or fenced."""
    fenced, lines = False, path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        fenced ^= line.lstrip().startswith("```")
        found = _PROGRAM.match(line.strip()) if fenced or line.startswith("    ") else None
        if found is None:
            continue
        typed, following = _COMMENT.sub("", found[1]), number
        while typed.endswith("\\") and following < len(lines):
            typed = f"{typed[:-1]} {_COMMENT.sub('', lines[following].strip())}"
            following += 1
        for part in re.split(r"\s(?:&&|\|)\s", typed):
            name, *words = shlex.split(part)
            if name == "edge-deeplab":
                yield Told(str(path.relative_to(ROOT)), number, tuple(words))
