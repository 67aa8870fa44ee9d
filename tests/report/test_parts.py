import json
from dataclasses import replace
from itertools import pairwise
from math import isnan
from pathlib import Path

import numpy as np
import pytest

from edge_deeplab.errors import ConfigError
from edge_deeplab.evaluation.drift import DriftChain, LayerDrift
from edge_deeplab.evaluation.latency import BenchReport, Failed, Latency
from edge_deeplab.evaluation.mistakes import Suspicion
from edge_deeplab.evaluation.replayed import DeviceReplay
from edge_deeplab.models.shipped import open_checkpoint, shipped_checkpoints
from edge_deeplab.report.class_scores import class_scores
from edge_deeplab.report.curves import read_curves
from edge_deeplab.report.filling import fill, join, mean_chain
from edge_deeplab.report.known import Entry
from edge_deeplab.report.lineage import Detail, _share, ancestors_of, story_of
from edge_deeplab.report.models import Checkpoints, _results
from edge_deeplab.report.named import find_named
from edge_deeplab.report.plots import HIGHEST_DB, LOWEST_DB, Plot, Series, drift_plot
from edge_deeplab.report.render import render
from edge_deeplab.report.svg import draw, nice_ticks
from edge_deeplab.report.writing import parity_page
from tests.report.conftest import Spelled, measured


def test_class_scores_of_the_same_counts_differ_by_nothing() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 50, (20, 3, 4))
    for score in class_scores(counts, counts):
        low, high = score.interval
        assert low <= score.iou <= high
        assert (score.delta, score.delta_interval, score.is_other) == (0, (0, 0), False)


def test_class_scores_tell_a_loss_from_chance() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(40, 50, (20, 3, 4))
    worse = counts.copy()
    worse[:, 0, 0] -= 30
    worse[:, 0, 3] += 30
    lost, kept, _ = class_scores(worse, counts)
    assert lost.is_other
    assert lost.delta < 0
    assert not kept.is_other


def test_class_scores_of_one_image_or_an_absent_class_have_no_interval() -> None:
    counts = np.zeros((1, 2, 3), np.int64)
    counts[0, 0, 0] = 5
    present, absent = class_scores(counts, counts)
    assert present.iou == 100
    assert isnan(present.interval[0])
    assert isnan(absent.iou)


def test_story_of_a_quantized_checkpoint_goes_back_to_the_first_training() -> None:
    checkpoint = open_checkpoint("camvid-efficientnet-lite0-int8")
    parent = open_checkpoint("camvid-efficientnet-lite0")
    story = story_of(checkpoint)
    assert [step.made_by for step in story.steps] == [
        "quantization-aware training",
        "training",
        "training",
    ]
    assert story.steps[1].sha256 == parent.sha256
    assert parent.sha256 in ancestors_of(checkpoint)
    assert "epochs = 2" in story.steps[0].recipe


def test_reference_is_what_the_others_start_from() -> None:
    shipped = shipped_checkpoints()
    quantized, float_one, other = (
        shipped[f"camvid-{name}"]
        for name in ("efficientnet-lite0-int8", "efficientnet-lite0", "mobilenetv2")
    )
    checkpoints = Checkpoints()
    for path in (other, quantized, float_one):
        checkpoints.add(path)
    found = checkpoints.reference(None, given=(other,))
    assert found is not None
    assert found.name == "camvid-efficientnet-lite0"
    alone = Checkpoints()
    alone.add(quantized)
    assert alone.reference(None, given=()) in list(alone)
    named = alone.reference("camvid-mobilenetv2", given=())
    assert named is not None
    assert named.name == "camvid-mobilenetv2"


def test_checkpoint_that_cannot_be_read_is_a_note(tmp_path: Path) -> None:
    checkpoints = Checkpoints()
    assert checkpoints.add(tmp_path / "absent.safetensors") is None
    assert checkpoints.reference(None, given=()) is None
    assert "does not exist" in checkpoints.notes[0]


def test_story_of_a_pruned_checkpoint_has_its_budgets() -> None:
    story = story_of(open_checkpoint("camvid-efficientnet-lite0-pruned-int8"))
    told = {detail.name: detail.value for step in story.steps for detail in step.facts}
    assert told["budget: macs"] == "50.0% asked, 49.8% met"


def test_curves_are_read_and_what_is_no_log_is_left_out(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "deep").mkdir(parents=True)
    (run / "log.csv").write_text(
        "epoch,loss,validation_miou,seconds\n1,2.5,,3\n2,nan,60.5,4\nx,1,1,1\n"
    )
    (run / "deep" / "log.csv").write_bytes(b"\xff\xfe\x00nothing")
    (curve,) = read_curves(run)
    assert (curve.name, curve.loss, curve.miou) == ("run", ((1, 2.5),), ((2, 60.5),))
    assert curve.seconds == 7


def test_named_folders_are_runs_chains_and_exports(tmp_path: Path) -> None:
    exports, run = tmp_path / "exports", tmp_path / "run"
    exports.mkdir()
    run.mkdir()
    manifest = {"format": "edge-deeplab-manifest/1", "artifacts": [{"file": "a.onnx"}]}
    (exports / "manifest.json").write_text(json.dumps(manifest))
    (run / "best.safetensors").touch()
    found = find_named([exports, run, Path("camvid-mobilenetv2"), exports / "a.onnx"])
    assert found.artifacts == (exports / "a.onnx",)
    assert [path.name for path in found.checkpoints] == [
        "best.safetensors",
        "camvid-mobilenetv2.safetensors",
    ]
    with pytest.raises(ConfigError, match="is no folder that a page can be about"):
        find_named([tmp_path])


