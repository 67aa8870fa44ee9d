"""A replay in a browser: what is given and taken, and the whole of it in headless Chromium."""

import http.client
import io
import json
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from edge_deeplab import api
from edge_deeplab.data.images import images_in
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.demo import web_replay
from edge_deeplab.demo.replay import name_class_maps, replay_photographs
from edge_deeplab.demo.web_folder import WebSite
from edge_deeplab.demo.web_replay import BrowserReplay, BrowserTask
from edge_deeplab.demo.web_task import WebTask
from edge_deeplab.errors import DataError, OutputError
from edge_deeplab.formats.replay import read_replay
from tests.demo.chromium import Chromium
from tests.demo.web import NoiseDataset, Serve


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of three pictures of noise."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(NoiseDataset()[index].image_hwc).save(folder / f"street {index}.png")
    return folder


@pytest.fixture
def exchange(sites: dict[str, WebSite], photographs: Path, tmp_path: Path) -> BrowserReplay:
    task = BrowserTask(sites["onnx"], name_class_maps(images_in(photographs)))
    (tmp_path / "masks").mkdir()
    return BrowserReplay(task, tmp_path / "masks")


def png(ids: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(ids).save(file, "PNG")
    return file.getvalue()


def account(exchange: BrowserReplay, **changes: Any) -> bytes:
    token = exchange.token
    listed = json.loads(exchange.give(f"{token}/list.json")[1])
    images = [
        {"file": n, "ms": {"prepare": 1, "infer": 2, "draw": 3}} for n in listed["photographs"]
    ]
    told = {
        "model_sha256": listed["model_sha256"],
        "runtime": "LiteRT.js",
        "version": "2.5.3",
        "accelerator": {"asked": "webgpu", "got": "wasm"},
        "images": images,
    }
    return json.dumps({**told, **changes}).encode()


def send_maps(exchange: BrowserReplay) -> None:
    for index in range(3):
        ids = np.full((32, 48), index, np.uint8)
        exchange.take(f"{exchange.token}/maps/street%20{index}.png", png(ids), "")


def test_photographs_are_given_as_everything_else_resizes_them(
    exchange: BrowserReplay, photographs: Path
) -> None:
    kind, content = exchange.give(f"{exchange.token}/photographs/street%201.png")
    with Image.open(io.BytesIO(content)) as given, Image.open(photographs / "street 1.png") as own:
        assert (kind, given.format) == ("image/png", "PNG")
        assert np.array_equal(np.asarray(given), resize_image(np.asarray(own), (32, 48)))


def test_account_becomes_the_document_of_a_replay(exchange: BrowserReplay, tmp_path: Path) -> None:
    send_maps(exchange)
    assert not exchange.done.is_set()
    exchange.take(
        f"{exchange.token}/account.json",
        account(exchange),
        "X (Linux; Android 15; Pixel 8) Chrome/1",
    )
    assert not exchange.done.is_set(), "it is not answered yet"
    exchange.settle()
    assert exchange.done.is_set()
    replay = read_replay(tmp_path / "masks")
    assert replay == exchange.replay
    assert (replay.device, replay.os) == ("Pixel 8, Chrome 1", "Android 15")
    assert (replay.accelerator.asked, replay.accelerator.got) == ("webgpu", "wasm")
    assert [image.file for image in replay.images] == [f"street {i}.png" for i in range(3)]
    assert replay.classes == ("red", "green", "blue")


@pytest.mark.parametrize(
    "path",
    [
        "{t}/photographs/other.png",
        "{t}/photographs/..%2Fsecret",
        "{t}/",
        "{t}/x/list.json",
        "x/list.json",
        "",
    ],
)
def test_nothing_else_is_given(exchange: BrowserReplay, path: str) -> None:
    with pytest.raises(DataError, match=r"is not among what is replayed|the token in the address"):
        exchange.give(path.format(t=exchange.token))


@pytest.mark.parametrize(
    "path",
    ["{t}/maps/other.png", "{t}/maps/..%2Freplay.json", "{t}/replay.json", "x/maps/street%200.png"],
)
def test_nothing_else_is_taken(exchange: BrowserReplay, path: str) -> None:
    with pytest.raises(DataError, match=r"is not among what is replayed|the token in the address"):
        exchange.allowed(path.format(t=exchange.token))


def test_sizes_are_bounded(exchange: BrowserReplay) -> None:
    assert exchange.allowed(f"{exchange.token}/maps/street%200.png") < 32 * 48 + (1 << 17)
    assert exchange.allowed(f"{exchange.token}/account.json") < 1 << 17


@pytest.mark.parametrize(
    "content",
    [b"no picture", png(np.zeros((8, 8), np.uint8)), png(np.zeros((32, 48, 3), np.uint8))],
    ids=["bytes", "another size", "colours"],
)
def test_class_map_that_is_none_is_refused_and_not_kept(
    exchange: BrowserReplay, content: bytes, tmp_path: Path
) -> None:
    with pytest.raises(DataError):
        exchange.take(f"{exchange.token}/maps/street%200.png", content, "")
    assert list((tmp_path / "masks").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_sha256": "0" * 64}, "it is of another model"),
        ({"images": []}, "images"),
        ({"accelerator": "gpu"}, "accelerator"),
        ({"runtime": ""}, "runtime"),
        ({"images": 3 * [{"file": "street 0.png", "ms": {"infer": 1}}]}, "not the ones that came"),
    ],
)
def test_account_that_cannot_be_meant_ends_nothing(
    exchange: BrowserReplay, changes: dict[str, Any], reason: str
) -> None:
    send_maps(exchange)
    with pytest.raises(DataError, match=reason):
        exchange.take(f"{exchange.token}/account.json", account(exchange, **changes), "")
    exchange.settle()
    assert not exchange.done.is_set()


