"""From a checkpoint to artifacts: one capture, one file a target, and a manifest beside them.

Every artifact is written to a temporary sibling and renamed when complete, so a failure, a full
disk included, leaves what stood there before.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import cast, get_args

from edge_deeplab import __version__
from edge_deeplab.checker.rules import Profile, default_profiles
from edge_deeplab.converters.capture import CanonicalGraph, capture, check_size
from edge_deeplab.converters.devices.atrous_forms import (
    AUTO,
    NATIVE,
    AtrousChoice,
    ask_for,
    check_atrous,
    multiply_adds,
    one_form,
)
from edge_deeplab.converters.devices.mending import Mended, choose_atrous_forms, mend, profiles_of
from edge_deeplab.converters.noise import quietly
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.converters.versions import check_installed, installed_versions
from edge_deeplab.description import Description, Head
from edge_deeplab.errors import ConfigError, unknown_choice
from edge_deeplab.files import check_writable, replace_when_complete
from edge_deeplab.formats.manifest import (
    ManifestEntry,
    content_bytes,
    content_sha256,
    write_manifest,
)
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.targets import TARGETS, Precision, TargetName

logger = logging.getLogger(__name__)

HEADS: tuple[Head, ...] = ("classes", "logits")
ALL_TARGETS = "all"
WEIGHT_ONLY: tuple[Precision, ...] = ("w8", "w6", "w4")
"""Weights stored in 8 bits (linear) or in 6 or 4 (palettes), computed in float16."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_BEFORE_IOS_17 = "int8 Core ML needs iOS 17; for systems before it choose w8, w6 or w4"
DEFAULT_FOLDER = Path("exports")


@dataclass(frozen=True)
class ExportedArtifact:
    """An artifact as it lies on disk.

    Args:
        target: a key of `TARGETS`.
        precision: one of `PRECISIONS`.
        path: the file, or the folder of a Core ML package.
        bytes: its size.
        sha256: hash of its content.
        size_hw: input height and width.
        operators: how many operators of the file are "ok", "slow", "fallback" and "rejected".
        profiles: by which profiles; each operator counts by the worst that one says.
        seconds: time that lowering, writing and checking took.
        rewrites: what was asked for beside the rewrites that every graph gets.
        atrous: the form of each atrous convolution, and what the other forms would have cost.
    """

    target: TargetName
    precision: str
    path: Path
    bytes: int
    sha256: str
    size_hw: tuple[int, int]
    operators: dict[str, int]
    profiles: tuple[str, ...]
    seconds: float
    rewrites: tuple[AskedRewrite, ...] = ()
    atrous: tuple[AtrousChoice, ...] = ()


def export_checkpoint(
    checkpoint: Checkpoint,
    targets: Sequence[str],
    precision: str = "fp32",
    size_hw: tuple[int, int] | None = None,
    head: Head = "classes",
    output_dir: Path = DEFAULT_FOLDER,
    *,
    asked: Sequence[AskedRewrite] = (),
    any_size: bool = False,
    atrous: str = NATIVE,
    profiles: Sequence[str] = (),
    on_step: Callable[[str], None] = logger.debug,
) -> list[ExportedArtifact]:
    """Export a checkpoint to one or more targets and write `manifest.json` beside the artifacts.

    Args:
        checkpoint: what to export.
        targets: keys of `TARGETS`, or "all".
        precision: one of `PRECISIONS`; "int8" for a quantized checkpoint.
        size_hw: input height and width, multiples of 16; None takes the size it was trained for.
        head: "classes" (class ids come out) or "logits".
        output_dir: folder of the artifacts; made when absent.
        asked: rewrites beside those that every export runs, in order.
        any_size: allow other sizes; what they cost is logged.
        atrous: the form of atrous convolutions, one of `ATROUS`; "auto" takes for each the cheapest that the target's
            profile, the default one where none is named, runs on its fast path.
        profiles: names of the devices that the files are for: what their rules know to mend is rewritten.
        on_step: told what begins.

    Returns:
        One artifact a target, in the order given.

    Raises:
        ConfigError: for an unknown target, precision, head, atrous form, profile or rewrite, for a bad size, or for a
            precision that the checkpoint has no numbers for.
        UnsupportedOperatorError: when a profile would not load a file however it is rewritten.
        CheckpointError: when tensors do not fit the model.
        CaptureError: when the model cannot be captured.
        ConversionError: when a lowering fails.
        MissingDependencyError: when a target's converter is not installed.
        OutputError: when the folder cannot be written.
    """
    size_hw = checkpoint.info.size_hw if size_hw is None else size_hw
    targets = resolve_targets(targets)
    check_output(precision, head)
    check_quantized(checkpoint, precision)
    check_targets(targets, precision)
    check_size(size_hw, any_size=any_size)
    check_atrous(atrous)
    judges = profiles_of(profiles, targets)
    check_writable(output_dir, "folder")
    for target in targets:
        check_installed(target)
    on_step(f"capturing {checkpoint.name} at {size_hw[0]}x{size_hw[1]}")
    model, normalisation = checkpoint.build(), checkpoint.info.normalisation
    graph = capture(model, normalisation, size_hw, head, checkpoint.quantization, asked)
    rewritten = cache(graph.rewritten)
    artifacts = []
    for target in targets:
        description = describe(checkpoint, graph, target, precision)
        plan = _plan(graph, description, atrous, judges[target], on_step)
        on_step(f"exporting to {target} {precision}{_cost(plan.atrous)}")
        names = [profile.name for profile in judges[target]]
        artifact = export_graph(rewritten(plan.asked), description, output_dir, names)
        artifacts.append(replace(artifact, rewrites=(*asked, *plan.asked), atrous=plan.atrous))
    write_manifest(output_dir, [_manifest_entry(a, checkpoint, head) for a in artifacts])
    return artifacts


