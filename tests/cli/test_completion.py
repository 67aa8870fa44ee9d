"""Completion scripts, and what the program answers them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_deeplab.cli.app import app

PROGRAM = "import sys; from edge_deeplab.cli.app import main; sys.argv[0] = 'edge-deeplab'; main()"


def ask(folder: Path, *words: str, program: str = PROGRAM) -> list[str]:
    """Return what bash is answered where the last word is to be completed."""
    environment = {
        **os.environ,
        "_EDGE_DEEPLAB_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("edge-deeplab", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_each_shell_is_printed_and_asks_the_program(shell: str) -> None:
    result = CliRunner().invoke(app, ["--show-completion", shell])
    assert result.exit_code == 0, result.stderr
    assert "edge-deeplab" in result.stdout
    assert f"_EDGE_DEEPLAB_COMPLETE=complete_{shell}" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_each_shell_that_is_installed_is_read_by_it(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"a shell is absent: {shell}")
    script = tmp_path / "script"
    script.write_text(CliRunner().invoke(app, ["--show-completion", shell]).stdout)
    subprocess.run([shell, "-n", str(script)], check=True)


def test_another_shell_is_refused_and_the_choices_are_named() -> None:
    result = CliRunner().invoke(app, ["--show-completion", "tcsh"])
    assert result.exit_code == 2
    assert "'tcsh' came; one of bash, zsh, fish was expected" in result.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("par",), "parity"),
        (("parity", "--fail"), "--fail-inconclusive"),
        (("check", "a.onnx", "--profile", "tflite-gp"), "tflite-gpu"),
        (("bench", "a.tflite", "--runtime", "comp"), "compiled-model"),
        (("export", "--target", "ev"), "every"),
        (("export", "camvid-mobilenetv"), "camvid-mobilenetv2"),
        (("prune", "camvid-mobilenetv"), "camvid-mobilenetv2"),
        (("lab", "a.tflite", "--device", "litert-g"), "litert-gpu"),
        (("train", "--model", "deeplabv3plus_resnet5"), "deeplabv3plus_resnet50"),
    ],
)
def test_program_completes_verbs_options_names_and_folders(
    words: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    assert ask(tmp_path, *words) == [expected]


@pytest.mark.parametrize("verb", ["check", "evaluate", "export", "parity"])
def test_files_are_left_to_the_shell_which_quotes_their_names(verb: str, tmp_path: Path) -> None:
    (tmp_path / "a$(touch b).onnx").touch()
    assert ask(tmp_path, verb, "a") == []


def test_answer_needs_no_torch(tmp_path: Path) -> None:
    blocked = f"import sys; sys.modules['torch'] = None\n{PROGRAM}"
    answer = ask(tmp_path, "evaluate", "camvid-mobilenetv", program=blocked)
    assert answer == ["camvid-mobilenetv2"]
