"""What a page of `demo --web` holds in memory over many camera frames, in headless Chromium with a fake camera.

    python -m benchmarks.web_frames exports/model.tflite --frames 2000 [--data CAMVID]

The camera shows photographs of the set, at the model's size. Resident memory is that of Chromium's processes together,
read from /proc after every tenth of the frames, garbage collected first; the JavaScript heap is the page's own. A long
task is what keeps the page's thread for more than 50 ms, as browsers count it, from the first frame that is shown.
Without the flags below Chromium itself keeps a picture for every `drawImage` of a video, with no model at all.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from PIL import Image

from edge_deeplab import api
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.data.rendered_set import resolve_dataset
from edge_deeplab.demo.web_folder import write_site
from edge_deeplab.demo.web_server import open_server
from tests.demo.chromium import Chromium, camera_from

FLAGS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
PICTURES, READINGS = 16, 10
WATCH_TASKS = """
globalThis.longTasks = [];
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((task) => task.duration)))
  .observe({ type: "longtask" });
"""


def write_film(dataset: SegmentationDataset, size_hw: tuple[int, int], path: Path) -> None:
    """Write photographs as a y4m film of ten frames a second."""
    height, width = size_hw
    with path.open("wb") as film:
        film.write(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode())
        for index in range(min(PICTURES, len(dataset))):
            picture = Image.fromarray(dataset[index].image_hwc).resize((width, height))
            planes = picture.convert("YCbCr").split()
            small = [plane.resize((width // 2, height // 2)) for plane in planes[1:]]
            film.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in (planes[0], *small)))


def resident_mb(root: int) -> float:
    """Return the resident memory of a process and all below it."""
    parents: dict[int, int] = {}
    pages: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
                pages[int(entry.name)] = int((entry / "statm").read_text().split()[1])
            except OSError:  # it ended meanwhile
                continue
    family = {root}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(pages.get(process, 0) for process in family) * 4096 / 1e6


def watch(browser: Chromium, frames: int) -> list[dict[str, Any]]:
    """Start the camera and return readings until that many frames were shown."""
    browser.evaluate("document.getElementById('camera').click()")
    browser.wait_for("Number(document.body.dataset.frames) >= 1", 600)
    browser.evaluate(WATCH_TASKS)
    readings, start = [], time.monotonic()
    for reading in range(1, READINGS + 1):
        wanted = reading * frames // READINGS
        browser.wait_for(f"Number(document.body.dataset.frames) >= {wanted}", 3600)
        tasks = browser.evaluate("longTasks")
        browser.send("HeapProfiler.collectGarbage")
        heap = browser.evaluate("performance.memory.usedJSHeapSize") / 1e6
        readings.append(
            {
                "frames": int(browser.evaluate("document.body.dataset.frames")),
                "seconds": round(time.monotonic() - start, 1),
                "resident_mb": round(resident_mb(browser.process), 1),
                "heap_mb": round(heap, 2),
                "long_tasks": len(tasks),
                "longest_ms": round(max(tasks, default=0)),
            }
        )
    return readings


def main() -> None:
    """Print the readings as JSON, and by how much memory grew from the second to the last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    dataset = resolve_dataset(None if asked.data is None else DataFolder(asked.data), "test")
    with tempfile.TemporaryDirectory() as place:
        site = write_site(api.open_artifact(asked.file), dataset, Path(place) / "site")
        film = Path(place) / "film.y4m"
        write_film(dataset, site.contract.size_hw, film)
        server = open_server(site.path, "127.0.0.1", 0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Chromium(*FLAGS, *camera_from(film)) as browser:
            browser.open(f"http://localhost:{server.server_port}/")
            browser.wait_for("document.body.dataset.ready")
            readings = watch(browser, asked.frames)
        server.shutdown()
        server.server_close()
    grown = {
        key: round(readings[-1][key] - readings[1][key], 2) for key in ("resident_mb", "heap_mb")
    }
    document = {"file": asked.file.name, "readings": readings, "grown": grown}
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
