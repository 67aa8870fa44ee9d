"""Every command in the documents is one that the program takes, and every link leads somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from edge_deeplab.cli.app import app
from tests.docs_commands import DOCUMENTS, ROOT, Told, commands_of

COMMANDS = [told for path in DOCUMENTS for told in commands_of(path)]
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(#[^)\s]*)?\)")


def parse(words: tuple[str, ...]) -> None:
    """Read a command line as the program does, without running the verb."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("edge-deeplab", list(words))
    name, verb, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    verb.make_context(name, rest, parent=context)


@pytest.mark.parametrize("told", COMMANDS, ids=str)
def test_command_of_a_document_is_one_that_the_program_takes(told: Told) -> None:
    parse(told.words)


def test_documents_tell_every_verb_and_are_read_whole() -> None:
    from edge_deeplab.cli.app import VERBS

    assert {told.words[0] for told in COMMANDS} >= VERBS.keys() - {"rewrites", "models"}
    mentioned = sum(
        len(re.findall(r"^(?: {4,}|- run: )edge-deeplab ", path.read_text(), re.M))
        for path in DOCUMENTS
    )
    assert len(COMMANDS) >= mentioned


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_a_document_lead_to_files(path: Path) -> None:
    for target, _ in _LINK.findall(path.read_text()):
        assert (path.parent / target).exists(), f"{path.relative_to(ROOT)} links to {target}"


@pytest.mark.parametrize(
    "typed", ["parity --no-such-option", "bench", "no-such-verb", "parity --limit all"]
)
def test_command_that_the_program_does_not_take_is_noticed(typed: str) -> None:
    with pytest.raises(typer.BadParameter.__mro__[1]):
        parse(tuple(typed.split()))
