"""The page as HTML: templates with every text escaped and shortened, one style and one script that it names by hash.

The idea to hold: nothing of a file decides what the browser does. Texts are escaped by the templates, the script is the
package's own and the policy of the page lets no other run, and lets nothing be loaded: pictures lie in it.
"""

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files
from math import isfinite

from jinja2 import Environment, PackageLoader, StrictUndefined

from edge_deeplab.lab.columns import EXECUTION, PLACEMENT
from edge_deeplab.report import views
from edge_deeplab.report.known import Page
from edge_deeplab.report.plots import (
    PRECISIONS,
    boundary_plots,
    drift_plot,
    is_exact,
    pareto_plots,
    tone_of,
    training_plots,
)
from edge_deeplab.report.svg import draw
from edge_deeplab.targets import TARGETS
from edge_deeplab.text import printable
from edge_deeplab.versions import __version__

LONGEST_TEXT = 300
"""Letters of a text from a file that are shown; a licence has more room."""
LARGEST_PAGE = 15_000_000
"""Bytes of a page, whatever it is given."""
_AROUND = 500_000
"""Bytes of what is no section: style, script, and the notes, which are so many at most."""
_TEMPLATES = "templates"


class Room:
    """The bytes that a page's sections may still take; one that does not fit is left out, and takes nothing."""

    def __init__(self, count: int) -> None:
        self._left = count

    def take(self, body: str) -> bool:
        """Whether a section fits; then it takes its bytes."""
        size = len(body.encode())
        if size > self._left:
            return False
        self._left -= size
        return True


def render(page: Page) -> str:
    """Return a page as HTML."""
    style, script = _own("style.css"), _own("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    shown, left_out = views.cards(page)
    columns = {
        name: read
        for name, read in {**PLACEMENT, **EXECUTION}.items()
        if page.lab is not None and any(map(read, page.lab.cells))
    }
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            room=Room(LARGEST_PAGE - _AROUND),
            policy=policy,
            style=style,
            script=script,
            version=__version__,
            training=[draw(plot) for plot in training_plots(page)],
            boundary=[draw(plot) for plot in boundary_plots(page)],
            pareto=[draw(plot) for plot in pareto_plots(page)],
            drifts={e.number: draw(plot) for e in page.entries if (plot := drift_plot(e))},
            exact=[e for e in page.entries if e.drift and e.drift.layers and is_exact(e.drift)],
            unfollowed=[e for e in page.entries if e.drift and e.drift.error],
            matrices=views.matrices(page),
            cards=shown,
            left_out=left_out,
            whiskers=views.whiskers(page),
            lab_columns=columns,
            precisions=PRECISIONS,
        )
    )


def told(text: object, longest: int = LONGEST_TEXT) -> str:
    """Return a stranger's text as one line that is not too long; the template escapes it."""
    line = str(text)
    cut = line if len(line) <= longest else f"{line[: longest - 1]}…"
    return printable(cut)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("edge_deeplab.report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        told=told,
        fixed=_fixed,
        signed=_signed,
        megabytes=lambda value: _fixed(None if value is None else value / 1e6),
    )
    environment.globals.update(
        judged=views.judged,
        weakest=views.weakest,
        class_shares=views.class_shares,
        tone_of=tone_of,
        target_labels=(*(target.label for target in TARGETS.values()), "other"),
        is_known=_is_known,
    )
    return environment


def _is_known(value: float | None) -> bool:
    return value is not None and isfinite(value)


def _fixed(value: float | None, digits: int = 2) -> str:
    """Return a number with so many decimals; a dash where there is none."""
    return f"{value:.{digits}f}" if value is not None and isfinite(value) else "–"


def _signed(value: float | None, digits: int = 2) -> str:
    """Return a number with its sign, a minus as typography has it; a dash where there is none."""
    if value is None or not isfinite(value):
        return "–"
    text = f"{value:+z.{digits}f}"
    return text[1:] if not float(text) else text.replace("-", "−")


def _own(name: str) -> str:
    """Return a text of the package's own, which needs no escaping."""
    return (files("edge_deeplab.report") / _TEMPLATES / name).read_text()


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
