"""Reading other people's `.pth` files, on request only: unpickling in full runs code that the file's author chose.

By default torch reads tensors and plain containers and refuses everything else (`weights_only`).

A `.pth` says nothing of classes or normalisation, so the backbone is recognised from the tensors and the rest is filled
with that backbone's defaults.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from edge_deeplab.description import ClassInfo, voc_colour
from edge_deeplab.errors import CheckpointError
from edge_deeplab.files import file_sha256
from edge_deeplab.models.backbones import current_name, get_backbone
from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo, check_finite
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import FAMILY
from edge_deeplab.models.spec import ModelSpec
from edge_deeplab.text import first_line, printable

_WRAPPERS = ("state_dict", "model_state", "model")
_SIZE_HW = (512, 512)
_OTHER_OBJECT = re.compile(r"GLOBAL (\S+)")
"""How torch names what is neither a tensor nor a plain container."""


def read_pickle(path: Path, *, unsafe: bool = False) -> Checkpoint:
    """Read a `.pth` that holds the state of one of this project's models.

    Args:
        path: the file.
        unsafe: unpickle it in full. It may run any code while it is read: trust its author.

    Raises:
        CheckpointError: when it is no pickle, holds more than tensors and may not be unpickled in full, holds no
            tensors, or they fit none of the models or are not finite.
    """
    tensors = read_pickled_tensors(path, unsafe=unsafe)
    check_finite(tensors, path)
    classes = _recognisable_classes(tensors, path)
    spec = _recognise(tensors, len(classes), path)
    info = CheckpointInfo(
        spec=spec,
        classes=classes,
        ignore_index=None,
        normalisation=get_backbone(spec.backbone).normalisation,
        size_hw=_SIZE_HW,
        provenance={"imported from": path.name},
    )
    return Checkpoint(info, tensors, path, file_sha256(path))


def read_pickled_tensors(path: Path, *, unsafe: bool = False) -> dict[str, torch.Tensor]:
    """Return the tensors of a state dict, of a dict that wraps one, or of a whole pickled module.

    Args:
        path: the file.
        unsafe: as for `read_pickle`.

    Raises:
        CheckpointError: when it is no pickle, or holds something else or no tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist; pass a .pth file")
    return _state_of(_load(path, unsafe=unsafe), path)


def _load(path: Path, *, unsafe: bool) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=not unsafe)
    except Exception as error:  # unpickling raises what the pickle makes it raise
        if not unsafe and (found := _OTHER_OBJECT.search(str(error))):
            raise CheckpointError(
                f"{path} holds {printable(found[1])}, and with allow_pickle nothing but tensors in plain containers "
                "was expected, because anything else may run code; ask for the state dict alone, or allow "
                "unsafe_pickle where you trust the author"
            ) from error
        raise CheckpointError(
            f"{path} is not a readable pickle ({type(error).__name__}: {first_line(error)}); a file written by "
            "torch.save was expected; copy it again"
        ) from error


def _state_of(content: Any, path: Path) -> dict[str, torch.Tensor]:
    if isinstance(content, torch.nn.Module):
        content = content.state_dict()
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        content = {}
    tensors = {
        current_name(str(k).removeprefix("module.")): v
        for k, v in content.items()
        if isinstance(v, torch.Tensor)
    }
    if not tensors:
        raise CheckpointError(
            f"{path} holds no tensors; a state dict written by torch.save was expected"
        )
    return tensors


def _recognisable_classes(tensors: Mapping[str, torch.Tensor], path: Path) -> tuple[ClassInfo, ...]:
    if "classifier.weight" not in tensors:
        raise CheckpointError(
            f"{path} has no tensor classifier.weight (first: {sorted(tensors)[0]}); "
            "the names of this project's DeepLabV3+ were expected; rename its tensors or train with edge-deeplab train"
        )
    count = len(tensors["classifier.weight"])
    return tuple(ClassInfo(f"class {i}", voc_colour(i)) for i in range(count))


def _recognise(tensors: Mapping[str, torch.Tensor], num_classes: int, path: Path) -> ModelSpec:
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    candidates = [m.spec for m in FAMILY.values() if m.spec.decoder is not None]
    for candidate in candidates:
        for separable in (True, False):
            spec = candidate.with_options({"separable": separable})
            with torch.device("meta"):
                model = build_model(spec, num_classes)
            if shapes == {name: tensor.shape for name, tensor in model.state_dict().items()}:
                return spec
    raise CheckpointError(
        f"the {len(tensors)} tensors of {path} fit none of the models ({', '.join(s.name for s in candidates)}); "
        "a state dict of one of them was expected"
    )
