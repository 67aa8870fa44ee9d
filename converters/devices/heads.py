"""What an export gives out, as `--head` names it: where the class map is taken, or the scores."""

from collections.abc import Mapping, Sequence
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


HEAD_FORMS: Mapping[str, HeadForm] = {
    "exact": HeadForm("classes"),
    "fast": HeadForm("classes", (AskedRewrite("argmax-before-upsampling", reason="--head fast"),)),
    "logits": HeadForm("logits"),
    "quarter-logits": HeadForm(
        "logits", (AskedRewrite("logits-before-upsampling", reason="--head quarter-logits"),)
    ),
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


def check_head_size(asked: Sequence[AskedRewrite], size_hw: tuple[int, int]) -> None:
    """Refuse the fast head's rewrite, however it was asked for, at a size where it fits nothing.

    Args:
        asked: all rewrites.
        size_hw: height and width that are exported.

    Raises:
        ConfigError: when the size is no multiple of 16.
    """
    (rewrite,) = HEAD_FORMS["fast"].asked
    for request in asked:
        if request.name == rewrite.name and any(side % SIZE_MULTIPLE for side in size_hw):
            raise ConfigError(
                f"{request.reason or request.name} came with size {size_hw[0]}x{size_hw[1]}, where logits are not "
                f"enlarged by a whole ratio; multiples of {SIZE_MULTIPLE} were expected; choose such a size, or "
                "head exact"
            )
