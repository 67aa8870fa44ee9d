"""Where the checkpoints inside the package lie."""

from importlib.resources import files
from pathlib import Path


def shipped_checkpoints() -> dict[str, Path]:
    """Return the shipped checkpoints by name."""
    folder = Path(str(files("edge_deeplab.weights")))
    return dict(sorted((path.stem, path) for path in folder.glob("*.safetensors")))
