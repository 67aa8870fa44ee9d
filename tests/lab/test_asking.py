"""A tool may crash, hang, print garbage or take all memory: each is one sentence."""

import sys
import time
from pathlib import Path

import pytest

from edge_deeplab.child.limits import Limits
from edge_deeplab.errors import ToolError
from edge_deeplab.lab.asking import ToolProcess, ask_tool, bounds
from edge_deeplab.lab.environments import inspect_tool

SHORT = Limits(1 << 30, 60, 2.0)


def compiled(fake, limits=None):
    return ask_tool(
        inspect_tool(fake.tool), "compile", limits or bounds(), path="a.tflite", device="fake-1"
    )


def test_ask_tool_returns_what_the_script_answers(fake):
    fake.install()
    assert compiled(fake) == {"left": {}, "partitions": 1}
    assert ask_tool(inspect_tool(fake.tool), "version", bounds()) == {"version": "1.0"}


def test_tool_process_answers_one_request_after_another_and_keeps_what_the_script_holds(fake):
    fake.install()
    fake.says(
        """
        import sys
        asked = []
        def compile(path, device, folder):
            asked.append(sys.stdin.read() + path)
            if path == "bad":
                raise ValueError("bad")
            return {"asked": asked}
        """
    )
    with ToolProcess(inspect_tool(fake.tool), bounds(2)) as process:
        process.ask("compile", path="a", device="")
        with pytest.raises(ToolError, match="ValueError: bad"):
            process.ask("compile", path="bad", device="")
        assert process.ask("compile", path="b", device="") == {"asked": ["a", "bad", "b"]}


def test_ask_tool_runs_isolated_in_a_folder_that_is_removed(fake, monkeypatch):
    fake.install()
    fake.answers(
        "{'cwd': __import__('os').getcwd(), 'folder': folder, 'isolated': __import__('sys').flags.isolated}"
    )
    told = compiled(fake)
    assert (told["cwd"], told["isolated"]) == (told["folder"], 1)
    assert not Path(told["folder"]).exists()


def test_ask_tool_believes_no_print(fake):
    fake.install()
    fake.says(
        """
        import os, sys
        def compile(path, device, folder):
            print('{"answer": {"left": {"everything": "a lie"}}}')
            os.write(1, b"\\x1b[2J" * 100_000)
            sys.stderr.write("garbage" * 100_000)
            return {"left": {}}
        """
    )
    assert compiled(fake) == {"left": {}}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV.*it said last: half way"),
        ("import os; os._exit(3)", "ended with code 3 without an answer; it said last: half way"),
        ("import os; os._exit(0)", "ended with code 0 without an answer"),
        ("raise ValueError('no such\\x1b layer')", "failed with ValueError: no such\ufffd layer"),
        ("return [1, 2]", "an answer that cannot be read .*answer"),
        ("return {1j}", "failed|without an answer"),
        ("bytearray(1 << 40)", "MemoryError|memory"),
    ],
)
def test_ask_tool_says_how_a_tool_failed(fake, body, told):
    fake.install()
    fake.says(
        f"""
        def compile(path, device, folder):
            print("half way", flush=True)
            {body}
        """
    )
    with pytest.raises(ToolError, match=rf"fake: Fake Compiler .*({told})") as raised:
        compiled(fake)
    assert "\n" not in str(raised.value)


def test_ask_tool_refuses_a_reply_that_is_none(fake):
    fake.install()
    fake.says(
        """
        import os, sys
        def compile(path, device, folder):
            os.write(int(sys.argv[2]), b"garbage " * 1000)
            os._exit(0)
        """
    )
    with pytest.raises(ToolError, match="gave an answer that cannot be read"):
        compiled(fake)


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux: reads /proc")
def test_ask_tool_kills_a_tool_that_hangs_with_all_that_it_started(fake, tmp_path):
    fake.install()
    fake.says(
        f"""
        import subprocess, time
        def compile(path, device, folder):
            started = subprocess.Popen(["sleep", "1000"])
            open({str(tmp_path / "started")!r}, "w").write(str(started.pid))
            time.sleep(1000)
        """
    )
    before = time.monotonic()
    with pytest.raises(ToolError, match="gave no answer in 2 s"):
        compiled(fake, SHORT)
    assert time.monotonic() - before < 30
    state = Path("/proc") / (tmp_path / "started").read_text() / "stat"
    assert not state.exists() or " Z " in state.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux: other systems bound no memory")
def test_ask_tool_bounds_memory(fake):
    fake.install()
    fake.says(
        """
        def compile(path, device, folder):
            kept = bytearray(1 << 34)
            return {"left": {}}
        """
    )
    with pytest.raises(ToolError, match=r"MemoryError|more memory than the 1.0 GiB"):
        compiled(fake, Limits(1 << 30, 60, 60.0))


def test_ask_tool_that_is_missing_says_how_to_get_it(fake):
    with pytest.raises(ToolError, match=r"fake is not installed; get it with: .*--install fake"):
        compiled(fake)
