"""`edge-deeplab demo --web`: what it tells of the folder, its address and a replay in a browser."""

from typing import TYPE_CHECKING

from edge_deeplab.cli.output import print_json
from edge_deeplab.cli.terminal import say

if TYPE_CHECKING:
    from pathlib import Path

    from edge_deeplab.demo.web_folder import WebSite
    from edge_deeplab.demo.web_task import WebTask
    from edge_deeplab.formats.replay import Replay
    from edge_deeplab.progress import Progress


def tell_site(site: "WebSite", *, as_json: bool) -> None:
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


def serve(task: "WebTask", site: "WebSite", *, qr: bool, as_json: bool) -> None:
    """Serve the folder until Ctrl-C; with `as_json` the address stands in the command's document."""

    def tell(address: str) -> None:
        if as_json:
            print_json({**site.to_json(), "address": address})
        _show_address(task, address, qr=qr, err=as_json)
        say("Ctrl-C ends it", err=as_json)

    _warn(task)
    task.serve(tell)


def replay(
    task: "WebTask",
    site: "WebSite",
    model: "Path",
    progress: "Progress",
    *,
    qr: bool,
    as_json: bool,
) -> None:
    """Serve the page until a browser has replayed the photographs, and tell where their class maps lie."""
    _warn(task)
    done: Replay = task.replay(
        site, lambda address: _show_address(task, address, qr=qr, err=True), progress
    )
    if as_json:
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
