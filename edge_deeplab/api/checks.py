"""The face's verbs that read: what becomes of a file's operators, by which rules, and what an export rewrites."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge_deeplab.api.keywords import checked
from edge_deeplab.api.named import (
    Artifacts,
    to_names,
    to_path,
    to_path_or_none,
    to_paths,
    types,
)
from edge_deeplab.errors import ConfigError, checking, require
from edge_deeplab.progress import SILENT, Progress


@checked
def check(
    artifacts: Artifacts,
    *,
    profiles: str | Sequence[str] = (),
    observe: str = "auto",
    merge: str | Path | None = None,
    fix: bool = False,
    output: str | Path | None = None,
    junit: str | Path | None = None,
    progress: Progress = SILENT,
) -> "tuple[types.CheckResult, ...]":
    """Return the operator report of each file: verdicts by profile, and what tools were seen to do beside them.

    Args:
        artifacts: exported files, of this project or anyone's; a folder of exports stands for its files.
        profiles: runtimes and devices to hold files against; none takes each format's default.
        observe: "auto" asks the observers that need nothing more, "all" those of every profile, "none" no one.
        merge: what a Mac said of one `.mlpackage`, as the script of `write_mac_script` wrote it; it decides verdicts.
        fix: also write NAME.fixed.tflite, in which each operator has the lowest opcode version that it needs; kept
            only when its outputs equal the original's in every bit.
        output: where that copy of one file is written instead.
        junit: write what was found as JUnit XML.
        progress: told of each file.

    Returns:
        One entry a file, in order; a file that cannot be read (damaged, or its format's package is not installed) has
        an `UnreadArtifact` with the reason, and so have, at the end, folders that mean no files.

    Raises:
        ArtifactError: when the Mac's answer cannot be read, or is about another package.
        ConfigError: for an unknown profile or way to observe, a profile that reads none of the files, an answer for
            several files, an observer that all were to be asked and is not available, or nothing to fix.
        OutputError: when a copy or the JUnit file cannot be written; once all is checked with the reports
            (`UnwrittenError`), or as the error of the file whose copy it is.
    """
    from edge_deeplab.checker.ci import check_junit
    from edge_deeplab.checker.mac.bundle import only_package
    from edge_deeplab.checker.report import check_artifacts
    from edge_deeplab.files import check_outputs, write_atomically
    from edge_deeplab.lab.observers import available_observers, demand_observers
    from edge_deeplab.outputs import Output, write_all
    from edge_deeplab.runtimes.observers.mac import MacAnswer

    profiles, merge = to_names("profiles", profiles), to_path_or_none("merge", merge)
    output = to_path_or_none("output", output)
    junit = to_path_or_none("junit", junit)
    _check_choices(profiles, observe)
    if output is not None and not fix:
        raise ConfigError(
            "an output came without fix; both or neither were expected, because only fix writes a file; "
            "ask for the fix or leave the output out"
        )
    named = to_paths(artifacts)
    check_outputs(junit, output, read=named if merge is None else (*named, merge))
    paths, unread = _expand(named)
    answer = None if merge is None else MacAnswer.about(only_package(paths), merge)
    if observe == "all":
        demand_observers(paths, profiles, answer)
    observers = {} if observe == "none" else available_observers(answer)
    results = check_artifacts(paths, profiles, observers, progress=progress)
    found = (*(_with_fixes(results, output, progress) if fix else results), *unread)
    if junit is not None:
        write_all(found, [Output(junit, lambda: write_atomically(junit, check_junit(found)))])
    return found


@checked
def explain_rule(rule: str) -> "types.ExplainedRule":
    """Return a rule of the checker in full, by the id that a verdict names.

    Raises:
        ConfigError: for an unknown id; the closest known ones are named.
    """
    from edge_deeplab.checker import explain

    return explain.explain_rule(rule)


@checked
def compare_quantization(artifacts: Artifacts) -> "types.Comparison":
    """Compare every scale, zero point, axis, weight integer and bias that two or more int8 files hold.

    Args:
        artifacts: as for `check`.

    Raises:
        ArtifactError: when a file holds no quantization that can be read.
        ConfigError: when fewer than two files came, or a folder lists none.
        MissingDependencyError: when the package that knows a format is not installed.
    """
    from edge_deeplab.formats.artifacts import expand_artifacts
    from edge_deeplab.formats.stored.read import compare_stored

    paths = expand_artifacts(to_paths(artifacts))
    if len(paths) < 2:
        raise ConfigError(
            f"{len(paths)} file came to compare; two or more were expected; name the int8 files of one checkpoint"
        )
    return compare_stored(paths)


@checked
def write_mac_script(artifacts: Artifacts, output: str | Path) -> Path:
    """Write a script that, run on a Mac, asks Core ML where each operator of a package runs; `check` merges its answer.

    Args:
        artifacts: one `.mlpackage`, or the folder of its export.
        output: the script.

    Returns:
        The package that it asks about.

    Raises:
        ArtifactError: when the package cannot be read.
        ConfigError: when it is not one package.
        MissingDependencyError: without coremltools.
        OutputError: when the script cannot be written.
    """
    from edge_deeplab.checker.mac import bundle
    from edge_deeplab.files import check_outputs
    from edge_deeplab.formats.artifacts import expand_artifacts

    script, named = to_path("output", output), to_paths(artifacts)
    check_outputs(script, read=named)
    package = bundle.only_package(expand_artifacts(named))
    bundle.write_mac_script(package, script)
    return package


@checked
def rewrites() -> "types.RewriteList":
    """Return the graph rewrites: what each does, what is proven of the outputs, and what asks for it.

    Raises:
        MissingDependencyError: without torch.
    """
    require("torch", package="torch", extra="train")
    from edge_deeplab.converters.rewrites.catalogue import ALWAYS, REWRITES, RewriteList

    return RewriteList(ALWAYS, REWRITES)


def _check_choices(profiles: Sequence[str], observe: str) -> None:
    from edge_deeplab.checker.rules import load_profile
    from edge_deeplab.lab.observers import check_observe

    with checking("profiles"):
        for name in profiles:
            load_profile(name)
    with checking("observe"):
        check_observe(observe)


def _expand(artifacts: Sequence[Path]) -> "tuple[list[Path], list[types.UnreadArtifact]]":
    """Return the files that artifacts mean, and an entry for each folder that means none."""
    from edge_deeplab.checker.report import UnreadArtifact
    from edge_deeplab.formats.artifacts import expand_artifacts

    paths: list[Path] = []
    unread = []
    for artifact in artifacts:
        try:
            paths += expand_artifacts([artifact])
        except ConfigError as error:
            unread.append(UnreadArtifact(artifact, str(error)))
    return paths, unread


def _with_fixes(
    results: "tuple[types.CheckResult, ...]", output: Path | None, progress: Progress
) -> "tuple[types.CheckResult, ...]":
    """Return the reports with what mending their files did; where none could be read there is nothing to mend."""
    from edge_deeplab.checker.report import ArtifactReport
    from edge_deeplab.checker.tflite.fix import fix_files

    read = [result.path for result in results if isinstance(result, ArtifactReport)]
    fixes = fix_files(read, output, progress=progress) if read else {}
    return tuple(
        replace(result, fix=fixes.get(result.path))
        if isinstance(result, ArtifactReport)
        else result
        for result in results
    )
