"""Folders that are one artifact: nothing outside of one is read because something inside says so."""

from pathlib import Path

from edge_deeplab.errors import ArtifactError
from edge_deeplab.text import printable


def check_links(folder: Path) -> None:
    """Check that no link of a folder leads out of it; hashes and copies of folders follow links, too.

    Raises:
        ArtifactError: when one does.
    """
    for entry in folder.rglob("*"):
        if entry.is_symlink() and leads_out(entry, folder):
            raise leading_out(folder, f"holds the link {printable(str(entry.relative_to(folder)))}")


def leads_out(place: Path, folder: Path) -> bool:
    """Tell whether a place, links followed, is outside a folder; so is a link that leads to itself."""
    try:
        return not place.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return True


def leading_out(path: Path, what: str) -> ArtifactError:
    """Return the error for a folder of which something leads out, `what` says how."""
    return ArtifactError(
        f"{path} {what}, which leads outside the package; files inside it were expected; do not trust this package"
    )
