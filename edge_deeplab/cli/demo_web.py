"""`edge-deeplab demo --web`: what it tells of the folder, its address and a replay in a browser."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_deeplab import api
from edge_deeplab.cli.output import naming_options, print_json
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say
from edge_deeplab.progress import Progress

if TYPE_CHECKING:
    from edge_deeplab.demo.web_folder import WebSite
    from edge_deeplab.demo.web_task import WebTask
    from edge_deeplab.formats.replay import Replay


@dataclass(frozen=True)
class Wishes:
    """What is done with the page, and how it is told.

    Args:
        serve: serve it.
        qr: show its address as a QR code.
        as_json: print one document.
    """

    serve: bool
    qr: bool
    as_json: bool


def make_page(
    task: "WebTask", model: Path, data: Path | None, running: Mapping[str, Any], wishes: Wishes
) -> None:
    """Write the page of a file, then serve it or replay photographs in it, as asked.

    Args:
        task: what is asked for.
        model: the file.
        data: labelled photographs of golden frames; None for the rendered set.
        running: what runs the file, and how.
        wishes: what is done with the page.
    """
    task.check(model, serving=wishes.serve, with_qr=wishes.qr)
    opening = {key: value for key, value in running.items() if key != "max_pixels"}
    dataset = task.golden_images(data)
    with ExitStack() as stack:
        progress = stack.enter_context(drawn_progress())
        progress.begin(f"opening {model.name}")
        with naming_options({"size_hw": "--size"}):
            opened = stack.enter_context(api.open_artifact(model, **opening))
        site = task.write(opened, dataset, progress)
        if task.photographs is not None:
            _replay(task, site, model, progress, wishes)
            return
    if wishes.serve:  # no bar while it is served
        _serve(task, site, wishes)
    else:
        _tell_site(site, as_json=wishes.as_json)


def _tell_site(site: "WebSite", *, as_json: bool) -> None:
    """Print what was written; with `as_json` as the command's document."""
    if as_json:
        print_json(site.to_json())
        return
    told = site.to_json()
    say(
        f"{site.path}: a page for {site.contract.model} in {told['runtime']}, {site.page_bytes / 1000:.0f} kB and with "
        f"model and runtime {site.total_bytes / 1e6:.1f} MB"
    )
    say("host it anywhere over https, or here: add --serve")


def _serve(task: "WebTask", site: "WebSite", wishes: Wishes) -> None:
    """Serve the folder until Ctrl-C; as JSON the address stands in the command's document."""

    def tell(address: str) -> None:
        if wishes.as_json:
            print_json({**site.to_json(), "address": address})
        _show_address(task, address, qr=wishes.qr, err=wishes.as_json)
        say("Ctrl-C ends it", err=wishes.as_json)

    _warn(task)
    task.serve(tell)


def _replay(
    task: "WebTask", site: "WebSite", model: Path, progress: Progress, wishes: Wishes
) -> None:
    """Serve the page until a browser has replayed the photographs, and tell where their class maps lie."""
    _warn(task)
    done: Replay = task.replay(
        site, lambda address: _show_address(task, address, qr=wishes.qr, err=True), progress
    )
    if wishes.as_json:
        print_json({**site.to_json(), "masks": str(task.masks), **done.to_json()})
        return
    used = done.accelerator
    say(
        f"{task.masks}: class maps of {len(done.images)} photographs by {done.device}, {done.runtime_name} on "
        f"{used.got}"
    )
    say(f"score them: edge-deeplab parity {model} --masks {task.masks} --data DATA")


def _warn(task: "WebTask") -> None:
    if task.warning is not None:
        say(task.warning, err=True)


def _show_address(task: "WebTask", address: str, *, qr: bool, err: bool) -> None:
    """Tell an address, and draw it for a phone's camera, on stderr, where a person sees it and no script reads."""
    say(f"open {address}", err=err)
    if qr:
        from rich.text import Text

        from edge_deeplab.cli.terminal import Terminal

        Terminal(stderr=True).print(Text(task.draw(address), style="black on bright_white"))
