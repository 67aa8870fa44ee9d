"""What a training starts from: random weights, ImageNet's, a checkpoint's, or folded convolutions in the backbone."""

import hashlib
from pathlib import Path

import torch

from edge_deeplab.config import ModelSection
from edge_deeplab.errors import CheckpointError
from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo
from edge_deeplab.models.deeplab import DeepLabV3Plus, build_model
from edge_deeplab.models.folded_weights import load_folded_weights, restore_batch_norm
from edge_deeplab.training.crops import EpochCrops

_STATISTICS_CROPS = 64
"""Crops that batch norm statistics of folded weights are taken from."""


def name_start(
    init: Checkpoint | None, backbone_weights: Path | None, teacher: Checkpoint | None = None
) -> str:
    """Return by which option and content a run was told weights; empty where the recipe alone says.

    Raises:
        CheckpointError: when the backbone's weights cannot be read.
    """
    hashes = {} if init is None else {"--init": init.sha256}
    if backbone_weights is not None:
        hashes["--backbone-weights"] = _hash_file(backbone_weights)
    if teacher is not None:
        hashes["--teacher"] = teacher.sha256
    return " and ".join(f"{option} with sha256 {digest}" for option, digest in hashes.items())


def build_to_restore(section: ModelSection, info: CheckpointInfo) -> DeepLabV3Plus:
    """Return the network of a run whose state holds the weights; none are fetched."""
    return _build(section, info, pretrained=False)


def build_started(
    section: ModelSection,
    info: CheckpointInfo,
    init: Checkpoint | None,
    backbone_weights: Path | None,
    crops: EpochCrops,
) -> DeepLabV3Plus:
    """Return the network of a new run with its first weights.

    Args:
        section: which network.
        info: says its classes and how pixels are normalised.
        init: gives all weights; None leaves those of ImageNet, if the section asks for them.
        backbone_weights: archive that gives the backbone's (`models.folded_weights`).
        crops: what batch norm statistics of such a backbone are taken from.

    Raises:
        CheckpointError: when weights do not fit.
    """
    pretrained = section.pretrained and init is None and backbone_weights is None
    model = _build(section, info, pretrained=pretrained)
    if init is not None:
        load_initial_weights(model, init)
    if backbone_weights is not None:
        load_folded_weights(model.backbone, backbone_weights, info.normalisation)
        shown = min(_STATISTICS_CROPS, len(crops))
        restore_batch_norm(model.backbone, (crops[index][0] for index in range(shown)))
    return model


def load_initial_weights(model: torch.nn.Module, init: Checkpoint) -> None:
    """Load a checkpoint's weights into a model of the same network, in place, all but a classifier of another size.

    Raises:
        CheckpointError: when any other tensor is missing or of another shape.
    """
    own = model.state_dict()
    fitting = {
        name: tensor
        for name, tensor in init.tensors.items()
        if name in own and own[name].shape == tensor.shape
    }
    strange = sorted(
        name for name in own if name not in fitting and not name.startswith("classifier.")
    )
    if strange:
        raise CheckpointError(
            f"{init.path} ({init.info.model}) does not fit the network to be trained at {len(strange)} tensors "
            f"(first: {strange[0]}); a checkpoint of the same model was expected; train its model"
        )
    model.load_state_dict(fitting, strict=False)


def _build(section: ModelSection, info: CheckpointInfo, *, pretrained: bool) -> DeepLabV3Plus:
    return build_model(
        section.name,
        len(info.classes),
        pretrained=pretrained,
        output_stride=section.output_stride,
        separable=section.separable,
    )


def _hash_file(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror or error}); an archive of folded convolutions was expected; "
            "pass its path"
        ) from error