def _plan(
    graph: CanonicalGraph,
    description: Description,
    atrous: str,
    profiles: Sequence[Profile],
    on_step: Callable[[str], None],
) -> Mended:
    """Return what one target's file asks for; to choose or to mend, it is lowered and judged first."""
    target = description.target
    assert target is not None, "a file is made for a target"

    def lower(tried: CanonicalGraph, folder: Path) -> Path:
        on_step(f"checking {target} {description.precision}")
        path = folder / f"tried{TARGETS[target].ending}"
        write_target(tried, description, path)
        return path

    if atrous == AUTO:
        start = choose_atrous_forms(graph, lower, profiles, target)
    else:
        choices = one_form(graph.program, atrous)
        start = Mended(ask_for(choices, f"--atrous {atrous}"), choices)
    return mend(graph, lower, profiles, start)


def _cost(choices: Sequence[AtrousChoice]) -> str:
    """Return what the chosen atrous forms cost, for the log; nothing when all are native."""
    counts = Counter(choice.chosen for choice in choices)
    if set(counts) <= {NATIVE}:
        return ""
    forms = ", ".join(f"{count} {form}" for form, count in sorted(counts.items()))
    chosen, native = multiply_adds(choices), multiply_adds(choices, NATIVE)
    return (
        f" (atrous convolutions: {forms}; {chosen / 1e6:.1f} million multiply-adds, "
        f"natively {native / 1e6:.1f})"
    )


def export_graph(
    graph: CanonicalGraph,
    description: Description,
    output_dir: Path,
    profiles: Sequence[str] = (),
) -> ExportedArtifact:
    """Lower a canonical graph to one target and count the verdicts on the file's operators.

    Args:
        graph: the canonical graph.
        description: what the artifact is to say of itself; its target and precision are what is
            written.
        output_dir: folder of the artifact.
        profiles: names of those that give the verdicts; none takes the target's default.
    """
    from edge_deeplab.checker.report import count_verdicts

    start, target = time.perf_counter(), description.target
    assert target is not None, "a file is made for a target"
    judges = tuple(profiles) or tuple(p.name for p in default_profiles(target))
    name = description.checkpoint.removesuffix(f"-{description.precision}")
    path = output_dir / f"{name}-{description.precision}{TARGETS[target].ending}"
    with replace_when_complete(path) as temporary:
        write_target(graph, description, temporary)
        with quietly():
            operators = count_verdicts(temporary, judges) if judges else {}  # no rules: not checked
    return ExportedArtifact(
        target=target,
        precision=description.precision,
        path=path,
        bytes=content_bytes(path),
        sha256=content_sha256(path),
        size_hw=graph.size_hw,
        operators=operators,
        profiles=judges,
        seconds=time.perf_counter() - start,
    )


