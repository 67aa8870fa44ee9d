"""What a training starts from: random weights, ImageNet's, a checkpoint's, or folded convolutions in the backbone."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from edge_deeplab.config import ModelSection
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import CheckpointError
from edge_deeplab.models import operator_graph
from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo
from edge_deeplab.models.classifier import Rows
from edge_deeplab.models.deeplab import build_model
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


def of_graph(info: CheckpointInfo, init: Checkpoint | None) -> CheckpointInfo:
    """Return what a run says of itself: what starts from an imported graph trains that, whatever the recipe names."""
    if init is None or not init.info.is_graph:
        return info
    arguments = operator_graph.with_num_classes(init.info.arguments, len(info.classes))
    return replace(
        info,
        model=operator_graph.MODEL,
        arguments=arguments,
        normalisation=init.info.normalisation,
    )


def build_to_restore(section: ModelSection, info: CheckpointInfo) -> nn.Module:
    """Return the network of a run whose state holds the weights; none are fetched."""
    return _build(section, info, pretrained=False)


def build_started(
    section: ModelSection,
    info: CheckpointInfo,
    init: Checkpoint | None,
    backbone_weights: Path | None,
    crops: EpochCrops,
) -> nn.Module:
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
        load_initial_weights(model, with_classes(init, model, info.classes))
    if backbone_weights is not None:
        load_folded_weights(model.get_submodule("backbone"), backbone_weights, info.normalisation)
        shown = min(_STATISTICS_CROPS, len(crops))
        restore_batch_norm(
            model.get_submodule("backbone"), (crops[index][0] for index in range(shown))
        )
    return model


def load_initial_weights(model: nn.Module, init: Checkpoint) -> None:
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


def with_classes(init: Checkpoint, model: nn.Module, classes: Sequence[ClassInfo]) -> Checkpoint:
    """Return a checkpoint whose classifier has the rows of a model's classes: its own by name, else the model's.

    Args:
        init: the checkpoint.
        model: of the same network.
        classes: that the model tells apart.
    """
    rows = Rows.by_name([c.name for c in init.info.classes], [c.name for c in classes])
    if rows.are_those_of(len(init.info.classes)):
        return init
    own = model.state_dict()
    replaced = {
        name: rows.take(init.tensors[name], own[name])
        for name in ("classifier.weight", "classifier.bias")
        if name in init.tensors and init.tensors[name].shape[1:] == own[name].shape[1:]
    }
    return replace(init, tensors={**init.tensors, **replaced})


def _build(section: ModelSection, info: CheckpointInfo, *, pretrained: bool) -> nn.Module:
    if info.is_graph:
        return operator_graph.build_graph(info.arguments, len(info.classes))
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
