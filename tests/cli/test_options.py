"""Options that the scoring verbs share."""

from pathlib import Path

import pytest
import typer

from edge_deeplab.cli.options import parse_classes, parse_normalisation, parse_scales
from edge_deeplab.description import Normalisation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("127.5/128", Normalisation((127.5,) * 3, (128.0,) * 3)),
        ("1,2,3/4,5,6", Normalisation((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))),
    ],
)
def test_normalisation_of_one_or_three_values_is_read(text, expected):
    assert parse_normalisation(text) == expected


@pytest.mark.parametrize("text", ["127.5", "1,2/3", "a/b", "0/0", "0/-1", "nan/1", "1/2/3", "/"])
def test_normalisation_that_is_none_is_a_usage_error(text):
    with pytest.raises(typer.BadParameter, match=r"is not MEAN/STD .*127\.5/127\.5"):
        parse_normalisation(text)


def test_scales_are_read_in_order():
    assert parse_scales("0.5,1,1.75") == (0.5, 1.0, 1.75)


@pytest.mark.parametrize("text", ["", "a", "0", "-1", "1,,2", "nan", "inf"])
def test_scales_that_are_none_are_a_usage_error(text):
    with pytest.raises(typer.BadParameter, match="are not positive numbers"):
        parse_scales(text)


def test_classes_are_names_or_a_file(tmp_path):
    names = tuple(f"class {number}" for number in range(40))
    assert parse_classes(", ".join(names)) == names
    assert parse_classes("x" * 300) == ("x" * 300,)
    (tmp_path / "names.txt").write_text("a\nb\n")
    assert parse_classes(str(tmp_path / "names.txt")) == Path(tmp_path / "names.txt")


@pytest.mark.parametrize("text", ["nmes.txt", "data/classes", "person,lost.TOML"])
def test_classes_named_as_a_file_that_is_not_there_are_refused(text):
    with pytest.raises(typer.BadParameter, match="name a file that is not there"):
        parse_classes(text)
    assert parse_classes("vehicle.car,road/rail") == ("vehicle.car", "road/rail")
