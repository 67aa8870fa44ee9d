"""`edge-deeplab check`: the operator report of exported files, this project's or not."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.check_explain import show_rule
from edge_deeplab.cli.check_same import show_comparison
from edge_deeplab.cli.completion import names_of
from edge_deeplab.cli.options import JunitOption
from edge_deeplab.cli.output import (
    DebugOption,
    Ending,
    JsonOption,
    ending_cleanly,
    naming_options,
    print_json,
    reading_option,
)
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say
from edge_deeplab.cli.together import refuse_beside

if TYPE_CHECKING:
    from rich.console import Console

    from edge_deeplab.checker.report import ArtifactReport, CheckResult


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
            autocompletion=names_of("profile"),
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
    junit: JunitOption = None,
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
    with ending_cleanly(as_json=as_json, debug=debug) as ending:
        refuse_beside(
            {
                "--explain": explain_rule,
                "--same-quantization": same_quantization,
                "--mac-script": mac_script,
            },
            {
                "ARTIFACT": bool(artifacts) and explain_rule is not None,
                "--profile": profiles,
                "--merge": merge,
                "--fix": fix,
                "--output": output,
                "--observe": observe != "auto",
                "--junit": junit,
            },
        )
        if explain_rule is not None:
            with reading_option("--explain"):
                show_rule(api.explain_rule(explain_rule), as_json=as_json)
        elif same_quantization:
            show_comparison(api.compare_quantization(artifacts or ()), as_json=as_json)
        elif mac_script is not None:
            package = api.write_mac_script(artifacts or (), mac_script)
            _show_script(package, mac_script, as_json=as_json)
        else:
            with naming_options({"profiles": "--profile"}), drawn_progress() as progress:
                results = ending.result_of(
                    api.check,
                    artifacts or (),
                    profiles=profiles or (),
                    observe=observe,
                    merge=merge,
                    fix=fix,
                    output=output,
                    junit=junit,
                    progress=progress,
                )
            _show(results, ending, as_json=as_json)


def _show(results: "Sequence[CheckResult]", ending: Ending, *, as_json: bool) -> None:
    """Print the report of files; exit code 1 when one cannot be read, mended, or holds a rejected operator."""
    from edge_deeplab.checker.report import ArtifactReport, UnreadArtifact

    reports = [result for result in results if isinstance(result, ArtifactReport)]
    errors = [result.error for result in results if isinstance(result, UnreadArtifact)]
    errors += [report.fix.error for report in reports if report.fix and report.fix.error]
    if as_json:
        ending.print_json({"artifacts": [result.to_json() for result in results]})
    else:
        _show_reports(reports)
        if len(results) > 1:
            _show_summary(results)
    for sentence in errors:
        say(f"error: {sentence}", err=True)
    if errors or any(report.rejected for report in reports):
        raise typer.Exit(1)


def _show_script(package: Path, script: Path, *, as_json: bool) -> None:
    """Tell how to run the script that asks a Mac about a package."""
    if as_json:
        print_json({"package": str(package), "mac_script": str(script)})
    else:
        say(
            f"{script} is written; take it and {package} to a Mac and run: "
            f"python {_argument(script)} {_argument(package)} [IMAGE ...]"
        )


def _argument(path: Path) -> str:
    """Return a file's name as a shell takes it for one argument that is no option."""
    return shlex.quote(f"./{path.name}" if path.name.startswith("-") else path.name)


def _show_reports(reports: "Sequence[ArtifactReport]") -> None:
    from edge_deeplab.cli.check_tables import fix_line
    from edge_deeplab.cli.terminal import stdout_console

    console = stdout_console()
    before = None
    for report in reports:
        _show_report(console, report, before)
        before = report
    for report in reports:
        if report.fix:
            say(fix_line(report.fix))


def _show_summary(results: "Sequence[CheckResult]") -> None:
    from edge_deeplab.cli.check_tables import summary_table
    from edge_deeplab.cli.terminal import stdout_console

    stdout_console().print(summary_table(results))


def _show_report(
    console: "Console", report: "ArtifactReport", before: "ArtifactReport | None"
) -> None:
    """Print the report of a file, or in one line that it is that of the same file at the size before."""
    from rich.text import Text

    from edge_deeplab.cli import check_tables
    from edge_deeplab.cli.terminal import Whole, whole

    console.print(whole(f"── {report.title}", "bold"))
    if before is not None and report.differs_in_size_alone(before):
        console.print(f"the same operators and verdicts as {before.title}")
        return
    console.print(check_tables.operators_line(report.graph))
    for comparison in report.comparisons:
        if line := check_tables.observed_line(comparison):
            console.print(line)
    for warning in report.warnings:
        console.print(Whole(Text.assemble(("warning:", "yellow"), f" {warning}")))
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
