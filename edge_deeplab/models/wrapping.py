"""A module of the user's own as a checkpoint: checked where it comes, kept for this process, and opened again."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

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
from edge_deeplab.models.wrapped_spec import (
    WrappedSpec,
    probe_of,
    read_wrapped,
    remember,
    structure_of,
)
from edge_deeplab.text import first_line


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
    licence: str | None = None


def wrap(module: nn.Module, request: WrapRequest) -> Checkpoint:
    """Return a module as a checkpoint; arguments and errors as for `api.files.wrap`."""
    classes, normalisation, size_hw = request.classes, request.normalisation, request.size_hw
    copied = _copy(module)
    if classes is None or normalisation is None or size_hw is None:
        told = ("classes", "normalisation", "size_hw")
        missing = next(name for name in told if not getattr(request, name))
        raise ConfigError(
            f"{type(module).__name__} came without {missing}; classes, normalisation and size_hw were expected, or the "
            "weights of an earlier run, which tell them; pass them"
        )
    document = {
        "name": request.name or type(module).__name__,
        "structure": structure_of(copied),
        "num_classes": len(classes),
        "classifier": _classifier(copied, size_hw, len(classes), request.classifier),
        "backbone": request.backbone,
        "probe": probe_of(copied, size_hw),
    }
    _check_path(copied, request.backbone)
    try:
        spec = read_wrapped(document)
    except ValueError as error:
        raise ConfigError(
            f"{type(module).__name__} cannot be wrapped ({error}); another was expected; pass it"
        ) from error
    licence = request.licence or ""
    info = CheckpointInfo(
        spec, classes, request.ignore_index, normalisation, size_hw, licence=licence
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
    said = [f.name for f in fields(request) if getattr(request, f.name) not in (None, "")]
    if said:
        raise ConfigError(
            f"{said[0]} came with weights, which tell it themselves; one of the two was expected; leave {said[0]} out"
        )
    checkpoint = load_checkpoint(weights, _copy(module))
    if not isinstance(checkpoint.info.spec, WrappedSpec):
        raise ConfigError(
            f"{weights} holds {checkpoint.info.model}, which is no module of your own; the checkpoint of a wrapped "
            "module was expected; open this one with ed.load"
        )
    return checkpoint


def _copy(module: nn.Module) -> nn.Module:
    """Return a copy of a module in float32 on the CPU and evaluation mode, without what a checkpoint cannot hold.

    Parts without weights that stand at several places become several: quantizers are told apart by their paths.

    Raises:
        ConfigError: when it cannot be copied, or has state that is computed, is no tensor or has no shape yet.
    """
    if not isinstance(module, nn.Module):
        raise ConfigError(f"a module came as {module!r:.60}; a torch.nn.Module was expected")
    name = type(module).__name__
    for path, part in module.named_modules():
        if parametrize.is_parametrized(part):
            raise ConfigError(
                f"{path} has weights that a parametrization computes; plain ones were expected; call "
                "torch.nn.utils.parametrize.remove_parametrizations on it first"
            )
        if any(isinstance(h, WeightNorm | SpectralNorm) for h in part._forward_pre_hooks.values()):
            raise ConfigError(
                f"{path or name} has weights that a hook computes; plain ones were expected; call "
                "torch.nn.utils.remove_weight_norm or remove_spectral_norm on it first"
            )
    if any(map(is_lazy, [*module.parameters(), *module.buffers()])):
        raise ConfigError(
            f"{name} has weights without a shape; a module that has run was expected; run it on an image first"
        )
    try:
        strange = [k for k, v in module.state_dict().items() if not isinstance(v, torch.Tensor)]
        copied = deepcopy(module).cpu().float().eval()
        places = list(copied.named_modules(remove_duplicate=False))
    except Exception as error:  # the module's own code runs
        raise ConfigError(
            f"{name} cannot be copied ({type(error).__name__}: {first_line(error)}); a module whose parts and tensors "
            "can be was expected; drop what it keeps from earlier runs"
        ) from error
    if strange:
        raise ConfigError(
            f"{name} has state {strange[0]} that is no tensor; tensors alone were expected; leave it out of its state"
        )
    seen: set[nn.Module] = set()
    for path, part in places:
        if part in seen and path and not part.state_dict() and not list(part.children()):
            copied.set_submodule(path, deepcopy(part))
        seen.add(part)
    for part in copied.modules():
        for key, buffer in part.named_buffers(recurse=False):
            setattr(part, key, buffer.clone())  # one that was expanded cannot be written to
    return copied


def _classifier(
    module: nn.Module, size_hw: tuple[int, int], num_classes: int, told: str | None
) -> str:
    """Return the path of what gives the scores: as told, else the last convolution with a channel a class."""
    found = _find_classifiers(module, size_hw, num_classes)
    _check_path(module, told)
    if told is None and found:
        return found[-1]
    if told is not None and any(f"{path}.".startswith(f"{told}.") for path in found):
        return told
    where = "its parts" if told is None else told
    raise ConfigError(
        f"{type(module).__name__} calls no convolution of {num_classes} channels among {where}; what gives the scores "
        "was expected to be one; name it (classifier=PATH)"
    )


def _find_classifiers(module: nn.Module, size_hw: tuple[int, int], num_classes: int) -> list[str]:
    """Run a module once and return the paths of its convolutions with a channel a class, in the order of their calls.

    Args:
        module: in evaluation mode; it is left as it is.
        size_hw: height and width in pixels.
        num_classes: channels that its output must have.

    Raises:
        ConfigError: when it does not map (1, 3, H, W) to (1, num_classes, h, w).
    """
    called: list[str] = []

    def note(path: str) -> Callable[[Any, Any, Any], None]:
        return lambda layer, inputs, output: called.append(path)

    hooks = [
        layer.register_forward_hook(note(path))
        for path, layer in module.named_modules()
        if path and isinstance(layer, nn.Conv2d) and layer.out_channels == num_classes
    ]
    name, asked = type(module).__name__, f"(1, 3, {size_hw[0]}, {size_hw[1]})"
    try:
        with torch.no_grad():
            scores = module(torch.zeros(1, 3, *size_hw))
    except Exception as error:  # the module's own code runs
        raise ConfigError(
            f"{name} failed on an image of {asked} ({type(error).__name__}: {first_line(error)}); a module that maps "
            "normalised RGB to scores was expected; choose another size_hw, or mend its forward"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(scores, torch.Tensor) or scores.ndim != 4 or scores.shape[1] != num_classes:
        given = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise ConfigError(
            f"{name} gave {given} for an image of {asked}; one tensor (1, {num_classes}, h, w), a channel a class, was "
            "expected; wrap a module whose forward returns that"
        )
    return called


def _check_path(module: nn.Module, path: str | None) -> None:
    known = [name for name, _ in module.named_modules() if name]
    if path is not None and path not in known:
        raise ConfigError(
            f"{path!r} is of no module of {type(module).__name__}; a path such as {known[-1] if known else 'head'} was "
            "expected"
        )
