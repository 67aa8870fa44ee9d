"""Imports go one way, none in a circle; only the commands and the demo know of terminals; nothing prints."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

FOLDERS = {
    "edge_deeplab": "edge_deeplab",
    "converters": "edge_deeplab.converters",
    "quantization": "edge_deeplab.quantization",
    "demo": "edge_deeplab.demo",
}
"""The repository's folders, and what they install as."""

LAYERS: tuple[tuple[str, ...], ...] = (
    ("text", "targets", "progress", "collecting"),
    ("errors",),
    ("extras", "files", "documents", "versions", "child", "sparsity_pattern", "junit", "outputs"),
    ("config", "description", "recipes"),
    ("formats",),
    ("data", "models", "weights"),
    ("training",),
    ("quantization",),
    ("checker",),
    ("converters",),
    ("runtimes",),
    ("evaluation",),
    ("lab",),
    ("compress",),
    ("report",),
    ("demo",),
    ("api",),
    ("cli",),
    ("__main__",),
)
"""From the lowest; a part imports those below it, and within a row nobody the others but `child` the rest."""

TERMINAL = ("rich", "typer")
MAY_DRAW = ("cli", "demo", "__main__")


@cache
def modules() -> Mapping[str, Path]:
    """Return every module of the package by its installed name."""
    found = {}
    for folder, name in FOLDERS.items():
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            parts = [name, *path.relative_to(REPOSITORY / folder).with_suffix("").parts]
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text())


@cache
def imports_of(name: str) -> frozenset[str]:
    """Return what a module imports anywhere in it, inside functions and for types alone as well."""
    found = set()
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{name} imports relatively"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {module if module in modules() else node.module for module in whole}
    return frozenset(found)


def part_of(name: str) -> str:
    """Return the part of the package that a module belongs to; the package itself is its face."""
    return [*name.split("."), "__init__"][1]


def height(part: str) -> int:
    return next(number for number, row in enumerate(LAYERS) if part in row)


def arrows() -> Iterator[tuple[str, str]]:
    for name in modules():
        for imported in imports_of(name):
            if imported in modules():
                yield name, imported


def test_every_part_has_its_layer() -> None:
    parts = {part_of(name) for name in modules()} - {"__init__"}
    assert parts == {part for row in LAYERS for part in row}


def test_imports_go_down() -> None:
    back = [
        f"{name} -> {imported}"
        for name, imported in arrows()
        if "__init__" not in (part_of(name), part_of(imported))
        and height(part_of(imported)) > height(part_of(name))
    ]
    assert back == []


def test_commands_call_the_face_alone() -> None:
    """Of what stands below the face they import types and constants, which begin with a capital letter."""
    exempt = {"edge_deeplab.cli.demo", "edge_deeplab.compress.tables"}
    calls = {
        f"{name}: {node.module}.{alias.name}"
        for name in modules()
        if part_of(name) == "cli"
        for node in _running_imports(name)
        if height("formats")
        <= height(part_of(f"{node.module}.{node.names[0].name}"))
        < height("api")
        for alias in node.names
        if alias.name[0].islower() and not {name, node.module} & exempt
    }
    assert calls == set()


def _running_imports(name: str) -> list[ast.ImportFrom]:
    """Return what a module imports from the package where it runs, not for types alone."""
    for_types = {
        id(inner)
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    return [
        node
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.ImportFrom)
        and str(node.module).startswith("edge_deeplab")
        and id(node) not in for_types
    ]


def test_imports_form_no_circle() -> None:
    state: dict[str, bool] = {}
    circles = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        state[name] = True
        for imported in sorted(imports_of(name) & modules().keys()):
            if state.get(imported):
                circles.append(" -> ".join([*path[path.index(imported) :], imported]))
            elif imported not in state:
                visit(imported, (*path, imported))
        state[name] = False

    for name in modules():
        if name not in state:
            visit(name, (name,))
    assert circles == []


@pytest.mark.parametrize("package", TERMINAL)
def test_only_commands_and_the_demo_draw(package: str) -> None:
    drawing = {
        name
        for name in modules()
        if any(imported.split(".")[0] == package for imported in imports_of(name))
    }
    assert {name for name in drawing if part_of(name) not in MAY_DRAW} == set()
    assert drawing, "the test sees imports"


def test_nothing_prints() -> None:
    calls = [
        f"{name}:{node.lineno}"
        for name in modules()
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("print", "input")
    ]
    assert calls == []


def test_no_function_takes_more_than_six_parameters() -> None:
    """Verbs of the command line, the face's keywords and operators of a format (their inputs) are exempt."""
    exempt = ("cli", "api")
    long = [
        f"{name}.{node.name}: {count}"
        for name in modules()
        if part_of(name) not in exempt and not name.startswith("edge_deeplab.runtimes.mil.")
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (count := _count_parameters(node)) > 6
    ]
    assert long == []


def _count_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return len([argument for argument in every if argument.arg not in ("self", "cls")])


def test_no_two_public_classes_share_a_name() -> None:
    where: dict[str, list[str]] = {}
    for name in modules():
        for node in tree_of(name).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(name)
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


def test_sentences_below_the_commands_name_no_option() -> None:
    """They are told to Python too; exempt is what says which command asks for something, or is kept in files."""
    exempt = (
        "edge_deeplab.checker.explain",
        "edge_deeplab.checker.mac.script",
        "edge_deeplab.checker.rules_page",
        "edge_deeplab.converters.devices.",  # reasons that manifests hold
        "edge_deeplab.converters.rewrites.catalogue",
        "edge_deeplab.demo.",
        "edge_deeplab.lab.environments",  # how to get a tool
        "edge_deeplab.lab.workers.",  # what tools are called with
        "edge_deeplab.training.start",  # what a run's state was told
    )
    found = [
        f"{name}:{node.lineno}: {node.value}"
        for name in modules()
        if part_of(name) not in ("cli", "__main__") and not name.startswith(exempt)
        for node in _texts(name)
        if re.search(r"(^|[\s(])--[a-z]", node.value)
    ]
    assert found == []


def _texts(name: str) -> list[ast.Constant]:
    tree = tree_of(name)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    ]
