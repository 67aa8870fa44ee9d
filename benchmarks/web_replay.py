"""Photographs replayed in headless Chromium by files' pages of `demo --web`, and scored as any device's replay.

    python -m benchmarks.web_replay exports/model.tflite exports/model.onnx --data CAMVID --limit 40

For each file: the rows of `parity --masks` of the file here and of the browser, with how far the two agree.
"""

import argparse
import json
import queue
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from edge_deeplab import api
from edge_deeplab.data.rendered_set import resolve_dataset
from edge_deeplab.demo.web_folder import write_site
from edge_deeplab.demo.web_task import WebTask
from tests.demo.chromium import Chromium

REPLAY_S = 7200


def replay(file: Path, asked: argparse.Namespace, place: Path) -> Path:
    """Return the folder of class maps that a browser gave of the test split's first photographs."""
    golden = resolve_dataset(None, "test")
    site, masks = write_site(api.open_artifact(file), golden, place / "site"), place / "masks"
    task = WebTask(site.path, port=0, photographs=asked.data, limit=asked.limit, masks=masks)
    addresses: queue.Queue[str] = queue.Queue()
    serving = threading.Thread(target=task.replay, args=(site, addresses.put))
    serving.start()
    with Chromium() as browser:
        browser.open(addresses.get(timeout=60))
        browser.wait_for("document.body.dataset.replayed", REPLAY_S)
        serving.join(60)
    return masks


def measure(file: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Return what a file's replay scores beside the file itself."""
    with tempfile.TemporaryDirectory() as place:
        masks = replay(file, asked, Path(place))
        report = api.parity([file], masks=[masks], data=asked.data, limit=asked.limit)
    here, there = report.artifacts
    return {"file": file.name, "here": here.to_json(), "browser": there.to_json()}


def main() -> None:
    """Print a row for each file as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=40)
    asked = parser.parse_args()
    rows = [measure(file, asked) for file in asked.files]
    sys.stdout.write(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
