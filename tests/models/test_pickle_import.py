"""`--allow-pickle` reads tensors alone; `--unsafe-pickle` also what runs code; the sentences for the rest."""

import pickle
import sys
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
    with pytest.raises(CheckpointError, match="allow_pickle"):
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


class CreatesFile:
    """Unpickled, it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickle_that_runs_code_is_refused_and_nothing_runs(tmp_path: Path, zipped: bool) -> None:
    content = {"classifier.weight": torch.zeros(3, 1), "x": CreatesFile(tmp_path / "ran")}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="allow unsafe_pickle where you trust the author"):
        open_checkpoint(str(tmp_path / "a.pth"), allow_pickle=True)
    assert not (tmp_path / "ran").exists()


def test_pickle_that_runs_code_runs_it_where_that_was_asked_for(tmp_path: Path) -> None:
    torch.save({"x": CreatesFile(tmp_path / "ran")}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="holds no tensors"):
        open_checkpoint(str(tmp_path / "a.pth"), unsafe_pickle=True)
    assert (tmp_path / "ran").exists()


def save_object_of_main(path: Path) -> None:
    """Save an object of a class that stood in the script that saved it, as training scripts do."""
    kind = type("Net", (), {"__module__": "__main__"})
    main = sys.modules["__main__"]
    main.Net = kind  # type: ignore[attr-defined]
    try:
        torch.save({"model": kind()}, path)
    finally:
        del main.Net  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("unsafe", "sentence"),
    [(False, r"holds __main__\.Net, .* allow unsafe_pickle"), (True, "AttributeError: Can't get")],
)
def test_pickle_of_a_class_of_the_script_that_wrote_it_is_one_sentence(
    tmp_path: Path, unsafe: bool, sentence: str
) -> None:
    save_object_of_main(tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=sentence) as caught:
        read_pickle(tmp_path / "a.pth", unsafe=unsafe)
    assert len(str(caught.value).splitlines()) == 1


def test_unpickling_that_raises_what_it_likes_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(pickle.dumps(Raises()))
    with pytest.raises(CheckpointError, match="not a readable pickle"):
        read_pickle(tmp_path / "a.pth", unsafe=True)


def fail() -> None:
    raise KeyError("surprise")


class Raises:
    """Unpickled, it raises."""

    def __reduce__(self) -> tuple[object, ...]:
        return fail, ()
