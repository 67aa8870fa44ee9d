"""Exit codes: 2 for a value that an option cannot mean, 1 for what a named file holds or a place that fails.

Every option of every command stands in the table below; a new one is missed by name.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edge_deeplab.cli.app import app

FLAGS = {"--help", "--json", "--debug"}
REQUIRED = {
    "data": ["data"],
    "train": ["--data", "data", "--output", "run"],
    "prune": ["--data", "data", "--output", "run", "--macs", "0.5"],
    "qat": ["--data", "data", "--output", "run"],
    "check": ["a.onnx"],
    "parity": ["a.onnx"],
    "bench": ["a.onnx"],
    "report": ["a.onnx"],
    "lab": ["a.onnx"],
    "compress": ["--data", "data", "--recipe", "recipe.toml", "--output", "run"],
    "import": ["a.tflite", "--output", "a.safetensors"],
    "demo": ["--artifact", "a.onnx", "--source", "pictures", "--headless"],
}
REPLAYING = {"--replay": "pictures", "--output": "masks"}
"""What the demo takes in place of a source."""
CANNOT_BE_MEANT = {
    "train": {
        "--max-pixels": ["0", "x"],
        "--model": ["resnet9000"],
        "--workers": ["-1", "x"],
        "--epochs": ["0", "x"],
        "--size": ["x", "0x16", "16"],
        "--batch": ["0", "x"],
        "--classes": ["", "a,a", "a,,b"],
    },
    "data": {"--max-pixels": ["0", "x"], "--workers": ["-1", "x"], "--sheet": ["sheet.jpg"]},
    "models": {
        "--size": ["0x1", "x", "31x512", "99999999999999999999x512"],
        "--output-stride": ["7", "x"],
    },
    "evaluate": {
        "--fuse": ["sum", ""],
        "--crf-appearance": ["4,67,3"],
        "--max-pixels": ["0", "x"],
        "--runtime": ["xnnpack", ""],
        "--memory-limit": ["0", "-1", "nan", "x", "inf", "1e300"],
        "--time-limit": ["0", "nan", "x", "inf", "1e300"],
        "--output-stride": ["7", "x"],
        "--scales": ["", "0", "nan", "1,x", "-1"],
        "--size": ["x", "0x16", "16", "-16x16", f"{'9' * 5000}x16"],
        "--limit": ["0", "x"],
        "--normalisation": ["1", "1/0", "nan/1", "1/1,2"],
        "--threshold": ["nan", "x", ""],
        "--trimap": ["", "0", "x", "5,1", "1,1", "1000000"],
        "--plot": ["scores.gif"],
    },
    "prune": {
        "--max-pixels": ["0", "x"],
        "--macs": ["1.5", "0", "nan", "x"],
        "--params": ["1.5", "-1", "inf"],
        "--latency": ["2", "nan"],
        "--sparsity": ["half", "1.5", "nan", "2:0", "3:2"],
        "--runtime": ["coreml"],
        "--importance": ["luck"],
        "--allot": ["fair"],
        "--rounds": ["0", "x"],
        "--round-to": ["0", "-8"],
        "--epochs": ["-1", "x"],
        "--distill": ["2", "nan", "-0.1"],
        "--workers": ["-1"],
    },
    "qat": {
        "--max-pixels": ["0", "x"],
        "--epochs": ["-1"],
        "--distill": ["2", "nan"],
        "--estimator": ["entropy"],
        "--equalize": ["2", "nan", "-0.1"],
        "--calibration-images": ["0"],
        "--workers": ["-1"],
    },
    "export": {
        "--max-pixels": ["0", "x"],
        "--target": ["onxn", ""],
        "--precision": ["int7", ""],
        "--sparsity": ["half", "nan"],
        "--size": ["x", "65x97", "0x0", "64x96,", "64x96,65x97", "64x96,64x96"],
        "--backend": ["metal", ""],
        "--head": ["mask"],
        "--atrous": ["dilated"],
        "--profile": ["tflite-cpu"],
    },
    "check": {
        "--profile": ["onnx-cpus"],
        "--explain": ["onnx-cpu.nothing"],
        "--observe": ["everything", ""],
    },
    "parity": {
        "--max-pixels": ["0", "x"],
        "--runtime": ["xnnpack", ""],
        "--on": ["ethos-u5", ""],
        "--memory-limit": ["0", "-1", "nan", "x"],
        "--time-limit": ["0", "nan", "x"],
        "--limit": ["0"],
        "--max-drop": ["-1", "nan", "inf", "x"],
        "--normalisation": ["1"],
        "--threshold": ["inf", "x"],
        "--plot": ["a.txt", "a"],
    },
    "bench": {
        "--runtime": ["xnnpack", ""],
        "--memory-limit": ["0", "-1", "nan", "x"],
        "--time-limit": ["0", "nan", "x"],
        "--threads": ["0", "x"],
        "--rounds": ["0"],
        "--size": ["x", "0x16", "16"],
    },
    "report": {
        "--max-pixels": ["0", "x"],
        "--runtime": ["xnnpack", ""],
        "--memory-limit": ["0", "-1", "nan", "x"],
        "--time-limit": ["0", "nan", "x"],
        "--limit": ["0"],
        "--max-drop": ["-1", "nan", "inf", "x"],
        "--normalisation": ["1"],
        "--rounds": ["0", "x"],
        "--threads": ["0", "x"],
        "--drift-images": ["-1", "x"],
        "--device": ["ethos-u5", ""],
    },
    "lab": {
        "--device": ["ethos-u5", ""],
        "--limit": ["0"],
        "--normalisation": ["1"],
        "--size": ["x", "0x16", "16"],
        "--install": ["velo", ""],
    },
    "compress": {"--max-pixels": ["0", "x"], "--workers": ["-1"]},
    "import": {
        "--max-pixels": ["0", "x"],
        "--limit": ["0", "x"],
        "--licence": ["", "two\nlines"],
        "--from": ["keras", ""],
        "--spec": ["deeplabv3_resnet50"],
        "--size": ["0x1", "x"],
        "--normalisation": ["1", "1/0"],
    },
    "demo": {
        "--max-pixels": ["0", "x"],
        "--runtime": ["xnnpack", ""],
        "--memory-limit": ["0", "-1", "nan", "x"],
        "--time-limit": ["0", "nan", "x"],
        "--record": ["a.txt", "a.avi"],
        "--on": ["ethos-u5", "", "ethos-u55-128"],
        "--opacity": ["2", "-1", "nan"],
        "--threads": ["0"],
        "--limit": ["0"],
        "--size": ["x", "0x16", "16", "-16x16"],
        "--port": ["-1", "65536", "x"],
        "--smooth": ["", "median", "exponential:0", "exponential:nan", "majority:2", "majority:x"],
    },
}
NAMED_WRONGLY = {
    "data": {"--sheet": ["file/below.png"]},
    "train": {
        "--data": ["absent"],
        "--label-map": ["absent.toml", "file"],
        "--output": ["file", "file/below"],
        "--recipe": ["absent.toml", "file"],
        "--init": ["absent.safetensors"],
        "--teacher": ["absent.safetensors"],
        "--backbone-weights": ["absent.npz"],
    },
    "evaluate": {
        "--data": ["absent"],
        "--label-map": ["absent.toml", "file"],
        "--split": ["absent"],
        "--class-map": ["absent.toml", "file"],
        "--plot": ["file/below.png"],
    },
    "prune": {
        "--data": ["absent"],
        "--label-map": ["absent.toml", "file"],
        "--output": ["file", "file/below"],
        "--recipe": ["absent.toml", "file"],
    },
    "qat": {
        "--data": ["absent"],
        "--label-map": ["absent.toml", "file"],
        "--output": ["file", "file/below"],
        "--recipe": ["absent.toml", "file"],
        "--keep-float": ["neck"],
    },
    "export": {"--calibrate": ["absent"], "--output": ["file", "file/below", "strange"]},
    "check": {
        "--output": ["file/below"],
        "--mac-script": ["file/below"],
        "--merge": ["absent"],
        "--junit": ["file/below", "strange"],
    },
    "parity": {
        "--html": ["file/below", "strange"],
        "--masks": ["absent", "file", "strange"],
        "--video": ["absent", "file", "strange"],
        "--reference": ["absent"],
        "--data": ["absent"],
        "--label-map": ["absent.toml", "file"],
        "--split": ["absent"],
        "--class-map": ["absent.toml"],
        "--plot": ["file/below.png"],
        "--junit": ["file/below", "strange"],
        "--markdown": ["file/below", "strange"],
    },
    "report": {
        "--data": ["absent"],
        "--label-map": ["absent.toml", "file"],
        "--split": ["absent"],
        "--class-map": ["absent.toml", "file"],
        "--reference": ["absent"],
        "--output": ["file/below", "strange"],
        "--png": ["file", "file/below"],
    },
    "lab": {
        "--data": ["absent"],
        "--split": ["absent"],
        "--class-map": ["absent.toml"],
        "--reference": ["absent"],
        "--html": ["file/below"],
    },
    "import": {
        "--output": ["strange", "file/below"],
        "--classes": ["absent.txt", "absent.toml", "file"],
        "--class-map": ["absent.toml", "file"],
        "--data": ["absent"],
        "--split": ["absent"],
    },
    "compress": {
        "--html": ["file/below"],
        "--data": ["absent"],
        "--label-map": ["absent.toml", "file"],
        "--recipe": ["absent.toml", "file"],
        "--output": ["file", "file/below"],
    },
    "demo": {
        "--artifact": ["absent.onnx"],
        "--source": ["absent"],
        "--record": ["file/a.mp4"],
        "--replay": ["absent", "file"],
        "--output": ["file", "file/below", "strange"],
        "--contract": ["file", "file/below", "strange"],
        "--web": ["file", "file/below", "strange"],
        "--runtime-dir": ["absent", "file"],
        "--host": ["256.0.0.1", "nobody.invalid"],
        "--data": ["absent"],
        "--split": ["absent"],
    },
}


def rows(table: dict[str, dict[str, list[str]]]) -> list[tuple[str, str, str]]:
    return [
        (verb, option, value)
        for verb, options in table.items()
        for option, values in options.items()
        for value in values
    ]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file in the way, and exports that are somebody else's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("this is [no document")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "manifest.json").write_text("[]")
    return tmp_path


def invoke(verb: str, option: str, value: str) -> tuple[int, str]:
    """Run a command with what it needs and one option more, and return its exit code and what it told."""
    needed = list(REQUIRED.get(verb, []))
    if option in needed:
        at = needed.index(option)
        del needed[at : at + 2]
    if verb in ("prune", "qat", "export", "evaluate"):
        needed.append("camvid-mobilenetv2")
    scoring = verb in ("evaluate", "parity", "report") and option == "--label-map"
    if option == "--split" or scoring or (verb, option) == ("lab", "--class-map"):
        needed += ["--data", "data"]
    if option == "--explain":
        needed = []
    if (verb, option) == ("demo", "--on"):
        needed = ["a.onnx", *(x for pair in REPLAYING.items() for x in pair)]
    if verb == "demo" and option in REPLAYING:
        needed = ["a.onnx", *(x for o, v in REPLAYING.items() if o != option for x in (o, v))]
    if verb == "demo" and option in ("--contract", "--data", "--split"):
        place = [] if option == "--contract" else ["--contract", "contract"]
        needed = ["a.onnx", *place, *(["--data", "data"] if option == "--split" else [])]
    if verb == "demo" and option in ("--web", "--runtime-dir", "--host", "--port"):
        place = [] if option == "--web" else ["--web", "site", "--serve"]
        needed = ["a.onnx", *place]
    if option == "--output" and verb == "check":
        needed.append("--fix")
    result = CliRunner().invoke(app, [verb, *needed, option, value])
    return result.exit_code, result.stderr


@pytest.mark.parametrize(("verb", "option", "value"), rows(CANNOT_BE_MEANT))
def test_option_value_that_cannot_be_meant_ends_with_code_2(
    verb: str, option: str, value: str, folder: Path
) -> None:
    before = sorted(folder.rglob("*"))
    code, told = invoke(verb, option, value)
    assert code == 2, told
    assert "Usage: " in told
    assert "unexpected" not in told
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("verb", "option", "value"), rows(NAMED_WRONGLY))
def test_named_file_that_is_wrong_ends_with_code_1(
    verb: str, option: str, value: str, folder: Path, make_dataset: Callable[..., Path]
) -> None:
    if option != "--data":
        make_dataset("val", count=2)
        make_dataset("train", count=2)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, told = invoke(verb, option, value)
    assert code == 1, told
    assert any(line.startswith(("error: ", "failed: ")) for line in told.splitlines())
    assert "unexpected" not in told
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("verb", ["check", "data", "evaluate", "export", "parity", "report"])
def test_name_that_is_too_long_for_a_file_is_one_sentence(verb: str, folder: Path) -> None:
    output, before = ["--output", "r.html"] if verb == "report" else [], sorted(folder.rglob("*"))
    result = CliRunner().invoke(app, [verb, "x" * 5000, *output])
    assert result.exit_code == 1, result.stderr
    assert "unexpected" not in result.stderr
    assert "x" * 300 not in result.stderr
    assert sorted(folder.rglob("*")) == before


def test_every_option_stands_in_the_tables() -> None:
    takes_no_value = {"--version"}
    missing = []
    for verb, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        listed = {**CANNOT_BE_MEANT.get(verb, {}), **NAMED_WRONGLY.get(verb, {})}
        for parameter in command.params:
            spelled = set(parameter.opts)
            if parameter.param_type_name == "argument" or getattr(parameter, "is_flag", False):
                continue
            if not spelled & (FLAGS | takes_no_value | set(listed)):
                missing.append(f"{verb} {parameter.opts[0]}")
    assert missing == []
