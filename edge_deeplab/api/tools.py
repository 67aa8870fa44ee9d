"""The face's verb about vendors' tools: what they say of exported files, and which of them are there."""

from collections.abc import Iterable
from pathlib import Path

from edge_deeplab.api.keywords import checked
from edge_deeplab.api.named import Artifacts, to_names, to_path_or_none, to_paths, to_size, types
from edge_deeplab.errors import checking
from edge_deeplab.progress import SILENT, Progress


@checked
def lab(
    artifacts: Artifacts,
    *,
    devices: str | Iterable[str] = (),
    size_hw: tuple[int, int] | None = None,
    reference: str | Path | None = None,
    data: str | Path | None = None,
    split: str = "test",
    limit: int | None = None,
    class_map: "types.ClassMap | str | Path | None" = None,
    normalisation: "types.Normalisation | None" = None,
    html: str | Path | None = None,
    progress: Progress = SILENT,
) -> "types.LabReport":
    """Return what vendors' compilers, simulators and accelerators say of each file, beside what rules predict.

    What a tool said of a file is kept in the user's cache and not asked again.

    Args:
        artifacts: exported files, of this project or anyone's; a folder of exports stands for its files.
        devices: their profiles' names; none takes all that read one of the files.
        size_hw: of the sizes that a file lists, the one that is looked at; None: each.
        reference: a checkpoint's path or shipped name, which scores are also held against; None for the one that each
            file says it was exported from.
        data: labelled images on which files are also run, where a device can; None only compiles them.
        split: of the data.
        limit: only the first images.
        class_map: what the ids of another project's file mean, or the TOML file that says so.
        normalisation: of a float or int8 input of a file that does not describe itself.
        html: where the matrix is also written as one page.
        progress: told of each cell and image.

    Raises:
        ConfigError: for a device that no tool knows, or that reads none of the files, or what cannot be meant.
        CheckpointError: when the reference is not found.
        DataError: for data that cannot be read.
        MissingDependencyError: for a reference without torch, which runs it.
        OutputError: when the page cannot be written; once all is measured with the report (`UnwrittenError`).
    """
    from edge_deeplab.files import check_outputs, write_atomically
    from edge_deeplab.lab.matrix import LabRequest, run_lab
    from edge_deeplab.outputs import Output, write_all
    from edge_deeplab.report.known import Page
    from edge_deeplab.report.render import render

    page, named = to_path_or_none("html", html), to_paths(artifacts)
    request = LabRequest(
        artifacts=named,
        devices=to_names("devices", devices),
        size_hw=to_size(size_hw),
        reference=None if reference is None else str(reference),
        data=to_path_or_none("data", data),
        split=split,
        limit=limit,
        class_map=class_map,
        normalisation=normalisation,
    )
    check_outputs(page, read=(*named, *request.files_beside(reference)))
    report = run_lab(request, progress)
    if page is not None:
        shown = Page("lab", max_drop=0.0, lab=report)
        write_all(report, [Output(page, lambda: write_atomically(page, render(shown)))])
    return report


@checked
def lab_tools() -> "tuple[types.ToolStatus, ...]":
    """Return what is there of each of the lab's tools, what is missing, and how to get it."""
    from edge_deeplab.lab.environments import inspect_tool
    from edge_deeplab.lab.tools import TOOLS

    return tuple(inspect_tool(tool) for tool in TOOLS.values())


@checked
def install_lab_tools(
    names: str | Iterable[str], *, accept_licence: bool = False, progress: Progress = SILENT
) -> "tuple[types.ToolStatus, ...]":
    """Install tools, each in an environment of its own below the user's cache.

    Args:
        names: of tools.
        accept_licence: a yes to the terms of those that ask for one.
        progress: told each tool's terms, and every stage.

    Raises:
        ConfigError: for an unknown tool, or terms that want a yes.
        ToolError: when one does not run on this machine, or cannot be installed.
    """
    from edge_deeplab.lab.environments import install_tool
    from edge_deeplab.lab.tools import find_tool

    with checking("names"):
        tools = [find_tool(name) for name in to_names("names", names)]
    return tuple(
        install_tool(tool, accept_licence=accept_licence, progress=progress) for tool in tools
    )


@checked
def try_lab_tools(*, progress: Progress = SILENT) -> "tuple[types.ToolTrial, ...]":
    """Let each tool that is there say its version and compile a tiny file.

    Args:
        progress: told of each tool.
    """
    from edge_deeplab.lab.trying import try_tool

    installed = [status for status in lab_tools() if status.lack is None]
    progress.begin("trying tools", len(installed), "tools")
    trials = []
    for status in installed:
        trials.append(try_tool(status))
        progress.advance()
    return tuple(trials)
