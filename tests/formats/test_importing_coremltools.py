"""coremltools without what it imports only to convert from: those are out of the process, and can be had afterwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LEFT_OUT = ("executorch", "sklearn", "torchao", "transformers")
"""Installed here, the first as an empty package, and imported by `import coremltools`."""


@pytest.mark.parametrize(("converting", "torch"), [(True, True), (False, False)])
def test_frameworks_that_nothing_comes_from_are_left_out_and_can_be_imported_later(
    converting: bool, torch: bool, tmp_path: Path
) -> None:
    exporter = tmp_path / "executorch" / "exir" / "__init__.py"
    exporter.parent.mkdir(parents=True)
    exporter.touch()
    code = (
        "import sys\n"
        "from edge_deeplab.formats.importing_coremltools import import_coremltools\n"
        f"assert import_coremltools(converting={converting}).__version__\n"
        f"print(*sorted({{*{LEFT_OUT}, 'torch'}} & {{*sys.modules}}))\n"
        "import sklearn.cluster"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["torch"] * torch
