"""How a recipe is named: by its TOML file, by what that would hold, or by itself; unknown keys get the closest one."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from tomli_w import dumps

from edge_deeplab.documents import read_toml
from edge_deeplab.errors import ConfigError

HEAD = """\
# What this run was told, defaults included: with the same data and the same start it repeats the run.
"""
"""How the text of `recipe_text` begins."""

AnyRecipe = TypeVar("AnyRecipe", bound=BaseModel)


def load_recipe_as(
    kind: type[AnyRecipe], path: Path | None, **sections: Mapping[str, Any]
) -> AnyRecipe:
    """Read a recipe of a kind; None gives the defaults.

    Args:
        kind: `Recipe`, `QatRecipe`, `PruneRecipe` or `CompressRecipe`.
        path: TOML file.
        **sections: by section, values that come before those of the file; None among them changes nothing.

    Raises:
        ConfigError: when the file is absent, no TOML, or holds an unknown key or impossible value.
    """
    try:
        document = {} if path is None else read_toml(path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"recipe {path} does not exist; pass a TOML file (recipes/ has some)"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"recipe {path} is not readable TOML ({error}); mend it") from error
    origin = "the options" if path is None else f"recipe {path}"
    return _validate(kind, _with_sections(document, sections), origin)


def recipe_from(
    kind: type[AnyRecipe],
    given: BaseModel | Mapping[str, Any] | Path | str | None,
    **sections: Mapping[str, Any],
) -> AnyRecipe:
    """Return a recipe in the form in which it was named.

    Args:
        kind: as for `load_recipe_as`.
        given: a recipe of that kind, what its file would hold, the file's path, or None for the defaults.
        **sections: as for `load_recipe_as`.

    Raises:
        ConfigError: as for `load_recipe_as`.
    """
    if given is None or isinstance(given, str | Path):
        return load_recipe_as(kind, None if given is None else Path(given), **sections)
    if not isinstance(given, kind | Mapping):
        raise ConfigError(
            f"a recipe came as {given!r:.60}; a {kind.__name__}, a mapping of its sections or a TOML file was expected"
        )
    # what was not said stays unsaid: a start may say it
    document = given.model_dump(exclude_unset=True) if isinstance(given, BaseModel) else dict(given)
    return _validate(kind, _with_sections(document, sections), "the recipe")


def recipe_text(recipe: BaseModel) -> str:
    """Return a recipe as its file would say it in full: read back, it is the same recipe."""
    return f"{HEAD}{dumps(_without_none(recipe.model_dump(mode='json')))}"


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without what is None, which TOML cannot say and which reading puts back."""
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }


def _with_sections(
    document: dict[str, Any], sections: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return a recipe's document with values of sections in place of its own; None changes nothing.

    What stands in a section's place and is no table stays, to be refused.
    """
    chosen = {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in sections.items()
    }
    return document | {
        section: {**own, **values}
        for section, values in chosen.items()
        if values and isinstance(own := document.get(section, {}), Mapping)
    }


def _validate(kind: type[AnyRecipe], document: object, origin: str) -> AnyRecipe:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {first_problem(kind, error)}") from error


def first_problem(kind: type[Any], error: ValidationError) -> str:
    """Return in one line which field of a validated document holds what.

    Args:
        kind: the model or dataclass of pydantic that was to be read.
        error: what its validation raised.
    """
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    said = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" and not where:
        return said
    if problem["type"] not in ("extra_forbidden", "unexpected_keyword_argument"):
        expected = "a table was expected" if problem["type"] == "dataclass_type" else said.lower()
        return f"{where or kind.__name__} came as {problem['input']!r:.60}; {expected}"
    *section, key = problem["loc"]
    known = list(_fields_at(kind, [str(s) for s in section]))
    close = get_close_matches(str(key), known, n=1)
    hint = f"did you mean {close[0]!r}" if close else f"known are: {', '.join(known)}"
    return f"unknown key {where!r}; {hint}?" if close else f"unknown key {where!r}; {hint}"


def _fields_at(kind: type[Any], section: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = kind.__pydantic_fields__
    for name in section:
        annotation = fields[name].annotation
        choices = (annotation, *get_args(annotation))  # of "PruneRecipe | None" the first
        fields = next(c for c in choices if hasattr(c, "__pydantic_fields__")).__pydantic_fields__
    return fields
