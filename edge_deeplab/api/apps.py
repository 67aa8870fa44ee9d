"""The face's verbs for whoever puts a file into an app: what it must know, and class maps to be held against."""

from pathlib import Path

from edge_deeplab.api.files import open_artifact
from edge_deeplab.api.keywords import checked
from edge_deeplab.api.named import to_path, to_path_or_none, types
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.progress import SILENT, Progress


@checked
def replay(
    artifact: str | Path,
    *,
    photographs: str | Path,
    output: str | Path,
    limit: int | None = None,
    threads: int | None = None,
    runtime: str | None = None,
    allowance: "types.Allowance | None" = None,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> "types.Replay":
    """Write the class map of each photograph of a folder, and `replay.json`, for `parity(masks=...)`.

    Keywords that are not told here, and errors, are those of `open_artifact` and `demo.replay.replay_photographs`.

    Args:
        artifact: the file that is run.
        photographs: the folder.
        output: a folder that is new, empty or an earlier replay.
        limit: only the first photographs by name; None for all.
        progress: told of each photograph.
    """
    from edge_deeplab.demo.replay import check_output, replay_photographs
    from edge_deeplab.demo.sources import images_in

    paths, masks = images_in(to_path("photographs", photographs))[:limit], to_path("output", output)
    check_output(masks)
    file = to_path("artifact", artifact)
    progress.begin(f"opening {file.name}")
    opened = open_artifact(file, threads=threads, runtime=runtime, allowance=allowance)
    with opened:
        return replay_photographs(opened, paths, masks, max_pixels=max_pixels, progress=progress)


@checked
def write_contract(
    artifact: str | Path,
    *,
    output: str | Path,
    data: str | Path | None = None,
    split: str = "test",
    threads: int | None = None,
    runtime: str | None = None,
    allowance: "types.Allowance | None" = None,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> "types.Contract":
    """Write what an app must know of a file: as JSON, as code in four languages, and as golden frames.

    Keywords that are not told here, and errors, are those of `open_artifact` and `demo.contract_folder.write_contract`.

    Args:
        artifact: an exported file that describes itself.
        output: a folder that is new, empty or an earlier contract.
        data: whose photographs become golden frames, a labelled folder; None for the rendered set.
        split: of the folder.
        progress: told of each frame.
    """
    from edge_deeplab.data.folder import DataFolder
    from edge_deeplab.data.rendered_set import resolve_dataset
    from edge_deeplab.demo import contract_folder

    place, labelled = to_path("output", output), to_path_or_none("data", data)
    contract_folder.check_output(place)
    folder = None if labelled is None else DataFolder(labelled, max_pixels)
    dataset = resolve_dataset(folder, split)
    file = to_path("artifact", artifact)
    progress.begin(f"opening {file.name}")
    opened = open_artifact(file, threads=threads, runtime=runtime, allowance=allowance)
    with opened:
        return contract_folder.write_contract(opened, dataset, place, progress)
