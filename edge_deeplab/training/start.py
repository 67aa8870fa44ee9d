"""What a training starts from: random weights, ImageNet's, a checkpoint's, or folded convolutions in the backbone."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import nn

from edge_deeplab.config import DataSection, ModelSection, Recipe
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import CheckpointError, ConfigError
from edge_deeplab.files import file_sha256
from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo
from edge_deeplab.models.classifier import Rows
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import find_spec
from edge_deeplab.models.fitting import fit_pruned
from edge_deeplab.models.folded_weights import load_folded_weights, restore_batch_norm
from edge_deeplab.models.spec import ModelSpec
from edge_deeplab.models.wrapped_spec import WrappedSpec
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


def started_from(info: CheckpointInfo, init: Checkpoint | None) -> CheckpointInfo:
    """Return what a run says of itself by what it starts from.

    What starts from an imported network trains that, whatever the recipe names; from a pruned one, in its widths.

    Raises:
        ConfigError: when that is a wrapped module of other classes, or of another order.
    """
    if init is None:
        return info
    info = replace(info, pruning=init.info.pruning)
    if not init.info.is_imported:
        return info
    spec = init.info.spec
    if isinstance(spec, WrappedSpec):
        _check_same_classes(init, info.classes)
    elif not isinstance(spec, ModelSpec):
        spec = spec.with_num_classes(len(info.classes))
    return replace(info, spec=spec, normalisation=init.info.normalisation)


def _check_same_classes(init: Checkpoint, classes: Sequence[ClassInfo]) -> None:
    """Check the classes for a wrapped module: which of its layers have rows of them, its own code alone knows."""
    own, wanted = ([c.name for c in told] for told in (init.info.classes, classes))
    if own != wanted:
        raise ConfigError(
            f"{init.name} is a wrapped module for {len(own)} classes ({', '.join(own)[:100]}), and the data has "
            f"{len(wanted)} ({', '.join(wanted)[:100]}); the same in the same order were expected; wrap one for these"
        )


def build_to_restore(info: CheckpointInfo, init: Checkpoint | None) -> nn.Module:
    """Return the network of a run whose state holds the weights; none are fetched.

    Raises:
        CheckpointError: when `init` is pruned and its layers do not fit together.
    """
    model = build_model(info.spec, len(info.classes), pretrained=False)
    return model if init is None else _narrow(model, with_classes(init, model, info.classes))


def choose_spec(section: ModelSection) -> ModelSpec:
    """Return what the network of a recipe consists of.

    Raises:
        ConfigError: when it names no model, or options that the model cannot have.
    """
    said = {"output_stride": section.output_stride, "separable": section.separable}
    given = {key: value for key, value in said.items() if value is not None}
    return find_spec(section.name).with_options({**section.options, **given})


def started_recipe(recipe: Recipe, init: Checkpoint | None, *, takes_model: bool) -> Recipe:
    """Return a recipe with the network and the size of what a run starts from, where it says neither itself.

    Args:
        recipe: the run.
        init: what it starts from; an imported network is taken elsewhere, whatever the recipe says (`started_from`).
        takes_model: whether its network may be taken.
    """
    if init is None:
        return recipe
    update: dict[str, ModelSection | DataSection] = {}
    if takes_model and "model" not in recipe.model_fields_set and not init.info.is_imported:
        assert isinstance(init.info.spec, ModelSpec)
        update["model"] = section_of(init.info.spec)
    if "size_hw" not in recipe.data.model_fields_set:
        update["data"] = recipe.data.model_copy(update={"size_hw": init.info.size_hw})
    return recipe.model_copy(update=update)


def section_of(spec: ModelSpec) -> ModelSection:
    """Return what a recipe says of a network of the family, so that `choose_spec` gives it back.

    Args:
        spec: its name is one of the family's.
    """
    base = find_spec(spec.name).at_stride(spec.output_stride)
    standing, own = asdict(base), asdict(spec)
    options = {
        key: _as_option(value)
        for key, value in own.items()
        if key not in ("name", "backbone", "factory") and value != standing[key]
    }
    return ModelSection(name=spec.name, output_stride=spec.output_stride, options=options)


def _as_option(value: Any) -> Any:
    """Return a field's value as a recipe's file has it."""
    if isinstance(value, dict):
        return {key: _as_option(each) for key, each in value.items()}
    return list(value) if isinstance(value, tuple) else "none" if value is None else value


def build_started(
    info: CheckpointInfo,
    init: Checkpoint | None,
    backbone_weights: Path | None,
    crops: EpochCrops,
    *,
    pretrained: bool,
) -> nn.Module:
    """Return the network of a new run with its first weights.

    Args:
        info: says which network, its classes and how pixels are normalised.
        init: gives all weights; None leaves those of ImageNet, if they are asked for.
        backbone_weights: archive that gives the backbone's (`models.folded_weights`).
        crops: what batch norm statistics of such a backbone are taken from.
        pretrained: start the backbone from ImageNet's weights where neither of the others gives any.

    Raises:
        CheckpointError: when weights do not fit.
    """
    pretrained = pretrained and init is None and backbone_weights is None
    model = build_model(info.spec, len(info.classes), pretrained=pretrained)
    if init is not None:
        start = with_classes(init, model, info.classes)
        load_initial_weights(_narrow(model, start), start)
    if backbone_weights is not None:
        load_folded_weights(model.get_submodule("backbone"), backbone_weights, info.normalisation)
        shown = min(_STATISTICS_CROPS, len(crops))
        restore_batch_norm(
            model.get_submodule("backbone"), (crops[index][0] for index in range(shown))
        )
    return model


def _narrow(model: nn.Module, start: Checkpoint) -> nn.Module:
    """Give a model the widths of what it starts from, in place, where that is pruned; its weights are not set."""
    if start.info.pruning is not None:
        training = model.training
        fit_pruned(model.eval(), start.tensors, start.path, start.info.probe_hw)
        model.train(training)
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
    parts = init.info.spec.parts
    strange = sorted(n for n in own if n not in fitting and not parts.in_classifier(n))
    if strange:
        raise CheckpointError(
            f"{init.path} ({init.info.model}) does not fit the network to be trained at {len(strange)} tensors "
            f"(first: {strange[0]}); a checkpoint of the same model was expected; train its model"
        )
    model.load_state_dict(fitting, strict=False)


def with_classes(init: Checkpoint, model: nn.Module, classes: Sequence[ClassInfo]) -> Checkpoint:
    """Return a checkpoint whose classifier has the rows of a model's classes: its own by name, else the model's.

    Rows that the checkpoint lacks are small random ones where it is pruned in what its classifier reads.

    Args:
        init: the checkpoint.
        model: of the same network, in its full widths.
        classes: that the model tells apart.
    """
    rows = Rows.by_name([c.name for c in init.info.classes], [c.name for c in classes])
    if rows.are_those_of(len(init.info.classes)):
        return init
    own, parts, scored = model.state_dict(), init.info.spec.parts, len(init.info.classes)
    replaced = {
        name: rows.take(tensor, own[name] if own[name].shape[1:] == tensor.shape[1:] else None)
        for name, tensor in init.tensors.items()
        if parts.in_classifier(name) and name in own and len(tensor) == scored
    }
    return replace(init, tensors={**init.tensors, **replaced})


def _hash_file(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror or error}); an archive of folded convolutions was expected; "
            "pass its path"
        ) from error
