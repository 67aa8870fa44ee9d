"""What a project's own configuration, or a name that it gives a network, says of the network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_deeplab.description import Normalisation
from edge_deeplab.documents import Fields
from edge_deeplab.models.backbones import get_backbone
from edge_deeplab.models.foreign.renaming import Renames
from edge_deeplab.models.spec import ASPPSpec, ModelSpec

IMAGENET = get_backbone("resnet50").normalisation


@dataclass(frozen=True)
class Told:
    """What is said of a network.

    Args:
        spec: what it consists of.
        normalisation: what its project's code normalises images with.
        names: of its classes, where they are said.
    """

    spec: ModelSpec
    normalisation: Normalisation = IMAGENET
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Source:
    """A project whose networks are imported.

    Args:
        project: its name.
        says: what says which network a file holds, for people.
        renames: names of its tensors to ours, of a spec and its ASPP.
        networks: networks that have a name there.
        read_config: reads its configuration; raises ValueError with what of it cannot be imported.
        refused: what a name of a network that cannot be imported contains, and the reason.
        dropped: modules whose results are not the map of classes: auxiliary heads and the like.
    """

    project: str
    says: str
    renames: Callable[[ModelSpec, ASPPSpec], Renames]
    networks: Mapping[str, ModelSpec] = field(default_factory=dict)
    read_config: Callable[[Fields], Told] | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()


def only_value(document: Fields, key: str, value: Any, reason: str, *, unsaid: Any = None) -> None:
    """Refuse a field that says something else.

    Args:
        document: what has the field.
        key: its name.
        value: what it may say.
        reason: why nothing else.
        unsaid: what it means in its project's code where it is absent; None where that is `value`.

    Raises:
        ValueError: with the reason.
    """
    found = value_or(document, key, value if unsaid is None else unsaid)
    if found != value:
        raise ValueError(f"{key} is {found!r:.60}, not {value!r}: {reason}")


def value_or(document: Fields, key: str, default: Any) -> Any:
    """Return a field's value, or the default that its project's code has."""
    return document.get(key) if document.has(key) else default
