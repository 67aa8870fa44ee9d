"""Which options go together: what was not given is no reason to refuse, whatever stands for that."""

import pytest
import typer

from edge_deeplab.cli.together import given, refuse_beside, refuse_without

ABSENT = {"--a": None, "--b": False, "--c": [], "--d": ()}


def test_zero_and_empty_text_are_given() -> None:
    assert given({**ABSENT, "--e": 0, "--f": "", "--g": 0.0, "--h": True}) == [
        "--e",
        "--f",
        "--g",
        "--h",
    ]


def test_what_was_not_given_is_not_refused() -> None:
    refuse_beside({"--x": True}, ABSENT)
    refuse_beside(ABSENT, {"--x": True})
    refuse_without(ABSENT, {"--a": ["--x"], "--b": ["--x"]})


def test_a_second_option_that_takes_the_place_is_refused_too() -> None:
    with pytest.raises(typer.BadParameter, match="came with --x") as caught:
        refuse_beside({"--x": True, "--y": "out"}, {})
    assert caught.value.param_hint == "--y"


def test_one_of_several_owners_is_enough() -> None:
    owners = {"--data": ["--contract", "--web"]}
    refuse_without({"--web": "site", "--data": "camvid"}, owners)
    with pytest.raises(typer.BadParameter, match="without --contract or --web"):
        refuse_without({"--data": "camvid"}, owners)
