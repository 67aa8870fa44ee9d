"""Whose weights a checkpoint goes back to is found whatever lies between, and strangers' provenances break nothing."""

from typing import Any

import pytest

from edge_deeplab.models.origins import Origin, carried, origins_of, with_terms

CITIES = Origin("cities.tflite", "ab" * 32, "Cityscapes terms, non-commercial")
VOC = Origin("voc.tflite", "cd" * 32, "unknown")


def test_origin_is_found_through_starts_and_teachers() -> None:
    started = {"starts_from": {"sha256": "x", "starts_from": {"imported": CITIES.to_json()}}}
    taught = {"taught_by": {"checkpoint": "b", **carried([VOC])}}
    assert origins_of({**started, **taught}) == (CITIES, VOC)
    assert origins_of({"recipe": {}, "data": []}) == ()


def test_origin_that_comes_twice_is_told_once() -> None:
    imported = {"imported": CITIES.to_json()}
    assert origins_of({"starts_from": imported, "taught_by": carried([CITIES])}) == (CITIES,)


@pytest.mark.parametrize(
    "provenance",
    [
        {"imported": "a file"},
        {"starts_from": ["x"]},
        {"weights_of": {"a": 1}},
        {"weights_of": [None, 3]},
    ],
)
def test_origin_of_another_form_is_passed_over(provenance: dict[str, Any]) -> None:
    assert origins_of(provenance) == ()


def test_origin_of_a_stranger_steers_no_terminal() -> None:
    (origin,) = origins_of({"imported": {"file": "\x1b[31m", "sha256": 5}})
    assert "\x1b" not in str(origin)
    assert origin.licence == "unknown"


def test_terms_stand_beside_the_licence() -> None:
    assert with_terms("CC BY 4.0", []) == "CC BY 4.0"
    assert (
        with_terms("CC BY 4.0", [CITIES])
        == f"CC BY 4.0; weights of cities.tflite: {CITIES.licence}"
    )
    assert with_terms("", [VOC]) == "weights of voc.tflite: unknown"
