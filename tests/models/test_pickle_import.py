"""`--allow-pickle`: what a trusted `.pth` may hold, and the sentence for the rest."""

from pathlib import Path

import pytest
import torch

from edge_deeplab.errors import CheckpointError
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.pickle_import import read_pickle
from edge_deeplab.models.shipped import open_checkpoint


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}])
def test_read_pickle_state_dict_is_recognised(tmp_path: Path, wrap: object) -> None:
    torch.manual_seed(0)
    model = build_model("mobilenetv2_100", 3).eval()
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save(wrap(state), tmp_path / "a.pth")  # type: ignore[operator]
    checkpoint = open_checkpoint(str(tmp_path / "a.pth"), allow_pickle=True)
    assert checkpoint.info.model == "deeplabv3plus_mobilenetv2_100"
    assert [c.color for c in checkpoint.info.classes] == [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(checkpoint.build()(images), model(images))


def test_open_checkpoint_pickle_without_permission_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="--allow-pickle"):
        open_checkpoint(str(tmp_path / "a.pth"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3}, "holds no tensors"),
        ({"conv.weight": torch.zeros(1)}, "has no tensor classifier.weight"),
        ({"classifier.weight": torch.zeros(3, 1)}, "fit none of the models"),
        ({"classifier.weight": torch.full((3, 1), torch.nan)}, "3 values that are nan or infinite"),
    ],
)
def test_read_pickle_of_another_model_is_refused(
    tmp_path: Path, content: object, message: str
) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=message):
        read_pickle(tmp_path / "a.pth")


def test_read_pickle_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"not a pickle at all")
    with pytest.raises(CheckpointError, match="not a readable pickle"):
        read_pickle(tmp_path / "a.pth")
