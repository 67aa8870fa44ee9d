import pytest

from edge_deeplab.lab.trial import TRIAL_FILES
from tests.lab.trial_files import WRITERS


@pytest.mark.parametrize("target", WRITERS)
def test_trial_file_is_what_its_writer_writes(target, tmp_path):
    assert WRITERS[target](tmp_path / "written").read_bytes() == TRIAL_FILES[target].read_bytes()
