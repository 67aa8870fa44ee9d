"""A replay in a browser: photographs go to the page as parity sees them, and its class maps come back.

The page is a stranger: only the listed names are taken, each at its size, by whoever knows the token in the address.
"""

import io
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image

from edge_deeplab.data.images import read_grey, read_image
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.demo.web_agent import describe_agent
from edge_deeplab.demo.web_folder import WebSite
from edge_deeplab.documents import Fields, parse_json
from edge_deeplab.errors import DataError, OutputError
from edge_deeplab.files import file_sha256, write_atomically
from edge_deeplab.formats.replay import REPLAY, Replay, read_replay
from edge_deeplab.progress import SILENT, Progress

LIST, ACCOUNT = "list.json", "account.json"
_BYTES_BESIDE_PIXELS = 1 << 16
_BYTES_OF_A_NAME = 1 << 10


@dataclass(frozen=True)
class BrowserTask:
    """What a browser is to replay.

    Args:
        site: the page.
        photographs: image files by the name of their class map.
        max_pixels: a larger photograph is refused.
    """

    site: WebSite
    photographs: Mapping[str, Path]
    max_pixels: int = MAX_PIXELS


class BrowserReplay:
    """The exchange of one replay, below a path that begins with its token.

    Args:
        task: what is replayed.
        folder: where class maps and `replay.json` are written.
        progress: told of each class map.
    """

    def __init__(self, task: BrowserTask, folder: Path, progress: Progress = SILENT) -> None:
        self.token = secrets.token_urlsafe(16)
        self.done = threading.Event()
        self.replay: Replay | None = None
        self.failure: DataError | OutputError | None = None
        self._task, self._folder, self._progress = task, folder, progress
        self._hashes: dict[str, str] = {}
        self._lock = threading.Lock()

    def give(self, path: str) -> tuple[str, bytes]:
        """Return the list of names, or a photograph at the model's size as a PNG.

        Raises:
            DataError: when there is nothing of that name, or a photograph cannot be read.
        """
        kind, name = self._parts(path)
        if (kind, name) == ("", LIST):
            return "application/json", self._list()
        if kind != "photographs" or name not in self._task.photographs:
            raise DataError(f"{name or kind} is not among what is replayed")
        with self._ending():
            image = read_image(self._task.photographs[name], max_pixels=self._task.max_pixels)
        file = io.BytesIO()
        pixels = resize_image(image, self._task.site.contract.size_hw)
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)
        return "image/png", file.getvalue()

    def allowed(self, path: str) -> int:
        """Return how many bytes are taken at a path.

        Raises:
            DataError: when nothing is.
        """
        kind, name = self._parts(path)
        if (kind, name) == ("", ACCOUNT):
            return _BYTES_BESIDE_PIXELS + _BYTES_OF_A_NAME * len(self._task.photographs)
        if kind != "maps" or name not in self._task.photographs:
            raise DataError(f"{name or kind} is not among what is replayed")
        height, width = self._task.site.contract.size_hw
        return _BYTES_BESIDE_PIXELS + height * width

    def take(self, path: str, content: bytes, agent: str) -> None:
        """Take a class map, or the account that ends the replay.

        Raises:
            DataError: when it is not what was expected; nothing of it is kept.
            OutputError: when it cannot be written.
        """
        kind, name = self._parts(path)
        with self._lock:
            if kind == "maps":
                self._take_map(name, content)
            else:
                self._take_account(content, agent)

    def settle(self) -> None:
        """End the replay once its account is answered, or what nobody in a browser can mend."""
        if self.replay is not None or self.failure is not None:
            self.done.set()

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Keep what a block fails with as the replay's end."""
        try:
            yield
        except (DataError, OutputError) as error:
            self.failure = error
            raise

    def _parts(self, path: str) -> tuple[str, str]:
        """Return the folder and the name that a path means below the token."""
        token, _, rest = path.partition("/")
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            raise DataError(
                "the token in the address is not this replay's; open the printed address"
            )
        kind, _, name = rest.rpartition("/")
        return kind, unquote(name)

    def _list(self) -> bytes:
        site = self._task.site
        told = {
            "photographs": list(self._task.photographs),
            "model_sha256": site.contract.model_sha256,
            "version": site.version,
        }
        return json.dumps(told).encode()

    def _take_map(self, name: str, content: bytes) -> None:
        path = self._folder / name
        before = path.read_bytes() if path.exists() else None
        with self._ending():
            write_atomically(path, content)
        try:
            read_grey(path, self._task.site.contract.size_hw)
        except DataError:
            path.unlink() if before is None else path.write_bytes(before)
            raise
        if before is None:
            self._progress.advance()
        self._hashes[name] = file_sha256(path)

    def _take_account(self, content: bytes, agent: str) -> None:
        """Write `replay.json` of what the page tells and of what is known here, and read it as parity will."""
        missing = [name for name in self._task.photographs if name not in self._hashes]
        if missing:
            raise DataError(f"{len(missing)} class maps are missing, the first is {missing[0]}")
        try:
            document = self._document(Fields(parse_json(content)), agent)
            with self._ending():
                write_atomically(self._folder / REPLAY, json.dumps(document, indent=1) + "\n")
            self.replay = read_replay(self._folder)
        except ValueError as error:
            raise DataError(f"the account of the replay cannot be meant: {error}") from error

    def _document(self, told: Fields, agent: str) -> dict[str, Any]:
        contract = self._task.site.contract
        if told.text("model_sha256") != contract.model_sha256:
            raise ValueError("it is of another model")
        every = told.every("images", len(self._hashes), len(self._hashes))
        times = {each.text("file"): each.get("ms") for each in every}
        if times.keys() != self._hashes.keys():
            raise ValueError("its images are not the ones that came")
        device, system = describe_agent(agent)
        return {
            "device": device,
            "os": system,
            **{key: told.text(key) for key in ("runtime", "version", "model_sha256")},
            "accelerator": told.get("accelerator"),
            "size_hw": list(contract.size_hw),
            "images": [
                {"file": name, "sha256": self._hashes[name], "ms": times[name]}
                for name in self._task.photographs
            ],
            "classes": [each.name for each in contract.classes],
        }
