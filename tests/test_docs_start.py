"""The commands of docs/start.md, run as they stand, on data of two pictures a split."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from edge_deeplab.data.rendered_set import RenderedDataset
from tests.docs_commands import ROOT, commands_of


def write_camvid(folder: Path) -> None:
    """Write rendered scenes as a data set of CamVid's classes."""
    scenes = RenderedDataset(6)
    classes = "".join(
        f'[[classes]]\nname = "{each.name}"\ncolor = {list(each.color)}\n'
        for each in scenes.classes
    )
    for index in range(6):
        split = folder / ("train", "val", "test")[index % 3]
        for kind in ("images", "masks"):
            (split / kind).mkdir(parents=True, exist_ok=True)
        sample = scenes[index]
        size = (240, 184)
        Image.fromarray(sample.image_hwc).resize(size).save(split / "images" / f"{index}.png")
        mask = Image.fromarray(np.asarray(sample.mask_ids)).resize(size, Image.Resampling.NEAREST)
        mask.save(split / "masks" / f"{index}.png")
    ignored = "" if scenes.ignore_index is None else f"ignore_index = {scenes.ignore_index}\n"
    (folder / "dataset.toml").write_text(f'name = "Small"\n{ignored}{classes}')


def test_start_runs_as_it_is_told(tmp_path: Path) -> None:
    write_camvid(tmp_path / "camvid")
    for told in commands_of(ROOT / "docs" / "start.md"):
        words = [
            str(path.relative_to(tmp_path)) if isinstance(path, Path) else path
            for word in told.words
            for path in (sorted(tmp_path.glob(word)) if "*" in word else [word])
        ]
        done = subprocess.run(
            [sys.executable, "-m", "edge_deeplab", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{told}\n{done.stdout}\n{done.stderr}"
    assert len(list((tmp_path / "overlays").glob("*.png"))) == 2
