"""The folder of `demo --web`: what lies there, how large it is, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from edge_deeplab import api
from edge_deeplab.demo.web_folder import WebSite, is_own, runtime_for, write_site
from edge_deeplab.demo.web_server import POLICY
from edge_deeplab.errors import ArtifactError, OutputError
from edge_deeplab.runtimes.artifact import ArtifactRuntime
from tests.conftest import REPOSITORY
from tests.demo.test_contract import NHWC, FormEngine
from tests.demo.web import NoiseDataset

PAGE = REPOSITORY / "demo" / "web"


def sources() -> dict[str, str]:
    texts = (".html", ".js", ".css", ".svg", ".webmanifest")
    return {
        path.relative_to(PAGE).as_posix(): path.read_text()
        for path in PAGE.rglob("*")
        if path.suffix in texts
    }


def test_folder_has_page_model_contract_golden_frames_runtime_and_licences(
    sites: dict[str, WebSite], artifacts: dict[str, Path]
) -> None:
    for target, site in sites.items():
        told = json.loads((site.path / "site.json").read_text())
        found = {p.relative_to(site.path).as_posix() for p in site.path.rglob("*") if p.is_file()}
        assert found == {*told["files"], "site.json"}
        assert (site.path / told["model"]).read_bytes() == artifacts[target].read_bytes()
        assert {"index.html", "contract.js", "contract.json", "golden/golden.json"} <= found
        assert all(is_own(entry.name) for entry in site.path.iterdir())
        licences = (site.path / "runtime" / "LICENCES.txt").read_text().splitlines()
        for line in licences:
            assert (site.path / "runtime" / line.partition(": ")[2]).is_file()
        assert "@version@" not in (site.path / "service-worker.js").read_text()
        assert site.version in (site.path / "service-worker.js").read_text()


def test_page_without_model_and_runtime_is_small(sites: dict[str, WebSite]) -> None:
    for site in sites.values():
        assert 0 < site.page_bytes < 150_000


def test_version_changes_with_any_file(
    sites: dict[str, WebSite], artifacts: dict[str, Path], tmp_path: Path
) -> None:
    class Others(NoiseDataset):
        def __len__(self) -> int:
            return 16

    again = write_site(api.open_artifact(artifacts["onnx"]), NoiseDataset(), tmp_path / "again")
    other = write_site(api.open_artifact(artifacts["onnx"]), Others(), tmp_path / "other")
    assert again.version == sites["onnx"].version != other.version


def test_page_names_no_other_host_and_no_path_from_the_root() -> None:
    for name, text in sources().items():
        addresses = re.findall(r"https?://[\w./-]+", text)
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, name
        assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?/""", text), name
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, name


def test_page_and_server_say_one_policy() -> None:
    page = " ".join(sources()["index.html"].split())
    assert f'content="{POLICY}"' in page


def test_files_of_the_page_are_short_and_modules_say_what_they_are_for() -> None:
    for name, text in sources().items():
        if name.endswith(".js"):
            lines = text.splitlines()
            assert lines[0].startswith("// "), name
            assert len(lines) <= 200, name
            assert max(map(len, lines)) <= 130, name


def test_what_no_browser_runs_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"model\.mlpackage runs in no browser; a \.tflite or"):
        runtime_for(Path("model.mlpackage"))
    assert runtime_for(Path("MODEL.TFLITE")) is runtime_for(Path("model.tflite"))


def test_interface_that_the_runtime_has_no_tensors_of_is_refused(tmp_path: Path) -> None:
    engine = FormEngine((NHWC, "uint8", None, (1, 32, 48), "int64"))
    (tmp_path / "model.tflite").write_bytes(b"model")
    runtime = ArtifactRuntime(tmp_path / "model.tflite", engine, None)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match=r"gives int64, which LiteRT\.js has no tensors of"):
        write_site(runtime, NoiseDataset(), tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_folder_replaces_an_earlier_page_and_nothing_else(
    sites: dict[str, WebSite], artifacts: dict[str, Path], tmp_path: Path
) -> None:
    folder, runtime = tmp_path / "site", api.open_artifact(artifacts["onnx"])
    write_site(runtime, NoiseDataset(), folder)
    write_site(runtime, NoiseDataset(), folder)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds something else \(notes\.txt\)"):
        write_site(runtime, NoiseDataset(), folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_golden_class_maps_are_of_more_than_one_class() -> None:
    image = NoiseDataset()[0].image_hwc
    assert len(np.unique(image.argmax(axis=-1))) == 3
