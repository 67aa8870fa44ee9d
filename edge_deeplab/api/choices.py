"""Names that options take, for a shell that completes them: looked up without torch, as fast as a key is pressed."""

from collections.abc import Callable, Mapping
from typing import Literal

Kind = Literal["checkpoint", "device", "model", "profile", "runtime", "target"]


def choices(kind: Kind) -> tuple[str, ...]:
    """Return the names of a kind: shipped checkpoints, the lab's devices, models, profiles, runtimes or targets."""
    return _LISTED[kind]()


def _checkpoints() -> tuple[str, ...]:
    from edge_deeplab.models.shipped import shipped_checkpoints

    return tuple(shipped_checkpoints())


def _devices() -> tuple[str, ...]:
    from edge_deeplab.lab.devices import DEVICES

    return tuple(DEVICES)


def _models() -> tuple[str, ...]:
    from edge_deeplab.models.family import FAMILY

    return tuple(FAMILY)


def _profiles() -> tuple[str, ...]:
    from edge_deeplab.checker.rules import profile_names

    return profile_names()


def _runtimes() -> tuple[str, ...]:
    from edge_deeplab.targets import runtime_names

    return runtime_names()


def _targets() -> tuple[str, ...]:
    from edge_deeplab.targets import TARGETS

    return (*TARGETS, "all", "every")


_LISTED: Mapping[Kind, Callable[[], tuple[str, ...]]] = {
    "checkpoint": _checkpoints,
    "device": _devices,
    "model": _models,
    "profile": _profiles,
    "runtime": _runtimes,
    "target": _targets,
}
