import base64
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from edge_deeplab.evaluation.evaluate import Tally
from edge_deeplab.report import watching
from edge_deeplab.report.bands import WIDTHS_PX, BandCounts, MaskBands
from edge_deeplab.report.pictures import MOST_PIXELS, draw_layers, draw_shared, shown_size
from tests.report.conftest import Spelled, measured

NAMES = ("sky", "road", "car")


def picture(address: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(address.partition(",")[2])))


def test_bands_are_those_of_the_trimap_of_evaluate() -> None:
    dataset, rng = Spelled(NAMES), np.random.default_rng(0)
    masks, counts = MaskBands(), BandCounts(3, 255)
    tally = Tally(dataset, WIDTHS_PX)
    for index in range(len(dataset)):
        sample = dataset[index]
        ids = rng.choice(np.array([0, 1, 2, 255], np.uint8), sample.mask_ids.shape)
        counts.add(masks.of(sample), sample.mask_ids, ids)
        tally.add(sample, ids, 1.0)
    for own, expected in zip(counts.bands(), tally._trimap.values(), strict=True):
        np.testing.assert_array_equal(own.confusion, expected)


def test_bands_of_the_same_sample_are_found_once() -> None:
    sample, masks = Spelled(NAMES)[0], MaskBands()
    assert masks.of(sample) is masks.of(sample)
    assert masks.of(Spelled(NAMES)[1]) is not masks.of(sample)


def test_watcher_keeps_the_images_of_least_agreement_and_no_others() -> None:
    report, watcher = measured(Spelled(NAMES, 8), {Path("a.onnx"): 2, Path("b.onnx"): 0})
    worse, equal = watcher.trials
    assert [image.index for image in worse.kept] == [7, 6, 5]
    assert len(worse.kept) == watching.KEPT
    assert worse.kept[0].agreement == min(worse.agreements)
    assert set(worse.kept[0].classes) == {0, 1, 2}
    assert equal.kept == []
    assert report.artifacts[1].pixel_agreement == 1


def test_watcher_counts_the_reference_once_for_all_files() -> None:
    dataset = Spelled(NAMES)
    _, one = measured(dataset, {Path("a.onnx"): 1})
    _, two = measured(dataset, {Path("a.onnx"): 1, Path("b.onnx"): 3})
    (alone,), (both,) = (
        {band.confusion.sum() for band in w.reference_bands((24, 32))[-1:]} for w in (one, two)
    )
    assert alone == both > 0


def test_layers_are_pictures_of_one_size_and_differences_are_marked() -> None:
    dataset = Spelled(NAMES)
    ids = dataset[0].mask_ids % 255
    other = ids.copy()
    other[:5] = 2
    shared = draw_shared(dataset[0], ids, dataset.classes)
    layers = draw_layers(shared, ids, other, dataset.classes)
    found = [shared.photograph, shared.truth, shared.reference, layers.artifact, layers.differences]
    assert {picture(address).size for address in found} == {(32, 24)}
    truth = np.asarray(picture(shared.truth).convert("RGBA"))
    assert truth[0, 0, 3] == 0  # void
    assert tuple(truth[5, 2, :3]) == dataset.classes[0].color
    marked = np.asarray(picture(layers.differences).convert("RGBA"))[..., 3] > 0
    np.testing.assert_array_equal(marked, ids != other)


def test_shown_size_is_bounded() -> None:
    assert shown_size((368, 480)) == (368, 480)
    height, width = shown_size((4000, 8000))
    assert height * width <= MOST_PIXELS
    assert abs(width / height - 2) < 0.01
