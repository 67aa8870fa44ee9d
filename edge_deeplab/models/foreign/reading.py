"""A file of somebody else's weights, read: what is said of the network, and its tensors under our names.

The idea to hold: what the network is comes from its project's own configuration or from the user. Shapes are held
against it and never tell it, because wrong strides, epsilons or paddings fit the same shapes.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from edge_deeplab.description import MOST_CLASSES
from edge_deeplab.documents import Fields, read_json, read_toml
from edge_deeplab.errors import CheckpointError, ConfigError, unknown_choice
from edge_deeplab.models.checkpoint import check_finite
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import FAMILY
from edge_deeplab.models.foreign.huggingface import HUGGING_FACE
from edge_deeplab.models.foreign.mmseg import MMSEG
from edge_deeplab.models.foreign.renaming import rename, renamed
from edge_deeplab.models.foreign.smp import SMP
from edge_deeplab.models.foreign.told import Source, Told
from edge_deeplab.models.foreign.torchvision import TORCHVISION
from edge_deeplab.models.foreign.vainf import VAINF
from edge_deeplab.models.pickle_import import read_pickled_tensors
from edge_deeplab.models.spec import ASPPSpec, ModelSpec, read_spec

SOURCES: Mapping[str, Source] = {
    "smp": SMP,
    "torchvision": TORCHVISION,
    "mmseg": MMSEG,
    "vainf": VAINF,
    "hf": HUGGING_FACE,
}
"""By the name of `--from`."""

_CONFIG = "config.json"
_READERS: Mapping[str, Callable[[Path], Any]] = {".json": read_json, ".toml": read_toml}


@dataclass(frozen=True)
class ForeignWeights:
    """A network that was read.

    Args:
        told: what is said of it.
        tensors: its state, under our names.
        dropped: by module, how many tensors were left out, because what they compute is no map of classes.
    """

    told: Told
    tensors: Mapping[str, torch.Tensor]
    dropped: Mapping[str, int]


def find_source(name: object) -> Source:
    """Return a source by name; a miss lists the choices."""
    source = SOURCES.get(str(name))
    if source is None:
        raise unknown_choice("source", name, list(SOURCES))
    return source


def read_weights(
    path: Path,
    source: Source,
    spec: str | Path | None,
    *,
    allow_pickle: bool = False,
    unsafe_pickle: bool = False,
) -> ForeignWeights:
    """Read a file.

    Args:
        path: safetensors, or a pickle.
        source: whose network it is.
        spec: a name that the source gives the network, or a JSON or TOML file: the source's own configuration, a name
            with options, or a whole spec; None reads the config.json beside the weights.
        allow_pickle: read a pickle's tensors.
        unsafe_pickle: unpickle it in full, which runs code that its author chose.

    Raises:
        ConfigError: when nothing says which network it is, or one that cannot be imported.
        CheckpointError: when it cannot be read, or its tensors are not those of that network.
    """
    told = tell(source, spec, path)
    tensors = _read_tensors(path, allow_pickle, unsafe_pickle)
    check_finite(tensors, path)
    return fit(tensors, source, told, path)


def fit(
    tensors: Mapping[str, torch.Tensor], source: Source, told: Told, path: Path
) -> ForeignWeights:
    """Return tensors under our names, held against what is said of their network.

    Args:
        tensors: under their project's names.
        source: the project.
        told: what is said.
        path: where they are from, for errors.

    Raises:
        CheckpointError: when they are not those of that network.
    """
    dropped = Counter(
        module for name in tensors for module in source.dropped if _is_in(name, module)
    )
    kept = {n: t for n, t in tensors.items() if not any(_is_in(n, m) for m in source.dropped)}
    renames = source.renames(told.spec, _aspp_of(told, path))
    count = _count_classes(kept, renames, path)
    if told.names is not None and len(told.names) != count:
        raise CheckpointError(
            f"{path} scores {count} classes, and its configuration names {len(told.names)}; as many were expected; "
            "pass the configuration that belongs to it"
        )
    with torch.device("meta"):
        expected = build_model(told.spec, count).state_dict()
    return ForeignWeights(told, rename(kept, renames, expected, path), dropped)


def tell(source: Source, spec: str | Path | None, weights: Path) -> Told:
    """Return what is said of a network; arguments and ConfigError as for `read_weights`."""
    if spec is None:
        spec = weights.parent / _CONFIG
        if source.read_config is None or not spec.is_file():
            raise ConfigError(
                f"nothing says which network of {source.project} {weights} holds, and tensors do not tell it; "
                f"{source.says} was expected; pass it as the spec"
            )
    read = _READERS.get(Path(spec).suffix.lower(), str)
    try:
        return tell_of(source, read(Path(spec)))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{spec} does not say which network of {source.project} it is ({error}); {source.says} was expected; "
            "pass one that can be imported"
        ) from error


def tell_of(source: Source, said: Any) -> Told:
    """Return what is said of a network.

    Args:
        source: its project.
        said: a name, or a document: a name with options, a whole spec, or the source's own configuration.

    Raises:
        ValueError: when it says none, or one that cannot be imported.
    """
    if isinstance(said, str):
        return _named(source, said, {})
    document = Fields(said)
    if isinstance(said.get("model"), str):
        document.only({"model", "options"})
        return _named(source, said["model"], document.table("options") if "options" in said else {})
    if isinstance(said.get("backbone"), str):
        return Told(_unnamed(read_spec(said)))
    if source.read_config is None:
        raise ValueError(
            "it has neither model, the name of a network, nor backbone, of a whole spec"
        )
    return source.read_config(document)


def _unnamed(spec: ModelSpec) -> ModelSpec:
    """Refuse a name of ours: what trains on goes by the name of a start's network."""
    if spec.name in FAMILY and spec != FAMILY[spec.name].spec:
        raise ValueError(f"name is {spec.name!r}, which is another network; call it otherwise")
    return spec


