"""`edge-deeplab check`: the operator report of exported files, this project's or not."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.output import (
    DebugOption,
    JsonOption,
    ending_cleanly,
    print_json,
    reading_option,
)
from edge_deeplab.cli.terminal import say
from edge_deeplab.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from edge_deeplab.checker.report import ArtifactReport, CheckResult
    from edge_deeplab.checker.tflite.fix import VersionFix


def check(
    artifacts: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="ARTIFACT",
            help="Exported files of this project or anyone's, or folders that export wrote.",
        ),
    ] = None,
    profiles: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="Runtime and device to hold files against; again for more. Without it each format's default.",
        ),
    ] = None,
    same_quantization: Annotated[
        bool,
        typer.Option(
            "--same-quantization",
            help="Instead compare every scale, zero point, axis, weight integer and bias of two or more int8 files.",
        ),
    ] = False,
    explain_rule: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="RULE",
            help="Instead print one rule in full, by the id that a report names; needs no file.",
        ),
    ] = None,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Also write NAME.fixed.tflite, in which each operator has the lowest opcode version that it needs; "
            "kept only when its outputs equal the original's in every bit.",
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="With --fix and one file: where the copy is written."
        ),
    ] = None,
    mac_script: Annotated[
        Path | None,
        typer.Option(
            "--mac-script",
            metavar="OUT.py",
            help="Instead write a script that, run on a Mac, asks Core ML where each operator of the .mlpackage runs.",
        ),
    ] = None,
    merge: Annotated[
        Path | None,
        typer.Option(
            "--merge",
            metavar="RESULT.json",
            help="What that script wrote: observed verdicts replace the predicted ones.",
        ),
    ] = None,
    observe: Annotated[
        str,
        typer.Option(
            "--observe",
            metavar="auto|all|none",
            help="Which tools are asked what they do with a file, beside the prediction: those that are installed, "
            "those of all profiles or it is an error, or none.",
        ),
    ] = "auto",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Read exported files and say what they hold and what a target makes of it; exit code 1 when something is rejected.

    Lists operators with versions and every dilated depthwise convolution with its rate; for TFLite measures what
    XNNPACK takes on this machine. Verdicts: ok, slow (runs off the fast path), fallback (goes to another processor or
    kernel and splits the graph), rejected (does not load).

    Example: edge-deeplab check exports/*.tflite exports/*.onnx --profile tflite-xnnpack --profile onnx-cpu
    """
    if not artifacts and explain_rule is None:
        raise typer.BadParameter(
            "no ARTIFACT came; exported files were expected, or --explain with a rule's id"
        )
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab import api
        from edge_deeplab.checker.report import ArtifactReport
        from edge_deeplab.checker.rules import load_profile
        from edge_deeplab.checker.tflite.fix import fix_files
        from edge_deeplab.cli.check_explain import explain
        from edge_deeplab.cli.check_same import compare
        from edge_deeplab.cli.progress import drawn_progress
        from edge_deeplab.files import check_writable
        from edge_deeplab.formats.artifacts import expand_artifacts
        from edge_deeplab.lab.observers import check_observe

        _refuse_ignored(
            {
                "--explain": explain_rule is not None,
                "--same-quantization": same_quantization,
                "--mac-script": mac_script is not None,
            },
            {
                "ARTIFACT": bool(artifacts) and explain_rule is not None,
                "--profile": bool(profiles),
                "--merge": merge is not None,
                "--fix": fix,
                "--output": output is not None,
                "--observe": observe != "auto",
            },
        )
        with reading_option("--profile"):
            for name in profiles or ():
                load_profile(name)
        with reading_option("--observe"):
            check_observe(observe)
        if output is not None:
            check_writable(output, "file")
        if explain_rule is not None:
            with reading_option("--explain"):
                explain(explain_rule, as_json=as_json)
        elif same_quantization:
            compare(expand_artifacts(artifacts or []), as_json=as_json)
        elif mac_script is not None:
            check_writable(mac_script, "file")
            write_script(expand_artifacts(artifacts or []), mac_script, as_json=as_json)
        else:
            paths, failures = _readable_artifacts(artifacts or [])
            with drawn_progress() as progress:
                results = api.check(
                    paths,
                    profiles=profiles or (),
                    observe=observe,
                    merge=merge,
                    progress=progress,
                )
                read = [result.path for result in results if isinstance(result, ArtifactReport)]
                fixes = fix_files(read, output, progress=progress) if fix and read else {}
            show(results, failures, fixes, as_json=as_json)


