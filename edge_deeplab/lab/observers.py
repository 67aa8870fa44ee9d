"""All observers, by the name under which profiles name them, and which of them a check asks."""

from collections.abc import Sequence
from pathlib import Path

from edge_deeplab.checker.observing import Observers
from edge_deeplab.checker.rules import default_profiles, load_profile
from edge_deeplab.errors import ConfigError, unknown_choice
from edge_deeplab.lab.devices import DEVICES
from edge_deeplab.lab.observer import ToolObserver
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.runtimes.observers.coreai import CoreAILoader
from edge_deeplab.runtimes.observers.executorch import ExecuTorchTracer
from edge_deeplab.runtimes.observers.mac import MacAnswer
from edge_deeplab.runtimes.observers.optimized_onnx import OnnxRuntime
from edge_deeplab.runtimes.observers.xnnpack import Xnnpack
from edge_deeplab.targets import target_of

OBSERVE = ("auto", "all", "none")
"""Which observers are asked: those that are available, those of all profiles or it is an error, none."""


def all_observers(answer: MacAnswer | None = None) -> Observers:
    """Return every observer.

    Args:
        answer: of a Mac, where the user brought one.
    """
    asked = dict.fromkeys(device.tool for device in DEVICES.values() if device.tool in TOOLS)
    return {
        "xnnpack": Xnnpack(),
        "onnxruntime": OnnxRuntime(),
        "executorch": ExecuTorchTracer(),
        "coreai": CoreAILoader(),
        "mac": answer or MacAnswer(),
        **{name: ToolObserver(TOOLS[name]) for name in asked},
    }


def available_observers(answer: MacAnswer | None = None) -> Observers:
    """Return the observers that can be asked without installing or bringing anything more."""
    observers = all_observers(answer)
    return {name: observer for name, observer in observers.items() if observer.available() is None}


def check_observe(observe: str) -> None:
    """Check which observers are asked.

    Raises:
        ConfigError: for what is none of `OBSERVE`.
    """
    if observe not in OBSERVE:
        raise unknown_choice("way to observe", observe, OBSERVE)


def demand_observers(
    paths: Sequence[Path], profiles: Sequence[str], answer: MacAnswer | None = None
) -> None:
    """Check that every profile that files will be held against can be observed, if anything observes it.

    Args:
        paths: the files.
        profiles: names; none takes the default of each file's format.
        answer: of a Mac, where the user brought one.

    Raises:
        ConfigError: when an observer is missing something; it says what, and how to get it.
    """
    targets = {target for path in paths if (target := target_of(path))}
    asked = [load_profile(name) for name in profiles] or [
        profile for target in sorted(targets) for profile in default_profiles(target)
    ]
    observers = all_observers(answer)
    for profile in asked:
        observer = observers.get(profile.observed_by or "")
        lack = observer.available() if observer and profile.format in targets else None
        if lack is not None:
            raise ConfigError(f"profile {profile.name} was to be observed and cannot be: {lack}")
