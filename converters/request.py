"""What an export is asked for, checked once: each value by itself, then all of them against a checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from edge_deeplab.checker.rules import load_profile
from edge_deeplab.converters.capture import check_size
from edge_deeplab.converters.devices.atrous_forms import NATIVE, check_atrous
from edge_deeplab.converters.devices.heads import HeadForm, check_head_size, resolve_head
from edge_deeplab.converters.devices.mending import check_precision, profiles_of
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite, get_rewrite
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import ConfigError, checking, unknown_choice
from edge_deeplab.files import check_writable
from edge_deeplab.formats.manifest import read_manifest
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.sparsity_pattern import parse_sparsity
from edge_deeplab.targets import BACKENDS, STABLE, TARGETS, Precision, TargetName
from edge_deeplab.versions import check_installed

ALL_TARGETS: Mapping[str, tuple[TargetName, ...]] = {"all": STABLE, "every": tuple(TARGETS)}
"""Words for several targets: those that are no preview, and these as well."""
WEIGHT_ONLY: tuple[Precision, ...] = ("w8", "w6", "w4")
"""Weights stored in 8 bits (linear) or in 6 or 4 (palettes); computed in float16 by Core ML, in float32 by ONNX."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_BEFORE_IOS_17 = "int8 Core ML needs iOS 17; for systems before it choose w8, w6 or w4"


@dataclass(frozen=True)
class ExportRequest:
    """What is exported, and how; each value is checked by itself when a request is made.

    Args:
        targets: keys of `TARGETS`, or of `ALL_TARGETS`.
        precision: one of `PRECISIONS`; None is "int8" of a quantized checkpoint, else "fp32".
        sizes_hw: input heights and widths, multiples of 16; with several, each has files of its own that are named by
            it. None at all takes the size that a checkpoint was trained for.
        head: what comes out, a key of `HEAD_FORMS`; None takes each target's own default.
        atrous: the form of atrous convolutions, one of `ATROUS`; "auto" takes for each the cheapest that the target's
            profile, the default one where none is named, runs on its fast path.
        profiles: names of the devices that the files are for: what their rules know to mend is rewritten.
        backend: what computes ExecuTorch programs, a key of `BACKENDS`; its profile is added. None is "xnnpack".
        any_size: allow other sizes; what they cost is told.
        output: folder of the artifacts; made when absent.
        calibrate: data folder that a float checkpoint is quantized on first, without training.
        max_pixels: largest image of it that is read.
        sparsity: which weights are set to zero first, as `parse_sparsity` reads it.
        asked: rewrites beside those that every export runs, in order.

    Raises:
        ConfigError: for a value that cannot be meant; it says in which field.
    """

    targets: Sequence[str] = ("all",)
    precision: str | None = None
    sizes_hw: Sequence[tuple[int, int]] = ()
    head: str | None = None
    atrous: str = NATIVE
    profiles: Sequence[str] = ()
    backend: str | None = None
    any_size: bool = False
    output: Path = Path("exports")
    calibrate: Path | None = None
    max_pixels: int = MAX_PIXELS
    sparsity: str | None = None
    asked: Sequence[AskedRewrite] = ()

    def __post_init__(self) -> None:
        """Check each value by itself."""
        with checking("sizes_hw"):
            if len(set(self.sizes_hw)) < len(self.sizes_hw):
                raise ConfigError("a size came twice; sizes that differ were expected")
            for size_hw in self.sizes_hw if not self.any_size else ():
                check_size(size_hw)
        with checking("targets"):
            resolve_targets(self.targets)
        with checking("head"):
            if self.head is not None:
                resolve_head(self.head)
        with checking("precision"):
            if self.precision is not None:
                _check_precision(self.precision)
        with checking("atrous"):
            check_atrous(self.atrous)
        with checking("profiles"):
            for name in self.profiles:
                load_profile(name)
        with checking("backend"):
            if self.backend not in (None, *BACKENDS):
                raise unknown_choice("backend", str(self.backend), tuple(BACKENDS))
        with checking("sparsity"):
            if self.sparsity is not None:
                parse_sparsity(self.sparsity)
        with checking("asked"):
            for request in self.asked:
                get_rewrite(request.name)

    @property
    def devices(self) -> tuple[str, ...]:
        """The profiles that are asked for, that of the backend among them."""
        return (*self.profiles, *([BACKENDS[self.backend]] if self.backend else []))

    def form_of(self, target: TargetName) -> HeadForm:
        """Return the head of a target's file, and the rewrites that make it."""
        return resolve_head(self.head or TARGETS[target].head)

    def rewrites_of(self, form: HeadForm) -> tuple[AskedRewrite, ...]:
        """Return the rewrites that a head and the caller ask for, in order."""
        return (*form.asked, *self.asked)

    def precision_of(self, checkpoint: Checkpoint) -> str:
        """Return the precision of a checkpoint's files."""
        return self.precision or ("int8" if self._quantizes(checkpoint) else "fp32")

    def sizes_of(self, checkpoint: Checkpoint) -> Sequence[tuple[int, int]]:
        """Return the heights and widths of a checkpoint's files."""
        return self.sizes_hw or (checkpoint.info.size_hw,)

    def check(self, checkpoint: Checkpoint) -> None:
        """Check that a checkpoint can be exported so, as far as that can be told before any work.

        Raises:
            ConfigError: for values that do not go together, or do not fit the checkpoint.
            MissingDependencyError: when a target's converter is not installed.
            OutputError: when the folder cannot be written, or has a manifest of something else.
        """
        targets, precision = resolve_targets(self.targets), self.precision_of(checkpoint)
        _check_targets(targets, precision)
        _check_quantized(checkpoint, precision, quantized=self._quantizes(checkpoint))
        if self.sparsity is not None and precision in WEIGHT_ONLY:
            raise ConfigError(
                f"sparsity came with precision {precision}; fp32 or fp16 was expected, because a file stores a weight "
                "either sparse or in few bits; leave one of the two out"
            )
        for size_hw in self.sizes_of(checkpoint):
            if not (self.any_size or checkpoint.info.is_graph):
                check_size(size_hw)
        for target, profiles in profiles_of(self.devices, targets).items():
            form = self.form_of(target)
            for size_hw in self.sizes_of(checkpoint):
                check_head_size(self.rewrites_of(form), size_hw)
            check_precision(profiles, target, precision, form.head)
        check_writable(self.output, "folder")
        read_manifest(self.output)  # which is brought up to date at the end
        for target in targets:
            check_installed(target)
        if self.backend == "coreml":
            check_installed("coreml")

    def _quantizes(self, checkpoint: Checkpoint) -> bool:
        return checkpoint.quantization is not None or self.calibrate is not None


