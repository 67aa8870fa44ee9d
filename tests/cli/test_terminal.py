"""What reaches a terminal: strangers' text as it is spelled, and nothing of it as a control or as markup."""

import ast
import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner, Result

from edge_deeplab.cli import terminal
from edge_deeplab.cli.app import app
from edge_deeplab.cli.output import ending_cleanly
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.errors import DataError

CLI = Path(terminal.__file__).parent
HOSTILE = "\x1b]0;owned\x07\u202egnp[red]\x9b2J\n"
SHOWN = "\ufffd]0;owned\ufffd\ufffdgnp[red]\ufffd2J\ufffd"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs the program in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def write_onnx(name: str, *, domain: str = "", kind: str = "Relu", node: str = "first") -> None:
    """Write a file of one operator, in a folder of its own where the name has one."""
    tensors = [helper.make_tensor_value_info(n, 1, (1, 8, 4, 4)) for n in ("image", "out")]
    weight = numpy_helper.from_array(np.ones(1, np.float32), "head.0.weight")
    operator = helper.make_node(kind, ["image"], ["out"], name=node, domain=domain)
    graph = helper.make_graph([operator], "g", tensors[:1], tensors[1:], [weight])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(domain or "extra", 1)]
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), name)


def controls(text: str) -> set[str]:
    return {letter for letter in text if not letter.isprintable() and letter != "\n"}


@pytest.mark.parametrize("name", ["a[/b].onnx", "[link=evil]x[bold].onnx", "x:bug:.onnx"])
def test_check_of_a_path_that_reads_as_markup_shows_it_as_it_is_spelled(run, name: str) -> None:
    write_onnx(name)
    result = run("check", name)
    assert result.exit_code == 0, result.output
    assert name in result.stdout


def test_check_of_names_that_steer_a_terminal_shows_none_of_it(run) -> None:
    write_onnx(f"a{HOSTILE}.onnx", domain=HOSTILE, kind=f"K{HOSTILE}", node=HOSTILE)
    result = run("check", f"a{HOSTILE}.onnx", f"absent{HOSTILE}.onnx")
    assert controls(result.stdout) == controls(result.stderr) == set()
    assert f"a{SHOWN}.onnx" in result.stdout
    assert f"absent{SHOWN}.onnx" in result.stderr


def test_refused_command_line_shows_nothing_that_steers_a_terminal(run) -> None:
    result = run("bench", f"--{HOSTILE}")
    assert result.exit_code == 2
    assert controls(result.stderr) == set()
    assert "]0;owned" in result.stderr


def test_error_and_its_traceback_show_nothing_that_steers_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(Exception, match="1"), ending_cleanly(as_json=False, debug=True):
        raise DataError(HOSTILE)
    told = capsys.readouterr().err
    assert controls(told) == set()
    assert "Traceback" in told
    assert told.endswith(f"error: {SHOWN}\n")


def test_log_record_is_one_line_that_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    handlers, logging.root.handlers = logging.root.handlers, []
    try:
        terminal.log_to_stderr(logging.INFO)
        logging.getLogger("edge_deeplab.test").warning("%s was read", HOSTILE)
    finally:
        logging.root.handlers = handlers
    assert capsys.readouterr().err == f"{SHOWN} was read\n"


def render(renderable: object) -> str:
    stream = io.StringIO()
    terminal.Terminal(file=stream, width=100, force_terminal=True).print(renderable)
    return stream.getvalue()


@pytest.mark.parametrize("make", [str, Text, terminal.styled])
def test_table_shows_strangers_text_in_every_part_of_it(make: Callable[[str], Any]) -> None:
    table = Table(title=make(HOSTILE), caption=make(HOSTILE))
    table.add_column(make(HOSTILE))
    table.add_row(make(HOSTILE))
    shown = render(table)
    assert shown.count("]0;owned") == 4
    assert "\x1b]" not in shown
    assert not controls(shown) - {"\x1b"}, "only the console's own styles stay"


def test_styles_of_the_program_are_kept() -> None:
    assert render(terminal.styled("passed", "green")) == "\x1b[32mpassed\x1b[0m\n"


def test_stacked_lines_stay_lines() -> None:
    assert render(terminal.stacked(["a[b]", "c\nd"])) == "a[b]\nc\ufffdd\n"


def test_progress_description_is_shown_as_it_is_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    console = terminal.Terminal(file=stream, width=100, force_terminal=True)
    monkeypatch.setattr("edge_deeplab.cli.progress.Terminal", lambda **_: console)
    monkeypatch.setattr("edge_deeplab.cli.progress.stderr_is_terminal", lambda: True)
    with drawn_progress() as progress:
        progress.begin(f"timing {HOSTILE}", 3, "rounds")
        progress.note(f"timed {HOSTILE}")
    assert f"timing {SHOWN}" in stream.getvalue()
    assert "\x1b]" not in stream.getvalue()


def written_past_the_terminal(source: str) -> list[str]:
    """Return the calls of a module that write on the standard streams, or make a console, by themselves."""
    spelled = [ast.unparse(n) for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
    ways = ("print(", "typer.echo(", "typer.secho(", "Console(", "sys.stdout.", "sys.stderr.write")
    return [call for call in spelled if call.startswith(ways)]


OWN_WAYS = {"app": ["sys.stdout.reconfigure(errors='backslashreplace')"]}
"""What a module does with the streams beside printing through `terminal`."""


@pytest.mark.parametrize("module", sorted(CLI.glob("*.py")), ids=lambda path: path.stem)
def test_command_writes_through_the_terminal_alone(module: Path) -> None:
    assert written_past_the_terminal(module.read_text()) == OWN_WAYS.get(module.stem, [])


def test_guard_sees_what_is_written_past_the_terminal() -> None:
    source = "print('x')\ntyper.echo('x')\nsys.stderr.write('x')\nConsole().print('x')\nsay('x')"
    assert len(written_past_the_terminal(source)) == 5
