"""From a checkpoint to artifacts: one capture, one lowering a target, and a manifest beside them.

The idea to hold: the file that was lowered and judged is the file that is kept. Every artifact is written to a
temporary sibling and renamed when complete, so a failure, a full disk included, leaves what stood there before.
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_deeplab.checker.judging import ProfileReport, count_worst, judge
from edge_deeplab.checker.rules import Profile, default_profiles
from edge_deeplab.collecting import collecting_rarely
from edge_deeplab.config import QatRecipe
from edge_deeplab.converters.capture import CanonicalGraph, capture, say_what_size_costs
from edge_deeplab.converters.devices.atrous_forms import NATIVE, AtrousChoice, multiply_adds
from edge_deeplab.converters.devices.heads import HeadForm, resolve_head
from edge_deeplab.converters.devices.mending import (
    UNMENDED,
    Mended,
    foresee,
    lower_mended,
    profiles_of,
)
from edge_deeplab.converters.exported import ExportedArtifact
from edge_deeplab.converters.proof import Proof, Run
from edge_deeplab.converters.request import ExportRequest, resolve_targets
from edge_deeplab.converters.several_sizes import NO_SIZE, ONE_PROGRAM, UNITED, unite
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.description import Description
from edge_deeplab.files import replace_when_complete
from edge_deeplab.formats.manifest import (
    ManifestEntry,
    content_bytes,
    content_sha256,
    write_manifest,
)
from edge_deeplab.formats.read import read_graph
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.models.origins import carried, origins_of
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.qat import quantize
from edge_deeplab.quantization.sparsity import say_who_gains_nothing, sparsify
from edge_deeplab.sparsity_pattern import parse_sparsity
from edge_deeplab.targets import BACKEND_KEY, TARGETS, TargetName
from edge_deeplab.text import size_text
from edge_deeplab.versions import __version__, installed_versions


def export_checkpoint(
    checkpoint: Checkpoint,
    request: ExportRequest,
    progress: Progress = SILENT,
    run: Run | None = None,
) -> tuple[ExportedArtifact, ...]:
    """Export a checkpoint to one or more targets and write `manifest.json` beside the artifacts.

    Args:
        checkpoint: what to export.
        request: to what, and how.
        progress: told what is under way.
        run: runs each file once, so that one that computes something else than its network is not kept; None leaves
            them unproven.

    Returns:
        One artifact a target, in the order given.

    Raises:
        ConfigError: for values that do not go together, or do not fit the checkpoint.
        DataError: when the data to calibrate with cannot be used.
        UnsupportedOperatorError: when a profile would not load a file however it is rewritten.
        CheckpointError: when tensors do not fit the model.
        CaptureError: when the model cannot be captured.
        ConversionError: when a lowering fails, or gives a file that computes something else.
        MissingDependencyError: when a target's converter is not installed.
        OutputError: when the folder cannot be written.
    """
    request.check(checkpoint)
    checkpoint = _prepared(checkpoint, request, progress)
    for warning in _warnings(checkpoint, request):
        progress.note(warning)
    with TemporaryDirectory() as parts:
        written = [
            artifact
            for size_hw in request.sizes_of(checkpoint)
            for artifact in _export_at(
                size_hw, checkpoint, request, Path(parts), _Watch(progress, run)
            )
        ]
        artifacts = unite(written, request.output, progress)
    write_manifest(request.output, [_manifest_entry(each, checkpoint) for each in artifacts])
    return tuple(artifacts)


def _export_at(
    size_hw: tuple[int, int],
    checkpoint: Checkpoint,
    request: ExportRequest,
    parts: Path,
    watch: "_Watch",
) -> list[ExportedArtifact]:
    """Return a file a target, the graph of each head captured once; one that is to be a part of a whole, in `parts`.

    That of the slowest runtime is written first: it is run while the others are lowered.
    """
    targets = resolve_targets(request.targets)
    graphs: dict[HeadForm, CanonicalGraph] = {}
    artifacts: dict[TargetName, ExportedArtifact] = {}
    with ExitStack() as unproven:
        for target in sorted(targets, key=lambda each: -TARGETS[each].patience):
            form = request.form_of(target)
            if form not in graphs:
                graphs[form] = _captured(checkpoint, request, form, size_hw, watch.progress)
            file = _unproven(target, graphs[form], checkpoint, request, parts, watch)
            artifacts[target] = unproven.enter_context(file)
    return [artifacts[target] for target in targets]


@contextmanager
def _unproven(
    target: TargetName,
    graph: CanonicalGraph,
    checkpoint: Checkpoint,
    request: ExportRequest,
    parts: Path,
    watch: "_Watch",
) -> Iterator[ExportedArtifact]:
    """Give a file that is written and being run; when the block ends, it is held against its graph, and kept or not.

    What the block raises of another file does not hinder that; an interrupt does.
    """
    progress, asked = watch.progress, request.rewrites_of(request.form_of(target))
    several = len(request.sizes_hw) > 1
    is_part = several and target in UNITED
    if is_part and target in ONE_PROGRAM:
        graph, asked = graph.rewritten([NO_SIZE]), (*asked, NO_SIZE)
    description = describe(checkpoint, graph, target, request.precision_of(checkpoint))
    if target == "executorch" and request.backend:
        told = {**description.provenance, BACKEND_KEY: request.backend}
        description = replace(description, provenance=told)
    judges = profiles_of(request.devices, resolve_targets(request.targets))[target]
    plan = foresee(graph, description, request.atrous, judges)
    _tell_cost(plan.atrous, target, progress)
    path = (parts if is_part else request.output) / file_name(description, sized=several)
    of_another: Exception | None = None
    with replace_when_complete(path) as temporary:
        artifact = export_graph(graph, description, temporary, plan, judges, progress)
        proof = _proof(graph, description, temporary, watch)
        try:
            yield replace(artifact, path=path, rewrites=(*asked, *artifact.rewrites))
        except Exception as error:
            of_another = error
        if proof is not None:
            progress.begin(f"running {path.name} once")
            reason = proof.finish()
            if reason is not None:
                progress.note(f"warning: what {path.name} computes is not known here: {reason}")
    if of_another is not None:
        raise of_another


@dataclass(frozen=True)
class _Watch:
    """What looks on: who is told, and what runs the files."""

    progress: Progress
    run: Run | None


def _proof(
    graph: CanonicalGraph, description: Description, path: Path, watch: _Watch
) -> Proof | None:
    """Begin to run a file; None where nothing here runs it."""
    if watch.run is None or description.provenance.get(BACKEND_KEY) == "coreml":
        return None
    return Proof(graph, description, path, watch.run)


def file_name(description: Description, *, sized: bool = False) -> str:
    """Return what a file is called: by its checkpoint, precision, backend and, where there are several, size."""
    assert description.target is not None, "a file is made for a target"
    name = description.checkpoint.removesuffix(f"-{description.precision}")
    parts = [name, description.precision]
    if description.provenance.get(BACKEND_KEY) == "coreml":
        parts.append("coreml")
    if sized:
        parts.append(size_text(description.size_hw))
    return "-".join(parts) + TARGETS[description.target].ending


def _prepared(checkpoint: Checkpoint, request: ExportRequest, progress: Progress) -> Checkpoint:
    """Return what is captured: the checkpoint with quantizers, or with zeros, where these were asked for."""
    if request.calibrate is not None:
        recipe = QatRecipe()
        split, max_pixels = recipe.data.splits[0], request.max_pixels
        source = open_dataset(request.calibrate, split, max_pixels=max_pixels)
        checkpoint = quantize(checkpoint, recipe, source, progress=progress)
    if request.sparsity is not None:
        warning = say_who_gains_nothing(resolve_targets(request.targets))
        if warning is not None:
            progress.note(warning)
        checkpoint = sparsify(checkpoint, parse_sparsity(request.sparsity))
    return checkpoint


def _warnings(checkpoint: Checkpoint, request: ExportRequest) -> Iterator[str]:
    """Yield what the files that are asked for will cost, or not do."""
    for size_hw in request.sizes_of(checkpoint):
        if not checkpoint.info.is_graph and (warning := say_what_size_costs(size_hw)):
            yield warning
    trained = checkpoint.info.size_hw
    others = [size_text(size) for size in request.sizes_of(checkpoint) if size != trained]
    if len(request.sizes_hw) > 1 and others:
        yield (
            f"{checkpoint.name} was trained at {size_text(trained)}; what {', '.join(others)} costs in accuracy is not "
            "known before parity tells it"
        )
    for target in resolve_targets(request.targets):
        form = request.form_of(target)
        if form.head == "classes" and resolve_head(TARGETS[target].head).head == "logits":
            yield (
                f"{target}: devices were seen to compute a wrong class map (docs/{target}.md); head logits, the "
                "default, leaves it to whoever reads the file"
            )


def _captured(
    checkpoint: Checkpoint,
    request: ExportRequest,
    form: HeadForm,
    size_hw: tuple[int, int],
    progress: Progress,
) -> CanonicalGraph:
    progress.begin(f"capturing {checkpoint.name} at {size_text(size_hw)}")
    graph = capture(
        checkpoint.build(),
        checkpoint.info.normalisation,
        size_hw,
        form.head,
        checkpoint.quantization,
        request.rewrites_of(form),
    )
    return replace(graph, sparse=checkpoint.info.sparsity is not None)


def _tell_cost(choices: Sequence[AtrousChoice], target: TargetName, progress: Progress) -> None:
    """Tell what the chosen atrous forms cost; nothing when all are native."""
    counts = Counter(choice.chosen for choice in choices)
    if set(counts) <= {NATIVE}:
        return
    forms = ", ".join(f"{count} {form}" for form, count in sorted(counts.items()))
    chosen, native = multiply_adds(choices), multiply_adds(choices, NATIVE)
    progress.note(
        f"atrous convolutions of {target}: {forms}; {chosen / 1e6:.1f} million multiply-adds, "
        f"natively {native / 1e6:.1f}"
    )


def export_graph(
    graph: CanonicalGraph,
    description: Description,
    path: Path,
    plan: Mended = UNMENDED,
    profiles: Sequence[Profile] = (),
    progress: Progress = SILENT,
) -> ExportedArtifact:
    """Lower a canonical graph to one target and count the verdicts on the file's operators.

    Args:
        graph: the canonical graph.
        description: what the artifact is to say of itself; its target and precision are what is
            written.
        path: file to write, or the folder of a package.
        plan: what the file is first written with.
        profiles: those that give the verdicts, and that it is written again for; with none the target's default judges.
        progress: told what is under way.
    """
    start, target = time.perf_counter(), description.target
    assert target is not None, "a file is made for a target"
    with replace_when_complete(path) as temporary:

        def lower(tried: CanonicalGraph) -> Path:
            progress.begin(f"lowering to {target} {description.precision}")
            if temporary.is_dir():
                shutil.rmtree(temporary)
            write_target(tried, description, temporary)
            progress.begin(f"checking {target} {description.precision}")
            return temporary

        if profiles:
            plan, reports = lower_mended(graph, lower, profiles, plan)
        else:
            reports = _judged(lower(graph.rewritten(plan.asked)), default_profiles(target))
    return ExportedArtifact(
        target=target,
        precision=description.precision,
        head=description.head,
        path=path,
        bytes=content_bytes(path),
        sha256=content_sha256(path),
        size_hw=graph.size_hw,
        operators=count_worst([[v.verdict for v in report.verdicts] for report in reports]),
        profiles=tuple(report.profile for report in reports),
        seconds=time.perf_counter() - start,
        rewrites=plan.asked,
        atrous=plan.atrous,
    )


def _judged(path: Path, judges: Sequence[Profile]) -> tuple[ProfileReport, ...]:
    """Return what profiles say of a file, which is not read where there are no rules."""
    if not judges:
        return ()
    file = read_graph(path)
    return tuple(judge(file, profile) for profile in judges)


@collecting_rarely()
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
            **carried(origins_of(checkpoint.info.provenance)),
            **({"sparsity": checkpoint.info.sparsity} if graph.sparse else {}),
        },
    )


def _manifest_entry(artifact: ExportedArtifact, checkpoint: Checkpoint) -> ManifestEntry:
    return {
        "file": artifact.path.name,
        "target": artifact.target,
        "precision": artifact.precision,
        "head": artifact.head,
        "size_hw": list(artifact.size_hw),
        "sizes_hw": [list(size) for size in artifact.sizes_hw or (artifact.size_hw,)],
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
