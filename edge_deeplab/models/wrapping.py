"""A module of the user's own as a checkpoint: checked where it comes, kept for this process, and opened again."""

from dataclasses import dataclass, fields
from pathlib import Path

from torch import nn

from edge_deeplab.description import ClassInfo, Normalisation
from edge_deeplab.errors import ConfigError
from edge_deeplab.models.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    check_finite,
    checkpoint_of,
    load_checkpoint,
    save_checkpoint,
)
from edge_deeplab.models.wrapped import (
    WrappedSpec,
    copy_module,
    find_classifiers,
    probe_of,
    remember,
    structure_of,
)
from edge_deeplab.text import printable


@dataclass(frozen=True)
class WrapRequest:
    """What is said of a module; arguments as for `api.files.wrap`, None where nothing was."""

    classes: tuple[ClassInfo, ...] | None = None
    normalisation: Normalisation | None = None
    size_hw: tuple[int, int] | None = None
    output: Path | None = None
    name: str | None = None
    classifier: str | None = None
    backbone: str | None = None
    ignore_index: int | None = None
    licence: str = ""


def wrap(module: nn.Module, request: WrapRequest) -> Checkpoint:
    """Return a module as a checkpoint; arguments and errors as for `api.files.wrap`."""
    _check_module(module)
    classes, normalisation, size_hw = request.classes, request.normalisation, request.size_hw
    if classes is None or normalisation is None or size_hw is None:
        missing = next(
            k for k in ("classes", "normalisation", "size_hw") if not getattr(request, k)
        )
        raise ConfigError(
            f"{type(module).__name__} came without {missing}; classes, normalisation and size_hw were expected, or the "
            "weights of an earlier run, which tell them; pass them"
        )
    copied = copy_module(module)
    found = find_classifiers(copied, size_hw, len(classes))
    for path in (request.classifier, request.backbone):
        _check_path(copied, path)
    classifier = request.classifier or (found[-1] if found else None)
    if classifier is None:
        raise ConfigError(
            f"{type(module).__name__} has no convolution of {len(classes)} channels among its parts; what gives "
            "the scores was expected to be one; name it (classifier=PATH)"
        )
    spec = WrappedSpec(
        name=printable(request.name or type(module).__name__)[:255],
        structure=structure_of(copied),
        probe=probe_of(copied, size_hw),
        num_classes=len(classes),
        classifier=classifier,
        backbone=request.backbone,
    )
    info = CheckpointInfo(
        spec, classes, request.ignore_index, normalisation, size_hw, licence=request.licence
    )
    check_finite(copied.state_dict(), Path(spec.name))
    remember(copied, spec)
    if request.output is None:
        return checkpoint_of(copied, info)
    save_checkpoint(request.output, copied, info)
    return load_checkpoint(request.output)


def reopen(module: nn.Module, weights: Path, request: WrapRequest) -> Checkpoint:
    """Return a checkpoint of a module that was wrapped before.

    Args:
        module: as it was then, whatever weights it has now.
        weights: the checkpoint's file.
        request: says nothing, because the file does.

    Raises:
        ConfigError: when the request says something, or the module is another one.
        CheckpointError: when the file cannot be read or is of no wrapped module.
    """
    _check_module(module)
    said = [f.name for f in fields(request) if getattr(request, f.name) not in (None, "")]
    if said:
        raise ConfigError(
            f"{said[0]} came with weights, which tell it themselves; one of the two was expected; leave {said[0]} out"
        )
    checkpoint = load_checkpoint(weights, copy_module(module))
    if not isinstance(checkpoint.info.spec, WrappedSpec):
        raise ConfigError(
            f"{weights} holds {checkpoint.info.model}, which is no module of your own; the checkpoint of a wrapped "
            "module was expected; open this one with ed.load"
        )
    return checkpoint


def _check_module(module: nn.Module) -> None:
    if not isinstance(module, nn.Module):
        raise ConfigError(f"a module came as {module!r:.60}; a torch.nn.Module was expected")


def _check_path(module: nn.Module, path: str | None) -> None:
    known = [name for name, _ in module.named_modules() if name]
    if path is not None and path not in known:
        raise ConfigError(
            f"{path!r} is of no module of {type(module).__name__}; a path such as {known[-1] if known else 'head'} was "
            "expected"
        )
