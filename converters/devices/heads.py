"""What an export gives out, as `--head` names it: where the class map is taken, or the scores."""

from dataclasses import dataclass

from edge_deeplab.converters.capture import SIZE_MULTIPLE
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.description import Head
from edge_deeplab.errors import ConfigError, unknown_choice


@dataclass(frozen=True)
class HeadForm:
    """A head and the rewrites that make it.

    Args:
        head: what the file says of itself.
        asked: the rewrites.
    """

    head: Head
    asked: tuple[AskedRewrite, ...] = ()


HEAD_FORMS: dict[str, HeadForm] = {
    "exact": HeadForm("classes"),
    "fast": HeadForm("classes", (AskedRewrite("argmax-before-upsampling", reason="--head fast"),)),
    "logits": HeadForm("logits"),
    "classes": HeadForm("classes"),
}
"""By the name that `--head` takes; "classes" is another name of "exact"."""


def resolve_head(name: str) -> HeadForm:
    """Return a head's form by name.

    Raises:
        ConfigError: for an unknown one; the choices are listed.
    """
    if name not in HEAD_FORMS:
        raise unknown_choice("head", name, tuple(HEAD_FORMS))
    return HEAD_FORMS[name]


def check_head_size(name: str, size_hw: tuple[int, int]) -> None:
    """Refuse a head that is made by rewrites at a size where those fit nothing.

    Args:
        name: a key of `HEAD_FORMS`.
        size_hw: height and width that are exported.

    Raises:
        ConfigError: when the size is no multiple of 16.
    """
    if HEAD_FORMS[name].asked and any(side % SIZE_MULTIPLE for side in size_hw):
        raise ConfigError(
            f"head {name} came with size {size_hw[0]}x{size_hw[1]}, where logits are not enlarged by a whole ratio; "
            f"multiples of {SIZE_MULTIPLE} were expected; choose such a size, or pass --head exact"
        )
