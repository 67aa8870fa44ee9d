"""`edge-deeplab demo --web`: options, what it tells, and its server."""

import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from edge_deeplab.cli.demo import demo
from edge_deeplab.demo.web_address import address_of, is_loopback, qr_code
from edge_deeplab.demo.web_agent import describe_agent
from edge_deeplab.demo.web_server import open_server
from edge_deeplab.demo.web_task import WebTask
from edge_deeplab.errors import OutputError
from tests.conftest import MakeDataset
from tests.demo.web import Serve, require_packages

ANDROID = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile "
    "Safari/537.36"
)


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(demo)
    return CliRunner().invoke(app, list(map(str, arguments)))


def ask(address: str, path: str, method: str = "GET") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(address).port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        return answer
    finally:
        connection.close()


def test_command_writes_the_folder_and_tells_sizes(
    artifacts: dict[str, Path], make_dataset: MakeDataset, tmp_path: Path
) -> None:
    require_packages("onnx")
    data = make_dataset("test", count=2)
    asked = [artifacts["onnx"], "--web", tmp_path / "site", "--data", data]
    result = run(*asked, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["path"] == str(tmp_path / "site")
    assert document["runtime"] == "onnxruntime-web 1.30.0"
    assert 0 < document["page_bytes"] < 150_000 < document["total_bytes"]
    told = run(*asked).stdout
    assert "a page for none-fp32.onnx in onnxruntime-web 1.30.0" in told
    golden = json.loads((tmp_path / "site" / "golden" / "golden.json").read_text())
    assert len(golden["frames"]) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--source", "x", "--serve"], "it came without --web"),
        (["--web", "x", "--port", "1"], "it came without --serve"),
        (["--web", "x", "--qr"], "it came without --serve"),
        (["--web", "x", "--output", "y"], "it came without --replay"),
        (["--web", "x", "--replay", "y"], "--web takes --replay with --serve"),
        (["--web", "x", "--serve", "--replay", "y"], "a folder for the class maps was expected"),
        (["--web", "x", "--contract", "y"], "--contract and --web came"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("a.onnx", *arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_what_runs_in_no_browser_is_said_before_the_model_is_opened(tmp_path: Path) -> None:
    result = run(tmp_path / "model.mlpackage", "--web", tmp_path / "site")
    assert result.exit_code == 1
    assert "runs in no browser" in result.stderr


def test_qr_without_segno_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    result = run("a.onnx", "--web", tmp_path / "site", "--serve", "--port", 0, "--qr")
    assert result.exit_code == 1
    assert "pip install 'edge-deeplab[web]'" in result.stderr


def test_qr_code_holds_the_address() -> None:
    pytest.importorskip("segno")
    lines = qr_code("http://localhost:8000/").splitlines()
    assert {len(line) for line in lines} == {len(lines[0])}
    assert set("".join(lines)) == set("█▀▄ ")
    assert lines[0].strip() == ""  # the quiet zone
    assert lines[1][2:9] == "█▀▀▀▀▀█"  # the corner that a camera looks for


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://localhost:80/"),
        ("localhost", "http://localhost:80/"),
        ("::1", "http://localhost:80/"),
        ("192.168.0.7", "http://192.168.0.7:80/"),
        ("fe80::7", "http://[fe80::7]:80/"),
    ],
)
def test_address_is_what_a_browser_opens(host: str, address: str) -> None:
    assert address_of(host, 80) == address
    assert is_loopback(host) == ("localhost" in address)


def test_loopback_that_is_not_localhost_keeps_its_address() -> None:
    assert address_of("127.0.0.2", 80) == "http://127.0.0.2:80/"
    assert is_loopback("127.0.0.2")


def test_every_network_has_this_machines_address_and_a_warning() -> None:
    assert "0.0.0.0" not in address_of("0.0.0.0", 80)
    assert "everybody who reaches" in str(WebTask(Path("site"), host="0.0.0.0").warning)
    assert WebTask(Path("site")).warning is None


@pytest.mark.parametrize(
    ("agent", "described"),
    [
        (ANDROID, ("Pixel 8, Chrome 156", "Android 15")),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.1 Mobile/15E148 Safari/604.1",
            ("iPhone, Safari 18", "iOS 18.1"),
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 "
            "Safari/537.36",
            ("Chrome 156", "Linux"),
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
            ("Firefox 145", "Windows 10"),
        ),
        ("", ("unknown", "unknown")),
    ],
)
def test_device_and_system_are_what_the_browser_tells(
    agent: str, described: tuple[str, str]
) -> None:
    assert describe_agent(agent) == described


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder beside a secret."""
    site = tmp_path / "site"
    (site / "app").mkdir(parents=True)
    for name in ("index.html", "app/main.js", "ort.mjs", "a.wasm", "a.webmanifest", "a.tflite"):
        (site / name).write_text("content")
    (tmp_path / "secret.txt").write_text("secret")
    return site


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/?replay=x", "text/html"),
        ("/app/main.js", "text/javascript"),
        ("/ort.mjs", "text/javascript"),
        ("/a.wasm", "application/wasm"),
        ("/a.webmanifest", "application/manifest+json"),
        ("/a.tflite", "application/octet-stream"),
    ],
)
def test_server_says_types_and_isolates_the_page(
    folder: Path, serve: Serve, path: str, kind: str
) -> None:
    answer = ask(serve(folder), path)
    assert (answer.status, answer.headers.get_content_type()) == (200, kind)
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src")


@pytest.mark.parametrize(
    "path", ["/app/", "/../secret.txt", "/%2e%2e/secret.txt", "//secret.txt", "/absent"]
)
def test_server_lists_nothing_and_leaves_its_folder_nowhere(
    folder: Path, serve: Serve, path: str
) -> None:
    answer: Any = ask(serve(folder), path)
    assert answer.status == 404
    assert b"secret" not in answer.body.replace(b"secret.txt", b"")
    assert b"main.js" not in answer.body


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_server_takes_nothing(folder: Path, serve: Serve, method: str) -> None:
    assert ask(serve(folder), "/index.html", method).status in (405, 501)
    assert (folder / "index.html").read_text() == "content"


def test_port_in_use_is_one_sentence(folder: Path) -> None:
    refused = pytest.raises(OutputError, match=r"nothing can be served on 127.*--port")
    with open_server(folder, "127.0.0.1", 0) as first, refused:
        open_server(folder, "127.0.0.1", first.server_port)


@pytest.mark.skipif(os.name == "nt", reason="only on POSIX: Ctrl-C is sent")
def test_served_page_tells_its_address_as_text_and_code_until_ctrl_c(
    artifacts: dict[str, Path], make_dataset: MakeDataset, tmp_path: Path
) -> None:
    require_packages("onnx")
    pytest.importorskip("segno")
    asked = [artifacts["onnx"], "--web", tmp_path / "site", "--data", make_dataset("test", count=1)]
    command = [
        sys.executable,
        "-m",
        "edge_deeplab",
        "demo",
        *asked,
        "--serve",
        "--port",
        "0",
        "--qr",
    ]
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout is not None
        address = served.stdout.readline().removeprefix("open ").strip()
        assert ask(address, "/site.json").status == 200
        assert served.stdout.readline() == "Ctrl-C ends it\n"
        served.send_signal(signal.SIGINT)
        _, told = served.communicate(timeout=30)
    assert served.returncode == 0, told
    assert "█" in told
