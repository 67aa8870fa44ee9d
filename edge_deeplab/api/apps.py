"""The face's verbs for whoever puts a file into an app: what it must know, and class maps to be held against."""

from pathlib import Path

from edge_deeplab.api.files import open_artifact
from edge_deeplab.api.keywords import checked
from edge_deeplab.api.named import to_path, to_path_or_none, to_size, types
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.progress import SILENT, Progress


@checked
def replay(
    artifact: str | Path,
    *,
    photographs: str | Path,
    output: str | Path,
    split: str = "test",
    limit: int | None = None,
    on: str | None = None,
    size_hw: tuple[int, int] | None = None,
    threads: int | None = None,
    runtime: str | None = None,
    allowance: "types.Allowance | None" = None,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> "types.Replay":
    """Write the class map of each photograph, and `replay.json`, for `parity(masks=...)`.

    Keywords that are not told here, and errors, are those of `open_artifact` and `demo.replay.replay_photographs`.

    Args:
        artifact: the file that is run.
        photographs: a folder of them, or of labelled data.
        output: a folder that is new, empty or an earlier replay.
        split: of labelled data.
        limit: only the first photographs; None for all.
        on: a device of the lab, by its profile, that runs the file (`lab.scoring.DeviceParityRequest`).
        progress: told of each photograph.
    """
    from edge_deeplab.demo.replay import check_output, find_photographs, replay_photographs
    from edge_deeplab.formats.replay import AcceleratorUse
    from edge_deeplab.lab.scoring import DeviceParityRequest
    from edge_deeplab.runtimes.open import known_runtime

    known_runtime(runtime)
    device = (
        None if on is None else DeviceParityRequest(on=on, runtime=runtime, allowance=allowance)
    )
    paths = find_photographs(to_path("photographs", photographs), split)[:limit]
    masks, file = to_path("output", output), to_path("artifact", artifact)
    check_output(masks)
    progress.begin(f"opening {file.name}")
    used = None if on is None else AcceleratorUse(asked=on, got="not told")
    if device is None:
        opened = open_artifact(
            file, size_hw=size_hw, threads=threads, runtime=runtime, allowance=allowance
        )
    else:
        opened = device.open_file(file, to_size(size_hw))
    with opened:
        return replay_photographs(
            opened, paths, masks, accelerator=used, max_pixels=max_pixels, progress=progress
        )


@checked
def write_contract(
    artifact: str | Path,
    *,
    output: str | Path,
    data: str | Path | None = None,
    split: str = "test",
    size_hw: tuple[int, int] | None = None,
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
    from edge_deeplab.demo import contract_folder
    from edge_deeplab.demo.golden import golden_images

    place, labelled = to_path("output", output), to_path_or_none("data", data)
    contract_folder.check_output(place)
    dataset = golden_images(labelled, split, max_pixels)
    file = to_path("artifact", artifact)
    progress.begin(f"opening {file.name}")
    opened = open_artifact(
        file, size_hw=size_hw, threads=threads, runtime=runtime, allowance=allowance
    )
    with opened:
        return contract_folder.write_contract(opened, dataset, place, progress)
