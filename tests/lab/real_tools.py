"""Vendors' real tools, where whoever runs the tests has installed them."""

import pytest

from edge_deeplab.lab.environments import environment_of, inspect_tool
from edge_deeplab.lab.tools import TOOLS


def link_tool(name, monkeypatch, lab_folder):
    """Put an installed tool into the lab of a test, or skip: what it said before is not there."""
    tool = TOOLS[name]
    with monkeypatch.context() as outside:
        outside.delenv("EDGE_DEEPLAB_LAB")
        status, place = inspect_tool(tool), environment_of(tool)
    if status.lack is not None:
        pytest.skip(f"a vendor's tool is absent: {status.lack}")
    if tool.pins:
        environment_of(tool).parent.mkdir(parents=True, exist_ok=True)
        environment_of(tool).symlink_to(place)
