"""The commands of docs/start.md, run as they stand, on data of a dozen pictures."""

import subprocess
import sys
from pathlib import Path

from tests.docs_commands import ROOT, commands_of
from tests.docs_desk import write_camvid


def test_start_runs_as_it_is_told(tmp_path: Path) -> None:
    write_camvid(tmp_path / "camvid", (184, 240))
    for told in commands_of(ROOT / "docs" / "start.md"):
        done = subprocess.run(
            [sys.executable, "-m", "edge_deeplab", *told.typed_in(tmp_path)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{told}\n{done.stdout}\n{done.stderr}"
    assert len(list((tmp_path / "overlays").glob("*.png"))) == 2
