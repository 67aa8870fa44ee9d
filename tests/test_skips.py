"""Skips on CI: those that hide something fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest, skips
from tests.conftest import REPOSITORY

SKIPPED = """
import pytest

def test_that_is_skipped():
    pytest.skip({reason!r})
"""
NOT_COLLECTED = """
import pytest

pytest.importorskip("a_module_that_nobody_has", reason={reason!r})
"""
EXPECTED_TO_FAIL = """
import pytest

@pytest.mark.xfail(reason={reason!r})
def test_that_fails():
    assert False
"""


def run_pytest(content: str, folder: Path, *, ci: str) -> subprocess.CompletedProcess[str]:
    """Run a file of tests under the hooks alone; what this run was told through the environment is not for that one."""
    (folder / "test_content.py").write_text(content)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-p", "tests.skips", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        cwd=REPOSITORY,
        env={**environment, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )


def test_this_suite_runs_under_the_hooks() -> None:
    for hook in ("pytest_runtest_makereport", "pytest_make_collect_report"):
        assert getattr(conftest, hook) is getattr(skips, hook)


@pytest.mark.parametrize("content", [SKIPPED, NOT_COLLECTED])
def test_skip_for_a_reason_that_is_not_listed_fails_on_ci_alone(
    content: str, tmp_path: Path
) -> None:
    content = content.format(reason="the moon is full")
    on_ci = run_pytest(content, tmp_path, ci="true")
    assert on_ci.returncode != 0
    assert "CI=true allows only for what tests/skips.py lists: the moon is full" in on_ci.stdout
    elsewhere = run_pytest(content, tmp_path, ci="")
    assert "1 skipped" in elsewhere.stdout
    assert "failed" not in elsewhere.stdout


@pytest.mark.parametrize("content", [SKIPPED, NOT_COLLECTED])
def test_skip_for_a_listed_reason_stays_a_skip_on_ci(content: str, tmp_path: Path) -> None:
    content = content.format(reason="needs a display: none is there")
    assert "1 skipped" in run_pytest(content, tmp_path, ci="true").stdout


def test_expected_failure_stays_one_on_ci(tmp_path: Path) -> None:
    result = run_pytest(EXPECTED_TO_FAIL.format(reason="known"), tmp_path, ci="true")
    assert result.returncode == 0, result.stdout
    assert "1 xfailed" in result.stdout
