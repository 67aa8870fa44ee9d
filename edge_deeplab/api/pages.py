"""The face's verb about everything that is known of files: one page."""

from collections.abc import Iterable
from pathlib import Path

from edge_deeplab.api.keywords import checked
from edge_deeplab.api.named import Artifacts, to_names, to_path, to_path_or_none, to_paths, types
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import require
from edge_deeplab.progress import SILENT, Progress


@checked
def report(
    files: Artifacts,
    *,
    output: str | Path = "report.html",
    data: str | Path | None = None,
    split: str = "test",
    limit: int | None = None,
    max_pixels: int = MAX_PIXELS,
    label_map: "types.NamedLabelMap" = None,
    reference: str | Path | None = None,
    max_drop: float = 0.5,
    rounds: int = 10,
    threads: int | None = None,
    drift_images: int = 2,
    devices: str | Iterable[str] = (),
    class_map: "types.ClassMap | str | Path | None" = None,
    normalisation: "types.Normalisation | None" = None,
    runtime: str | None = None,
    allowance: "types.Allowance | None" = None,
    png: str | Path | None = None,
    progress: Progress = SILENT,
) -> "types.WrittenReport":
    """Write one self-contained page of all that is known of files: scores, cost, operators, drift, lineage, pictures.

    Keywords are the fields of `report.request.ReportRequest`; results and errors are those of
    `report.writing.write_report`. A file that fails is an entry that says why, not an exception.

    Args:
        files: folders of runs, of `compress` and of exports, exported files, checkpoints; one or several.
        output: the page.
        progress: told of every stage.
    """
    progress.begin("loading torch")
    require("torch", package="torch", extra="train")
    from edge_deeplab.report import writing
    from edge_deeplab.report.request import ReportRequest

    request = ReportRequest(
        paths=to_paths(files),
        output=to_path("output", output),
        png=to_path_or_none("png", png),
        reference=None if reference is None else str(reference),
        max_drop=max_drop,
        rounds=rounds,
        threads=threads,
        drift_images=drift_images,
        devices=to_names("devices", devices),
        data=to_path_or_none("data", data),
        split=split,
        limit=limit,
        max_pixels=max_pixels,
        label_map=label_map,
        class_map=class_map,
        normalisation=normalisation,
        runtime=runtime,
        allowance=allowance,
    )
    return writing.write_report(request, progress)
