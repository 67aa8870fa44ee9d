"""From an artifact's ids to the data set's classes."""

import numpy as np
import pytest

from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import ArtifactError, ConfigError
from edge_deeplab.evaluation.class_map import class_lookup, read_class_map
from edge_deeplab.evaluation.metrics import NO_CLASS

CLASSES = tuple(ClassInfo(name, (0, 0, 0)) for name in ("sky", "road", "car"))


def lookup(described, class_map=None):
    return class_lookup(described, CLASSES, class_map, artifact="model.onnx")


def test_lookup_of_the_same_names_in_another_order_goes_by_name(description):
    table = lookup(description(("car", "sky", "road")))
    assert table[:3].tolist() == [2, 0, 1]
    assert (table[3:] == NO_CLASS).all()


def test_lookup_of_other_names_says_both_and_the_way_out(description):
    with pytest.raises(ConfigError, match=r"sky, cat.*sky, road, car.*a class map"):
        lookup(description(("sky", "cat")))


def test_lookup_of_other_names_takes_the_class_map(description):
    table = lookup(description(("heaven", "street")), {0: "sky", 1: "road"})
    assert table[:3].tolist() == [0, 1, NO_CLASS]


def test_lookup_of_an_id_beyond_the_described_classes_is_refused(description):
    with pytest.raises(
        ConfigError, match=r"lists id 33, model\.onnx has 2 classes; ids from 0 to 1"
    ):
        lookup(description(("heaven", "street")), {7: "road", 33: "car"})


def test_lookup_of_matching_names_leaves_the_class_map_unused(description):
    assert lookup(description(), {0: "car"})[:3].tolist() == [0, 1, 2]


def test_lookup_without_description_says_what_is_missing_and_how_to_pass_it():
    with pytest.raises(ArtifactError, match=r"no self-description.*a class map, a TOML file"):
        lookup(None)


def test_lookup_of_an_unknown_class_lists_the_choices():
    with pytest.raises(ConfigError, match=r"'rode' \(did you mean 'road'\?\).*sky, road, car"):
        lookup(None, {0: "rode"})


def test_read_class_map_gives_ids_and_names(tmp_path):
    path = tmp_path / "map.toml"
    path.write_text('[map]\n0 = "road"\n11 = "car"\n')
    assert read_class_map(path) == {0: "road", 11: "car"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[map\n",
        '[map]\nroad = "sky"\n',
        "[map]\n0 = 3\n",
        '[map]\n255 = "road"\n',
        "map = 3\n",
        "[map]\n",
    ],
)
def test_read_class_map_of_a_file_that_is_none_names_it(tmp_path, text):
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"map\.toml cannot be used.*\[map\]"):
        read_class_map(path)


def test_read_class_map_of_an_absent_file_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml cannot be used \(FileNotFoundError"):
        read_class_map(tmp_path / "none.toml")


def test_read_class_map_of_the_cityscapes_peer_covers_its_19_classes(peers):
    class_map = read_class_map(peers / "cityscapes-to-camvid.toml")
    names = tuple(dict.fromkeys(class_map.values()))
    table = class_lookup(
        None, tuple(ClassInfo(n, (0, 0, 0)) for n in names), class_map, artifact="peer"
    )
    assert np.array_equal(np.flatnonzero(table != NO_CLASS), np.arange(19))


@pytest.mark.parametrize("given", [{"01": "road"}, {2.7: "road"}, {" 1": "road"}, {"1_0": "road"}])
def test_read_class_map_takes_one_spelling_of_an_id(given):
    with pytest.raises(ConfigError, match="cannot be used"):
        read_class_map(given)
