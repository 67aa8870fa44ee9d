"""The valid files, written once."""

from pathlib import Path

import pytest

from tests.fuzz.bases import build_bases


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_bases(tmp_path_factory.mktemp("fuzz") / "bases")