def test_mean_chain_is_the_mean_of_its_images() -> None:
    chains = [
        DriftChain(Path("a"), ("file",), (LayerDrift("m", "o", {"file": db}),))
        for db in (20.0, float("inf"))
    ]
    assert mean_chain(chains).layers[0].snr_db == {"file": 60.0}
    failed = DriftChain(Path("a"), error="no")
    assert mean_chain([chains[0], failed]) is failed


def test_time_is_of_the_size_that_was_timed() -> None:
    several, broken = Path("several.onnx"), Path("broken.onnx")
    rows = (
        Latency(several, "onnxruntime 1", 1, 9, (5.0,), 1.0, (8, 8)),
        Latency(several, "onnxruntime 1", 1, 9, (7.0,), 1.4, (16, 24)),
        *(
            Failed(broken, "broken.onnx cannot be opened", None, size)
            for size in ((8, 8), (16, 24))
        ),
    )
    entries = [Entry(1, several), Entry(2, several), Entry(3, broken), Entry(4, broken)]
    joined = join(entries, BenchReport(rows, 1, 1), (), ())
    assert [entry.median_ms for entry in joined] == [5.0, 7.0, None, None]
    assert [entry.errors for entry in joined[2:]] == [("broken.onnx cannot be opened",)] * 2


def test_numbers_in_a_plot_do_not_stand_on_each_other() -> None:
    series = tuple(
        Series(str(n), ((1.0, 5.0), (2.0, 5.0 + n / 1000)), tone=0, number=n) for n in range(1, 9)
    )
    drawn = draw(Plot("p", "P", "x", "y", series))
    heights = sorted(s.beside[1] for s in drawn.series)
    assert min(b - a for a, b in pairwise(heights)) >= 12
    assert heights[-1] <= drawn.bottom


def test_plot_of_one_value_has_axes() -> None:
    drawn = draw(Plot("p", "P", "x", "y", (Series("s", ((3.0, 0.0),), "dots", number=1),)))
    assert drawn.x_ticks
    assert drawn.y_ticks


def test_ticks_are_round() -> None:
    assert [label for _, label in nice_ticks(-0.31, 0.02)] == ["−0.3", "−0.2", "−0.1", "0.0"]


def test_layers_that_are_lost_are_drawn_inside_their_plot(tmp_path: Path) -> None:
    values = (90.0, 25.0, -10.0, -400.0)
    layers = tuple(LayerDrift(f"{n}", f"{n}", {"file": v}) for n, v in enumerate(values))
    file = Entry(1, tmp_path / "a.onnx", drift=DriftChain(tmp_path / "a.onnx", ("file",), layers))
    plot = drift_plot(file)
    assert plot is not None
    assert plot.y_range == (LOWEST_DB, HIGHEST_DB)
    assert [y for _, y in plot.series[0].points] == [90.0, 25.0, -10.0, LOWEST_DB]


def test_number_in_a_checkpoint_that_no_float_holds_is_not_told() -> None:
    assert _share(10**400) == "not told"
    assert _results({"test": {"miou": 10**400}, "val": {"miou": 66.6, "images": 3}}) == [
        Detail("val", "66.60 mIoU on 3 images")
    ]


def test_page_of_parity_alone_names_classes_in_the_colours_of_their_maps() -> None:
    dataset = Spelled(("sky", "road", "car"))
    page = parity_page(*measured(dataset, {Path("a.onnx"): 1}), 0.5)
    assert page.class_infos == tuple(dataset.classes)
    assert len({info.color for info in page.class_infos}) == 3


def test_page_of_parity_says_what_to_think_of_its_figures() -> None:
    dataset = Spelled(("sky", "road", "car"))
    found, watcher = measured(dataset, {Path("a.onnx"): 1})
    suspicion = Suspicion("ids were one too high", 0.4, 0.99, 4)
    warned = replace(found, artifacts=(replace(found.artifacts[0], suspicion=suspicion),))
    page = parity_page(warned, watcher, 0.5)
    html = render(page)
    assert "intervals of 5 images are narrower than they should be" in html
    assert suspicion.sentence() in html
    assert (page.notes, "What could not be done" in html) == ((), False)


def test_folder_of_class_maps_has_no_models_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not a model")
    found, watcher = measured(Spelled(("sky", "road", "car")), {tmp_path: 1})
    device = DeviceReplay(account=None)  # type: ignore[arg-type]
    replayed = replace(found, artifacts=(replace(found.artifacts[0], replay=device),))
    assert [e.bytes for e in fill(found, watcher).entries] == [11]
    assert [e.bytes for e in fill(replayed, watcher).entries] == [None]


def test_plot_is_told_in_words() -> None:
    lines = tuple(Series(f"run {n}", ((1.0, 0.5), (9.0, n / 7))) for n in range(14))
    spoken = Plot("a", "Loss", "epoch", "mean loss", lines).spoken
    assert spoken.startswith("Loss, mean loss by epoch. run 0: 0.5 at 1 to 0 at 9; run 1: 0.5 at 1")
    assert spoken.endswith("and 2 more")
