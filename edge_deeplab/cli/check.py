"""`edge-deeplab check`: the operator report of exported files, this project's or not."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_deeplab.cli.output import (
    DebugOption,
    JsonOption,
    ending_cleanly,
    print_json,
    reading_option,
)
from edge_deeplab.cli.terminal import say
from edge_deeplab.errors import ArtifactError, ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from edge_deeplab.checker.report import ArtifactReport


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
        from edge_deeplab.checker.rules import load_profile
        from edge_deeplab.cli.check_explain import explain
        from edge_deeplab.cli.check_mac import write_script
        from edge_deeplab.cli.check_same import compare
        from edge_deeplab.files import check_writable
        from edge_deeplab.formats.artifacts import expand_artifacts

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
            },
        )
        with reading_option("--profile"):
            for name in profiles or ():
                load_profile(name)
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
            report(artifacts or [], profiles or [], merge, output, fix=fix, as_json=as_json)


def report(
    artifacts: Sequence[Path],
    profiles: Sequence[str],
    merge: Path | None,
    output: Path | None,
    *,
    fix: bool,
    as_json: bool,
) -> None:
    """Print the report of files; exit code 1 when one cannot be read, mended, or holds a rejected operator.

    Raises:
        ConfigError: for an unknown profile, or one that reads none of the files.
        MissingDependencyError: when the package that knows a format is not installed.
    """
    from edge_deeplab.cli.check_fix import fix_files, fix_line
    from edge_deeplab.cli.check_mac import merge_observed

    paths, failures = _readable_artifacts(artifacts)
    reports, unread = check_all(paths, profiles)
    failures |= unread
    if merge is not None:
        reports = merge_observed(paths, reports, merge)
    fixes = fix_files(list(reports), output) if fix and reports else {}
    failures |= {path: done["error"] for path, done in fixes.items() if "error" in done}
    if as_json:
        named = dict.fromkeys([*paths, *failures])
        entries = [_entry(path, reports.get(path), failures) for path in named]
        print_json({"artifacts": [e | fixes.get(Path(e["path"]), {}) for e in entries]})
    else:
        _show(list(reports.values()))
        for done in fixes.values():
            say(fix_line(**done["fix"]) if "fix" in done else "not mended")
    for sentence in failures.values():
        say(f"error: {sentence}", err=True)
    if failures or any(found.rejected for found in reports.values()):
        raise typer.Exit(1)


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


def check_all(
    paths: Sequence[Path], profiles: Sequence[str]
) -> "tuple[dict[Path, ArtifactReport], dict[Path, str]]":
    """Return the reports of the files that can be read, and one sentence for each that cannot.

    Raises:
        ConfigError: for an unknown profile, or one that reads none of the files.
        MissingDependencyError: when the package that knows a format is not installed.
    """
    from edge_deeplab.checker.report import check_artifact
    from edge_deeplab.checker.rules import load_profile

    wanted = {name: load_profile(name).format for name in profiles}
    reports: dict[Path, ArtifactReport] = {}
    failures: dict[Path, str] = {}
    for path in paths:
        try:
            reports[path] = check_artifact(path, profiles)
        except ArtifactError as error:
            failures[path] = str(error)
    formats = {report.graph.format for report in reports.values()}
    for name, file_format in wanted.items():
        if reports and len(reports) == len(paths) and file_format not in formats:
            raise ConfigError(
                f"profile {name} is about {file_format} files and none of that format came; "
                "name another profile, or leave it out for each format's default"
            )
    return reports, failures


def _entry(
    path: Path, report: "ArtifactReport | None", failures: dict[Path, str]
) -> dict[str, Any]:
    """Return a file's entry of the JSON document; one that cannot be read has an empty report and its error."""
    if report is not None:
        return report.to_json()
    return {"path": str(path), "format": None, "profiles": [], "error": failures[path]}


def _show(reports: "Sequence[ArtifactReport]") -> None:
    from edge_deeplab.cli.terminal import stdout_console

    console = stdout_console()
    for report in reports:
        _show_report(console, report)


def _show_report(console: "Console", report: "ArtifactReport") -> None:
    from rich.text import Text

    from edge_deeplab.cli import check_tables
    from edge_deeplab.cli.check_fix import version_table

    console.rule(str(report.graph.path), align="left")
    console.print(check_tables.operators_line(report.graph))
    if report.xnnpack is not None:
        console.print(check_tables.xnnpack_line(report))
    if report.optimized is not None:
        console.print(check_tables.fusion_line(report))
    for warning in report.warnings():
        console.print(Text.assemble(("warning:", "yellow"), f" {warning}"))
    if table := version_table(report.version_findings):
        console.print(table)
    for finding in check_tables.signature_lines(report.signature_findings):
        console.print(finding)
    for note in report.graph.notes:
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