def _named(source: Source, name: str, options: Mapping[str, Any]) -> Told:
    if name not in source.networks:
        for part, reason in source.refused.items():
            if part in name:
                raise ValueError(f"{name!r:.60} cannot be imported: {reason}")
        names = ", ".join(source.networks) or "none has a name"
        raise ValueError(f"{name!r:.60} is no network that is imported; those are: {names}")
    return Told(source.networks[name].with_options(options))


def _aspp_of(told: Told, path: Path) -> ASPPSpec:
    if told.spec.aspp is None:
        raise CheckpointError(
            f"the spec of {path} sums the scores of branches; one with aspp was expected, which all networks that are "
            "imported have; say the spec that it was trained with"
        )
    return told.spec.aspp


def _is_in(name: str, module: str) -> bool:
    return name.startswith(f"{module}.")


def _count_classes(
    tensors: Mapping[str, torch.Tensor], renames: Mapping[str, str], path: Path
) -> int:
    """Return how many classes there are scores for: all that is taken from a shape."""
    for name, tensor in tensors.items():
        if renamed(name, renames) == "classifier.bias":
            if tensor.ndim != 1 or not 2 <= len(tensor) <= MOST_CLASSES:
                raise CheckpointError(
                    f"{path} gives {tensor.numel()} scores; those of 2 to {MOST_CLASSES} classes were expected, of "
                    "which the largest wins (a single one is compared with a threshold); train with so many"
                )
            return len(tensor)
    expected = next(theirs for theirs, ours in renames.items() if ours == "classifier")
    raise CheckpointError(
        f"{path} has no tensor {expected}.bias, which scores classes; the names of its project's own code were "
        "expected; pass the state dict of the network alone"
    )


def _read_tensors(path: Path, allow_pickle: bool, unsafe_pickle: bool) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise CheckpointError(
            f"{path} is no file; the weights were expected; pass the .safetensors or .pth file itself"
        )
    if path.suffix.lower() != ".safetensors":
        if not (allow_pickle or unsafe_pickle):
            raise CheckpointError(
                f"{path} is no .safetensors file; pickles are read on request alone; allow_pickle, or convert it"
            )
        return read_pickled_tensors(path, unsafe=unsafe_pickle)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({error}); it may be truncated; copy it again"
        ) from error
