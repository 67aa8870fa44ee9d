"""What may be skipped where `CI=true`: nothing but what a complete installation beside no data cannot have.

A skip elsewhere says what a developer's machine lacks; on CI it would hide that a test no longer runs, so there it
fails, at collection too. `tests/conftest.py` installs the two hooks.
"""

import os
import re
import shutil
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
LEGITIMATE = {
    r"shared/\w+(/\w+)? is absent beside the repository": not SHARED.is_dir(),
    r"needs a display": True,
    r"a C compiler is absent:": shutil.which("cc") is None,
    r"node is absent:": shutil.which("node") is None,
    r"chromium is absent:": not any(
        map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    ),
    r"GStreamer is absent:": shutil.which("gst-launch-1.0") is None,
    r"npm's packages are absent:": True,
    r"a shell is absent:": True,
    r"a vendor's tool is absent:": True,
    r"the (Kotlin|Swift) compiler is absent:": True,
    r"only on (Linux|POSIX):": os.name == "nt" or sys.platform == "darwin",
    r"not on a Mac:": sys.platform == "darwin",
}
"""Pattern that a reason begins with, and whether it can hold on this machine."""


def is_legitimate(reason: str, allowed: Sequence[str]) -> bool:
    """Return whether a reason begins with an allowed pattern."""
    return any(re.match(pattern, reason) for pattern in allowed)


def refuse(report: Any) -> None:
    """Turn a report of a skip into one of a failure, in place, unless nothing else could be expected here."""
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2]).removeprefix("Skipped: ")
    if not is_legitimate(reason, [pattern for pattern, holds in LEGITIMATE.items() if holds]):
        report.outcome = "failed"
        report.longrepr = (
            f"skipped, which CI=true allows only for what tests/skips.py lists: {reason}"
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Refuse skips of tests and of their fixtures."""
    report = yield
    refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """Refuse skips of whole modules."""
    report = yield
    refuse(report)
    return report