def show(
    results: "Sequence[CheckResult]",
    failures: Mapping[Path, str],
    fixes: "Mapping[Path, VersionFix]",
    *,
    as_json: bool,
) -> None:
    """Print the report of files; exit code 1 when one cannot be read, mended, or holds a rejected operator.

    Args:
        results: of the files.
        failures: one sentence for each folder that means no files.
        fixes: what was mended.
        as_json: whether one JSON document is printed.
    """
    from edge_deeplab.checker.report import ArtifactReport, UnreadArtifact

    reports = [result for result in results if isinstance(result, ArtifactReport)]
    entries = [*results, *(UnreadArtifact(folder, why) for folder, why in failures.items())]
    errors = [entry.error for entry in entries if isinstance(entry, UnreadArtifact)]
    errors += [fix.error for fix in fixes.values() if fix.error is not None]
    if as_json:
        added = {
            path: {"error": fix.error} if fix.error else {"fix": fix.to_json()}
            for path, fix in fixes.items()
        }
        print_json({"artifacts": [e.to_json() | added.get(e.path, {}) for e in entries]})
    else:
        _show(reports, list(fixes.values()))
    for sentence in errors:
        say(f"error: {sentence}", err=True)
    if errors or any(found.rejected for found in reports):
        raise typer.Exit(1)


def write_script(paths: Sequence[Path], output: Path, *, as_json: bool) -> None:
    """Write the script that asks a Mac about one package and tell how to run it.

    Raises:
        ArtifactError: when the package cannot be read.
        ConfigError: when it is not one package.
        MissingDependencyError: without coremltools.
        OutputError: when the script cannot be written.
    """
    from edge_deeplab.checker.mac.bundle import only_package, write_mac_script

    package = only_package(paths, "--mac-script")
    write_mac_script(package, output)
    if as_json:
        print_json({"package": str(package), "mac_script": str(output)})
    else:
        say(
            f"{output} is written; take it and {package} to a Mac and run: "
            f"python {_argument(output)} {_argument(package)} [IMAGE ...]"
        )


def _argument(path: Path) -> str:
    """Return a file's name as a shell takes it for one argument that is no option."""
    return shlex.quote(f"./{path.name}" if path.name.startswith("-") else path.name)


def _refuse_ignored(instead: dict[str, bool], others: dict[str, bool]) -> None:
    """Refuse options that would be ignored in silence.

    Args:
        instead: by option that takes the place of the report, whether it came.
        others: the same of what goes with the report.

    Raises:
        ConfigError: when one came beside another that takes its place, or --output without --fix.
    """
    replacing = [option for option, came in instead.items() if came]
    ignored = [*replacing[1:], *(option for option, came in others.items() if came)]
    if replacing and ignored:
        raise ConfigError(
            f"{ignored[0]} came with {replacing[0]}, which would ignore it; one of them was expected; "
            "leave the other out"
        )
    if others["--output"] and not others["--fix"]:
        raise ConfigError(
            "--output came without --fix; both or neither were expected, because only --fix writes a file; "
            "add --fix or leave --output out"
        )


def _readable_artifacts(artifacts: Sequence[Path]) -> tuple[list[Path], dict[Path, str]]:
    """Return the files that arguments mean, and one sentence for each folder that means none."""
    from edge_deeplab.formats.artifacts import expand_artifacts

    paths: list[Path] = []
    failures: dict[Path, str] = {}
    for artifact in artifacts:
        try:
            paths += expand_artifacts([artifact])
        except ConfigError as error:
            failures[artifact] = str(error)
    return paths, failures


def _show(reports: "Sequence[ArtifactReport]", fixes: "Sequence[VersionFix]") -> None:
    from edge_deeplab.cli.check_tables import fix_line
    from edge_deeplab.cli.terminal import stdout_console

    console = stdout_console()
    for report in reports:
        _show_report(console, report)
    for fix in fixes:
        say(fix_line(fix))


def _show_report(console: "Console", report: "ArtifactReport") -> None:
    from rich.text import Text

    from edge_deeplab.cli import check_tables

    console.rule(str(report.path), align="left")
    console.print(check_tables.operators_line(report.graph))
    for comparison in report.comparisons:
        if line := check_tables.observed_line(comparison):
            console.print(line)
    for warning in report.warnings:
        console.print(Text.assemble(("warning:", "yellow"), f" {warning}"))
    if table := check_tables.version_table(report.version_findings):
        console.print(table)
    for finding in check_tables.signature_lines(report.signature_findings):
        console.print(finding)
    for note in report.notes:
        console.print(f"note: {note}")
    if table := check_tables.dilated_table(report.graph):
        console.print(table)
    if not report.profiles:
        console.print(f"not judged: none of the profiles named reads {report.graph.format} files")
    for profile in report.profiles:
        console.print(check_tables.verdict_line(profile))
        if line := check_tables.placement_line(profile):
            console.print(line)
        if verdicts := check_tables.verdict_table(profile, console.width):
            console.print(verdicts)