def write_target(graph: CanonicalGraph, description: Description, path: Path) -> None:
    """Write the file of a canonical graph for the target that its description names.

    Args:
        graph: the canonical graph.
        description: what the file is to say of itself.
        path: the file, or the folder of a package.

    Raises:
        ConversionError: when the lowering fails.
        MissingDependencyError: when the target's converter is not installed.
    """
    target = description.target
    assert target is not None, "a file is made for a target"
    lowering = import_module(f"{__package__}.to_{target}")
    getattr(lowering, f"write_{target}")(graph, description, path)


def resolve_targets(names: Sequence[str]) -> tuple[TargetName, ...]:
    """Return targets by name, each once; "all" stands for all of them.

    Raises:
        ConfigError: for an unknown one; the choices are listed.
    """
    for name in names:
        if name not in (*TARGETS, ALL_TARGETS):
            raise unknown_choice("target", name, (*TARGETS, ALL_TARGETS))
    if ALL_TARGETS in names:
        return tuple(TARGETS)
    return tuple(cast(TargetName, name) for name in dict.fromkeys(names))


def check_output(precision: str, head: str) -> None:
    """Check precision and head against their choices.

    Raises:
        ConfigError: for an unknown one.
    """
    if head not in HEADS:
        raise unknown_choice("head", head, HEADS)
    if precision not in PRECISIONS:
        problem = unknown_choice("precision", precision, PRECISIONS)
        raise ConfigError(f"{problem}; {_BEFORE_IOS_17}")


def check_targets(targets: Sequence[TargetName], precision: str) -> None:
    """Check that all targets have a precision.

    Raises:
        ConfigError: naming the first that has not.
    """
    for target in targets:
        if precision not in TARGETS[target].precisions:
            have = " ".join(
                f"--target {n}" for n, t in TARGETS.items() if precision in t.precisions
            )
            raise ConfigError(
                f"precision {precision} came for {target}, which has {', '.join(TARGETS[target].precisions)}; "
                f"a target that has it was expected; pass {have}, or another precision"
            )


def check_quantized(checkpoint: Checkpoint, precision: str) -> None:
    """Check that a precision is one that the checkpoint has the numbers for.

    Raises:
        ConfigError: for int8 from a float checkpoint, and for another precision from a quantized one.
    """
    quantized = checkpoint.quantization is not None
    if quantized == (precision == "int8"):
        return
    if quantized:
        raise ConfigError(
            f"precision {precision} came with {checkpoint.name}, a quantized checkpoint whose float weights were never "
            "scored alone; int8 was expected; pass --precision int8, or the float checkpoint that it was trained from"
        )
    raise ConfigError(
        f"precision int8 came with {checkpoint.name}, a float checkpoint without scales; a quantized one was "
        "expected; run edge-deeplab qat first, or pass --calibrate DIR to quantize it without training; "
        f"{_BEFORE_IOS_17}"
    )


def describe(
    checkpoint: Checkpoint, graph: CanonicalGraph, target: TargetName, precision: str
) -> Description:
    """Return what an artifact of this checkpoint says of itself."""
    return checkpoint.describe(
        target=target,
        precision=precision,
        head=graph.head,
        size_hw=graph.size_hw,
        provenance={
            "edge-deeplab": __version__,
            "packages": installed_versions("torch", *TARGETS[target].packages),
            "training": dict(checkpoint.info.provenance),
        },
    )


def _manifest_entry(artifact: ExportedArtifact, checkpoint: Checkpoint, head: str) -> ManifestEntry:
    return {
        "file": artifact.path.name,
        "target": artifact.target,
        "precision": artifact.precision,
        "head": head,
        "size_hw": list(artifact.size_hw),
        "bytes": artifact.bytes,
        "sha256": artifact.sha256,
        "operators": artifact.operators,
        "profiles": list(artifact.profiles),
        "rewrites": [request.to_json() for request in artifact.rewrites],
        "atrous": [choice.to_json() for choice in artifact.atrous],
        "checkpoint": {"name": checkpoint.name, "sha256": checkpoint.sha256},
        "versions": {
            "edge-deeplab": __version__,
            **installed_versions("torch", *TARGETS[artifact.target].packages),
        },
    }
