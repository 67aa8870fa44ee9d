"""The sweep: what hiding channels costs, and the curve that allotment reads."""

from pathlib import Path

import pytest
import torch

from edge_deeplab.models.deeplab import build_model
from edge_deeplab.quantization.pruning.groups import find_groups
from edge_deeplab.quantization.pruning.sensitivity import (
    GroupSensitivity,
    losses,
    save_plot,
    sweep,
)


def test_sweep_finds_dead_channels_free_and_leaves_the_model() -> None:
    torch.manual_seed(0)
    model = build_model("mobilenetv2_100", 4).eval()
    torch.nn.init.normal_(model.classifier.weight)
    groups = [g for g in find_groups(model) if g.name in ("decoder.reduce.0", "aspp.project.0")]
    dead = next(g for g in groups if g.name == "decoder.reduce.0")
    writer = model.get_submodule("decoder.reduce.1")
    with torch.no_grad():
        for values in writer.parameters():
            values[:24] = 0
    importance = [torch.arange(g.channels).float() for g in groups]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    image = torch.randn(1, 3, 32, 48)
    swept = {(s.group, s.removed): s for s in sweep(model, groups, importance, [image])}
    assert len(swept) == 6
    assert swept[dead.name, 24].divergence == pytest.approx(0, abs=1e-9)
    assert swept[dead.name, 24].agreement == 1
    assert swept["aspp.project.0", 64].divergence > 0
    assert 0 < swept["aspp.project.0", 192].snr_db < swept["aspp.project.0", 64].snr_db < 40
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())


def test_losses_interpolate_rise_and_go_on() -> None:
    points = [(4, 0.4), (8, 0.3), (12, 1.2)]
    swept = [GroupSensitivity("a", 16, removed, lost, 0.0, 1.0) for removed, lost in points]
    swept += [GroupSensitivity("b", 16, removed, 0.0, 0.0, 1.0) for removed, _ in points]
    first, second = losses(swept)
    assert first.tolist()[:5] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert float(first[6]) == pytest.approx(0.4), "a curve never falls"
    assert float(first[10]) == pytest.approx(0.8)
    assert float(first[16]) == pytest.approx(2.0)
    assert second.tolist() == [0] * 17


def test_plot_is_a_picture_with_a_row_a_group(tmp_path: Path) -> None:
    swept = [
        GroupSensitivity(name, 16, removed, lost, 20.0, 0.9)
        for name in ("a", "b")
        for removed, lost in ((4, 0.0), (8, 0.1), (12, 0.5))
    ]
    save_plot(swept, tmp_path / "sensitivity.png")
    assert (tmp_path / "sensitivity.png").read_bytes().startswith(b"\x89PNG")
