"""Several sizes in one delivery: targets whose format allows it have one file that takes each size."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.converters.coreml_sizes import unite_coreml
from edge_deeplab.converters.exported import ExportedArtifact
from edge_deeplab.converters.onnx_sizes import unite_onnx
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.converters.tflite_sizes import unite_tflite
from edge_deeplab.errors import ConversionError
from edge_deeplab.files import replace_when_complete
from edge_deeplab.formats.manifest import content_bytes, content_sha256
from edge_deeplab.progress import Progress
from edge_deeplab.targets import TargetName
from edge_deeplab.text import size_text

UNITED: Mapping[TargetName, Callable[[Sequence[Path], Path], None]] = {
    "coreml": unite_coreml,
    "tflite": unite_tflite,
    "onnx": unite_onnx,
}
"""Targets with one file of several sizes, and what writes it of a file a size; the others have a file for each."""

NO_SIZE = AskedRewrite("spread-pooled-pixel", reason="several sizes")
"""What parts of one program for all sizes ask for, so that no operator of it names a size."""

ONE_PROGRAM: tuple[TargetName, ...] = ("coreml", "onnx")
"""Targets whose file of several sizes is one program; a TFLite file has a subgraph for each."""


def unite(
    written: Sequence[ExportedArtifact], folder: Path, progress: Progress
) -> list[ExportedArtifact]:
    """Return what an export delivers: its files, and in place of the parts of a whole the whole.

    Args:
        written: what was written, target by target at each size; parts stand in another folder.
        folder: where the delivery stands.
        progress: told of what is united, and of what could not be.

    Raises:
        OutputError: when the folder cannot be written.
    """
    delivered: list[ExportedArtifact] = []
    for target in dict.fromkeys(artifact.target for artifact in written):
        own = [artifact for artifact in written if artifact.target == target]
        parts = [artifact for artifact in own if artifact.path.parent != folder]
        delivered += _whole(parts, folder, progress) if parts else own
    return delivered


def _whole(
    parts: Sequence[ExportedArtifact], folder: Path, progress: Progress
) -> list[ExportedArtifact]:
    """Return one file of several sizes; where their programs differ in more than shapes, the parts in its place."""
    first, sizes = parts[0], tuple(part.size_hw for part in parts)
    named = first.path.stem.removesuffix(f"-{size_text(first.size_hw)}") + first.path.suffix
    progress.begin(f"uniting {', '.join(map(size_text, sizes))} in {named}")
    path = folder / named
    try:
        with replace_when_complete(path) as temporary:
            UNITED[first.target]([part.path for part in parts], temporary)
    except ConversionError as error:
        progress.note(f"warning: a file for each size: {error}")
        return [_kept(part, folder / part.path.name) for part in parts]
    return [
        replace(
            first,
            path=path,
            bytes=content_bytes(path),
            sha256=content_sha256(path),
            operators=max((part.operators for part in parts), key=_badness),
            rewrites=tuple(dict.fromkeys(each for part in parts for each in part.rewrites)),
            seconds=sum(part.seconds for part in parts),
            sizes_hw=sizes,
        )
    ]


def _badness(operators: Mapping[Verdict, int]) -> list[int]:
    """Return how many operators have each verdict, the worst first."""
    return [operators.get(verdict, 0) for verdict in sorted(Verdict, reverse=True)]


def _kept(part: ExportedArtifact, path: Path) -> ExportedArtifact:
    """Return a part as a file of its own."""
    with replace_when_complete(path) as temporary:
        shutil.move(part.path, temporary)
    return replace(part, path=path)
