"""Which options go together: one that another would leave without effect is refused, with exit code 2.

Options are spelled as on the command line, each with what came; None, False or an empty list where it did not.
"""

from collections.abc import Mapping, Sequence

import typer

Options = Mapping[str, object]


def given(options: Options) -> list[str]:
    """Return the options that came; 0 and empty text are given too."""
    return [
        option
        for option, value in options.items()
        if not (value is None or value is False or value in ([], ()))
    ]


def refuse_beside(instead: Options, others: Options) -> None:
    """Refuse what goes with a command's usual work, beside an option that takes the place of that work.

    Args:
        instead: options that take its place; a second one of them is refused too.
        others: what goes with it.

    Raises:
        typer.BadParameter: for the first that would be ignored.
    """
    replacing = given(instead)
    if ignored := [*replacing[1:], *given(others)] if replacing else []:
        raise typer.BadParameter(
            f"it came with {replacing[0]}, which would ignore it; one of them was expected; leave the other out",
            param_hint=ignored[0],
        )


def refuse_without(options: Options, belongs_to: Mapping[str, Sequence[str]]) -> None:
    """Refuse an option that says nothing without another one.

    Args:
        options: all of them.
        belongs_to: by option, those of which one must come with it.

    Raises:
        typer.BadParameter: for the first that came alone.
    """
    came = given(options)
    for option in came:
        owners = belongs_to.get(option, ())
        if owners and not set(owners) & set(came):
            raise typer.BadParameter(
                f"it came without {' or '.join(owners)}, where it belongs; add that, or leave it out",
                param_hint=option,
            )