@pytest.mark.parametrize(
    ("path", "length", "reason"),
    [
        ("{t}/maps/street%200.png", "99999999", "99999999 bytes came; at most"),
        ("{t}/maps/street%200.png", "-1", "-1 bytes came"),
        ("{t}/maps/street%200.png", "", "no number of bytes came"),
        ("guess/maps/street%200.png", "9", "the token in the address"),
    ],
)
def test_server_refuses_what_is_too_large_and_whoever_has_no_token(
    exchange: BrowserReplay,
    sites: dict[str, WebSite],
    serve: Serve,
    path: str,
    length: str,
    reason: str,
) -> None:
    port = urlsplit(serve(sites["onnx"].path, exchange)).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("PUT", f"/replay/{path.format(t=exchange.token)}")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, reason in answer.read().decode()) == (400, True)
    connection.close()


def test_account_before_all_class_maps_is_refused(exchange: BrowserReplay) -> None:
    with pytest.raises(DataError, match=r"3 class maps are missing, the first is street 0\.png"):
        exchange.take(f"{exchange.token}/account.json", account(exchange), "")


def full(path: Path, content: bytes) -> None:
    raise OutputError(f"{path} cannot be written (No space left on device)")


@pytest.mark.parametrize(
    ("is_full", "verb", "path", "status", "told"),
    [
        (False, "GET", "photographs/street%201.png", 400, "cannot be read as an image"),
        (True, "PUT", "maps/street%200.png", 500, "No space left on device"),
    ],
)
def test_replay_that_cannot_go_on_ends_with_the_reason(
    sites: dict[str, WebSite],
    photographs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_full: bool,
    verb: str,
    path: str,
    status: int,
    told: str,
) -> None:
    masks = tmp_path / "masks"
    task = WebTask(sites["onnx"].path, port=0, photographs=photographs, masks=masks)
    (photographs / "street 1.png").write_bytes(b"no picture")
    if is_full:
        monkeypatch.setattr(web_replay, "write_atomically", full)
    answers: list[tuple[int, str]] = []
    with pytest.raises((DataError, OutputError), match=told):
        replay_asking(task, sites["onnx"], verb, path, answers)
    assert [(code, told in text) for code, text in answers] == [(status, True)]
    assert not masks.exists()


def replay_asking(
    task: WebTask, site: WebSite, verb: str, path: str, answers: list[tuple[int, str]]
) -> None:
    """Run a replay of which a browser asks for one thing, and keep the answer."""
    addresses: queue.Queue[str] = queue.Queue()
    with background(lambda: task.replay(site, addresses.put)):
        address = urlsplit(addresses.get(timeout=20))
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=10)
        ids = png(np.zeros((32, 48), np.uint8)) if verb == "PUT" else None
        connection.request(verb, f"/replay/{address.query.removeprefix('replay=')}/{path}", ids)
        answer = connection.getresponse()
        answers.append((answer.status, answer.read().decode()))
        connection.close()


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_browser_replays_photographs_as_the_file_here_does(
    sites: dict[str, WebSite],
    artifacts: dict[str, Path],
    photographs: Path,
    tmp_path: Path,
    target: str,
) -> None:
    masks, told = tmp_path / "masks", threading.Event()
    addresses: list[str] = []
    task = WebTask(sites[target].path, port=0, photographs=photographs, limit=2, masks=masks)

    def tell(address: str) -> None:
        addresses.append(address)
        told.set()

    with background(lambda: task.replay(sites[target], tell)), Chromium() as browser:
        assert told.wait(20)
        browser.open(addresses[0])
        assert browser.wait_for("document.body.dataset.replayed") == "2"
    replay = read_replay(masks)
    assert replay.device.startswith("Chrome ")
    assert (replay.accelerator.asked, replay.accelerator.got) == ("wasm", "wasm")
    assert (
        replay.runtime_name
        == {"onnx": "onnxruntime-web 1.30.0", "tflite": "LiteRT.js 2.5.3"}[target]
    )
    assert all(image.ms.infer > 0 for image in replay.images)
    own = tmp_path / "own"
    replay_photographs(api.open_artifact(artifacts[target]), images_in(photographs)[:2], own)
    for image in replay.images:
        with Image.open(masks / image.file) as there, Image.open(own / image.file) as here:
            assert np.array_equal(np.asarray(there), np.asarray(here))


class background:  # noqa: N801  (reads as a verb)
    """Runs something in a thread while the block lasts, and raises what it raised."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work, self._error = work, None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self._error = error

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive(), "the server ends when all class maps are there"
        if self._error is not None:
            raise self._error
