"""Whose weights a checkpoint goes back to: told once when they are imported, and carried on by all that comes of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge_deeplab.text import printable

IMPORTED, CARRIED = "imported", "weights_of"
"""Keys of a provenance: what was imported here, and what a teacher or an exported file's checkpoint goes back to."""
UNKNOWN = "unknown"
"""Terms that nobody told."""

_BEFORE = ("starts_from", "taught_by")
"""Keys under which a provenance tells that of another checkpoint."""


@dataclass(frozen=True)
class Origin:
    """Somebody's weights.

    Args:
        file: name of the file that they were imported from.
        sha256: hash of that file.
        licence: the terms that they come under; `UNKNOWN` where nobody told.
    """

    file: str
    sha256: str
    licence: str

    def to_json(self) -> dict[str, str]:
        """Return it as a provenance has it."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.file} (sha256 {self.sha256[:12]}, terms: {self.licence})"


def origins_of(provenance: Mapping[str, Any]) -> tuple[Origin, ...]:
    """Return whose weights a checkpoint goes back to, each once, whatever lies between.

    Args:
        provenance: of a checkpoint's info; what in it is of another form is passed over.
    """
    return tuple(dict.fromkeys(_walk(provenance)))


def carried(origins: Sequence[Origin]) -> dict[str, Any]:
    """Return what carries origins on in another provenance; nothing where there are none."""
    return {CARRIED: [origin.to_json() for origin in origins]} if origins else {}


def with_terms(licence: str, origins: Sequence[Origin]) -> str:
    """Return a licence with the terms that the weights it started from, or was taught by, come under."""
    terms = [f"weights of {o.file}: {o.licence}" for o in origins if o.licence != licence]
    return "; ".join([*filter(None, [licence]), *terms])


def _walk(provenance: Any) -> Iterator[Origin]:
    if not isinstance(provenance, Mapping):
        return
    several = provenance.get(CARRIED)
    for told in [provenance.get(IMPORTED), *(several if isinstance(several, list) else [])]:
        if isinstance(told, Mapping):
            file, sha256, licence = (
                str(told.get(key, UNKNOWN)) for key in ("file", "sha256", "licence")
            )
            yield Origin(printable(file), printable(sha256), printable(licence))
    for key in _BEFORE:
        yield from _walk(provenance.get(key))
