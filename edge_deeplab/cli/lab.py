"""`edge-deeplab lab`: what vendors' own tools say of exported files, in one matrix; which tools there are."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.completion import names_of
from edge_deeplab.cli.options import (
    ClassMapOption,
    LimitOption,
    ListedSizeOption,
    NormalisationOption,
    SplitOption,
    parse_normalisation,
)
from edge_deeplab.cli.output import (
    DebugOption,
    Ending,
    JsonOption,
    ending_cleanly,
    naming_options,
    parse_size,
    print_json,
)
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say
from edge_deeplab.cli.together import refuse_beside, refuse_without

if TYPE_CHECKING:
    from edge_deeplab.lab.environments import ToolStatus
    from edge_deeplab.lab.report import LabReport

_BELONGS_TO = {
    "--test": ["--tools"],
    "--accept-licence": ["--install"],
    "--limit": ["--data"],
    "--split": ["--data"],
    "--class-map": ["--data"],
    "--normalisation": ["--data"],
}


def lab(
    artifacts: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Exported files of this project or anyone's, or folders that export wrote; with --install more tools.",
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            metavar="NAME",
            autocompletion=names_of("device"),
            help="Device to look at, by its profile; again for more. Without it all that read one of the files.",
        ),
    ] = None,
    size: ListedSizeOption = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Also run files on labelled images of this folder: dataset.toml, PASCAL VOC or Cityscapes.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            autocompletion=names_of("checkpoint"),
            help="With --data: scores are also held against it; without it, against what each file was exported from.",
        ),
    ] = None,
    split: SplitOption = "test",
    limit: LimitOption = None,
    class_map: ClassMapOption = None,
    normalisation: NormalisationOption = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="PAGE", help="Also write the matrix as one page."),
    ] = None,
    fail_disagreement: Annotated[
        bool,
        typer.Option(
            "--fail-disagreement", help="Exit code 1 where a tool did otherwise than predicted."
        ),
    ] = False,
    tools: Annotated[
        bool,
        typer.Option("--tools", help="Instead list the tools: what is there, and how to get more."),
    ] = False,
    test: Annotated[
        bool,
        typer.Option("--test", help="With --tools: let each installed one compile a tiny file."),
    ] = False,
    install: Annotated[
        list[str] | None,
        typer.Option(
            "--install",
            metavar="NAME...",
            help="Instead install tools, each in an environment of its own below the user's cache.",
        ),
    ] = None,
    accept_licence: Annotated[
        bool,
        typer.Option("--accept-licence", help="With --install: a yes to terms that ask for one."),
    ] = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Ask vendors' own compilers, simulators and accelerators what they make of files, without the devices.

    Each file is held against the rules of each device, and its tool is asked: what runs on the accelerator, what is
    left out and why, what it costs. With --data files are also run, where a device can, and compared with their own
    runtime on this machine. A file that takes several sizes has a row for each, or for the one that --size names.
    What a tool said is kept: a lab that was stopped goes on. Exit code 1 where a cell failed.

    Example: edge-deeplab lab exports/*.tflite --device ethos-u55-256 --device litert-gpu
    """
    size_hw = parse_size(size)
    with ending_cleanly(as_json=as_json, debug=debug) as ending:
        refuse_beside(
            {"--tools": tools, "--install": install},
            {
                "FILE": artifacts if not install else None,
                "--device": device,
                "--size": size,
                "--data": data,
                "--html": html,
                "--fail-disagreement": fail_disagreement,
            },
        )
        refuse_without(
            {
                "--tools": tools,
                "--install": install,
                "--data": data,
                "--test": test,
                "--accept-licence": accept_licence,
                "--limit": limit,
                "--split": split if split != "test" else None,
                "--class-map": class_map,
                "--normalisation": normalisation,
            },
            _BELONGS_TO,
        )
        if install:
            _install([*install, *map(str, artifacts or ())], accept_licence, as_json=as_json)
            return
        if tools:
            _list_tools(test=test, as_json=as_json)
            return
        if not artifacts:
            raise typer.BadParameter("no FILE came; exported files were expected, or --tools")
        with (
            naming_options({"devices": "--device", "size_hw": "--size"}),
            drawn_progress() as progress,
        ):
            report = ending.result_of(
                api.lab,
                artifacts,
                devices=device or (),
                size_hw=size_hw,
                reference=reference,
                data=data,
                split=split,
                limit=limit,
                class_map=class_map,
                normalisation=parse_normalisation(normalisation),
                html=html,
                progress=progress,
            )
        _tell(report, ending, as_json=as_json)
        if report.failures or (fail_disagreement and report.disagreements):
            raise typer.Exit(1)


def _tell(report: "LabReport", ending: Ending, *, as_json: bool) -> None:
    """Print the matrix, and on stderr what failed, with the devices of each failure."""
    if as_json:
        ending.print_json(report.to_json())
    else:
        from edge_deeplab.cli.lab_tables import show_report

        show_report(report)
    devices: dict[str, list[str]] = {}
    for cell in report.failures:
        devices.setdefault(f"{cell.title}: {cell.error}", []).append(cell.device)
    for failure, there in devices.items():
        say(f"failed: {', '.join(there)}, {failure}", err=True)


def _install(names: Sequence[str], accept_licence: bool, *, as_json: bool) -> None:
    if not accept_licence and not as_json and sys.stdin.isatty():
        accept_licence = _asked_for_a_yes(names)
    with naming_options({"names": "--install"}), drawn_progress() as progress:
        statuses = api.install_lab_tools(names, accept_licence=accept_licence, progress=progress)
    _tell_tools(statuses, as_json=as_json)


def _asked_for_a_yes(names: Sequence[str]) -> bool:
    """Ask whoever sits at the terminal about the terms that want a yes; False where none of the tools' do."""
    from edge_deeplab.lab.tools import TOOLS

    strict = [TOOLS[name] for name in names if name in TOOLS and TOOLS[name].licence.must_accept]
    for tool in strict:
        say(f"{tool.label} comes under {tool.licence.name}: {tool.licence.url}", err=True)
    return bool(strict) and typer.confirm("Do you accept these terms?", err=True)


def _list_tools(*, test: bool, as_json: bool) -> None:
    if not test:
        _tell_tools(api.lab_tools(), as_json=as_json)
        return
    with drawn_progress() as progress:
        trials = api.try_lab_tools(progress=progress)
    if as_json:
        print_json({"tools": [trial.to_json() for trial in trials]})
    for trial in trials:
        if not as_json:
            say(f"{trial.tool}: {trial.error or f'works (compiled for {trial.device})'}")
    if any(trial.error for trial in trials):
        raise typer.Exit(1)


def _tell_tools(statuses: "Sequence[ToolStatus]", *, as_json: bool) -> None:
    if as_json:
        print_json({"tools": [status.to_json() for status in statuses]})
        return
    from edge_deeplab.cli.lab_tables import show_tools

    show_tools(statuses)
