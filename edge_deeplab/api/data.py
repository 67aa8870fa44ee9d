"""The face's verb about data sets."""

from pathlib import Path

from edge_deeplab.api.keywords import checked
from edge_deeplab.api.named import to_path, to_path_or_none, types
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import checking
from edge_deeplab.progress import SILENT, Progress


@checked
def data(
    folder: str | Path,
    *,
    sheet: str | Path | None = None,
    max_pixels: int = MAX_PIXELS,
    workers: int = 1,
    progress: Progress = SILENT,
) -> "types.DataSummary":
    """Read every image and mask of a data set; return what its splits hold and all that is wrong with it.

    Needs no torch. Pictures that look alike across splits are looked for where imagehash is installed (extra `data`).

    Args:
        folder: with dataset.toml, PASCAL VOC or Cityscapes; without any, one whose splits hold images and masks, of
            which it tells the ids; or a folder of images beside one of masks, which are one split "all".
        sheet: PNG to write some pictures of each split to, their masks drawn over; None writes none.
        max_pixels: a larger picture is a problem.
        workers: processes that read; more than one asks that the calling script guards its main module, as
            multiprocessing does.
        progress: told each image.

    Raises:
        ConfigError: when the sheet is no PNG.
        DataError: when it is no folder of labelled images.
        OutputError: when the sheet cannot be written; once all is read with the summary (`UnwrittenError`).
    """
    from edge_deeplab.data.inspection.inspect import InspectRequest, inspect

    root, drawn = to_path("folder", folder), to_path_or_none("sheet", sheet)
    with checking("sheet"):
        request = InspectRequest(root, drawn, max_pixels, workers)
    return inspect(request, progress)
