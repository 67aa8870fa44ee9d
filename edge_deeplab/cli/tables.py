"""Tables in which no name is cut: where a terminal is narrower than a table needs, each row is a block of lines.

The idea to hold: a column of names or figures is as wide as its widest cell, a column of prose wraps between words. A
table that does not fit a terminal this way is written as blocks; where nobody's terminal sets a width (a pipe, a log)
it is as wide as it needs to be, so that a row stays a line.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from edge_deeplab.cli.terminal import Whole, whole
from edge_deeplab.text import printable

_LEAST_PROSE = 28
"""Columns without which a text of several words is not read as one."""
_UNBOUNDED = 1 << 16
_INDENT = 2


class FittingTable(Table):
    """A table where it fits, and otherwise a block a row, headed by its first cell.

    Args:
        names: headers of columns of names.
        title: written above.
        caption: written below.
        arguments: as for rich's table.
    """

    def __init__(
        self, *names: str, title: str | None = None, caption: str | None = None, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self._above, self._below = title, caption
        self._prose: set[int] = set()
        self._numbers: set[int] = set()
        self.add_names(*names)

    def add_names(self, *headers: str) -> None:
        """Add columns of which no cell is wrapped."""
        for header in headers:
            self.add_column(header, no_wrap=True)

    def add_numbers(self, *headers: str) -> None:
        """Add columns of figures."""
        for header in headers:
            self._numbers.add(len(self.columns))
            self.add_column(header, justify="right", no_wrap=True)

    def add_prose(self, *headers: str) -> None:
        """Add columns that are wrapped between words."""
        for header in headers:
            self._prose.add(len(self.columns))
            self.add_column(header, overflow="fold")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the table, or the blocks."""
        if self._above:
            yield whole(self._above, "italic")
        lacking = self._needed(console, options) - options.max_width
        if lacking > 0 and console.is_terminal:
            yield from self._blocks(console)
        else:
            self._widen(console, -lacking)
            wide = options.update_width(options.max_width + max(lacking, 0))
            yield from super().__rich_console__(console, wide)
        if self._below:
            yield whole(self._below, "dim")

    def _needed(self, console: Console, options: ConsoleOptions) -> int:
        """Return the columns without which something is cut, with prose as narrow as it may be."""
        for place in self._prose:
            natural, longest = self._widths(console, place)
            self.columns[place].width = min(natural, max(longest, _LEAST_PROSE))
        unbounded = options.update(max_width=_UNBOUNDED)
        return int(super().__rich_measure__(console, unbounded).maximum)

    def _widen(self, console: Console, spare: int) -> None:
        """Give prose the columns that are left, evenly, as far as it has text for them."""
        natural = {place: self._widths(console, place)[0] for place in self._prose}
        while spare > 0:
            short = [p for p in self._prose if (self.columns[p].width or 0) < natural[p]]
            if not short:
                return
            for place in short[:spare]:
                self.columns[place].width = (self.columns[place].width or 0) + 1
            spare -= len(short)

    def _widths(self, console: Console, place: int) -> tuple[int, int]:
        """Return how wide a column is where nothing is wrapped, and its longest word."""
        column = self.columns[place]
        texts = [_text(console, cell).plain for cell in (column.header, *column.cells)]
        lines = [line for text in texts for line in text.splitlines()]
        words = [word for line in lines for word in line.split()]
        return (
            max(map(cell_len, lines), default=1),
            max(map(cell_len, words), default=1),
        )

    def _blocks(self, console: Console) -> Iterator[RenderableType]:
        """Give each row as its first cell and below, indented, what the others hold."""
        headers = [_text(console, column.header).plain for column in self.columns]
        labels = [
            name for place, name in enumerate(headers) if place and place not in self._numbers
        ]
        start = _INDENT + max(map(cell_len, labels), default=0) + 2
        heading = Text()
        for row in zip(*(column.cells for column in self.columns), strict=True):
            texts = [_text(console, cell) for cell in row]
            heading = texts[0] if texts[0].plain else heading
            yield Text()
            yield Whole(Text.assemble(heading, style="bold"))
            told = [(place, text) for place, text in enumerate(texts) if place and text.plain]
            for place, text in told:
                if place not in self._numbers:
                    yield Whole(text, _label(f"{' ' * _INDENT}{headers[place]}", start))
            figures = [
                Text.assemble((f"{headers[place]} ", "dim"), text)
                for place, text in told
                if place in self._numbers
            ]
            if figures:
                yield Whole(Text(", ").join(figures), Text(" " * _INDENT))
        yield Text()


def print_fields(console: Console, fields: Mapping[str, str]) -> None:
    """Print texts below each other, each behind its name and wrapped between words."""
    start = max(map(cell_len, fields)) + 2
    for name, text in fields.items():
        console.print(Whole(Text(printable(text)), _label(name, start)))


def _label(name: str, width: int) -> Text:
    return Text(name + " " * (width - cell_len(name)), "dim")


def _text(console: Console, cell: Any) -> Text:
    """Return a cell as text; cells are strings and texts alone."""
    return cell if isinstance(cell, Text) else console.render_str(str(cell), markup=False)