def resolve_targets(names: Sequence[str]) -> tuple[TargetName, ...]:
    """Return targets by name, each once; words of `ALL_TARGETS` stand for several.

    Raises:
        ConfigError: for none, or an unknown one; the choices are listed.
    """
    if not names:
        raise ConfigError(
            f"no target came; at least one was expected; name one of: {', '.join((*TARGETS, *ALL_TARGETS))}"
        )
    for name in names:
        if name not in (*TARGETS, *ALL_TARGETS):
            raise unknown_choice("target", name, (*TARGETS, *ALL_TARGETS))
    asked = [each for name in names for each in ALL_TARGETS.get(name, (cast(TargetName, name),))]
    return tuple(dict.fromkeys(asked))


def _check_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        problem = unknown_choice("precision", precision, PRECISIONS)
        raise ConfigError(f"{problem}; {_BEFORE_IOS_17}")


def _check_targets(targets: Sequence[TargetName], precision: str) -> None:
    for target in targets:
        if precision not in TARGETS[target].precisions:
            have = ", ".join(n for n, t in TARGETS.items() if precision in t.precisions)
            raise ConfigError(
                f"precision {precision} came for {target}, which has {', '.join(TARGETS[target].precisions)}; "
                f"a target that has it was expected; choose {have}, or another precision"
            )


def _check_quantized(checkpoint: Checkpoint, precision: str, *, quantized: bool) -> None:
    """Refuse int8 of float weights without scales, and another precision of quantized ones."""
    if quantized == (precision == "int8"):
        return
    if quantized:
        raise ConfigError(
            f"precision {precision} came with {checkpoint.name}, a quantized checkpoint whose float weights were never "
            "scored alone; int8 was expected; ask for int8, or the float checkpoint that it was trained from"
        )
    raise ConfigError(
        f"precision int8 came with {checkpoint.name}, a float checkpoint without scales; a quantized one was "
        "expected; quantize it first, or calibrate it on a data folder, without training; "
        f"{_BEFORE_IOS_17}"
    )
