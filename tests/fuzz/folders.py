"""Mutations of folders: files that are gone, links, folders in a file's place."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from edge_deeplab.formats.coreai_asset import HASH, METADATA, PROGRAM
from tests.fuzz.dice import Dice
from tests.fuzz.documents import mutate_json, mutate_toml
from tests.fuzz.mlir import mutate_program
from tests.fuzz.models import change_mlpackage
from tests.fuzz.pictures import change_picture
from tests.fuzz.plain import mutate_bytes

_PICTURES = (".jpg", ".png", ".tif")


def change_package(path: Path, dice: Dice) -> str:
    """Change a Core ML package in place and say how: what is in its files, or which there are."""
    return change_tree(path, dice) if dice.random() < 0.08 else change_mlpackage(path, dice)


def change_asset(path: Path, dice: Dice) -> str:
    """Change a Core AI asset in place and say how: what is in its files, or which there are."""
    kind = dice.random()
    if kind < 0.1:
        return change_tree(path, dice)
    if kind < 0.3:
        return change_json(path / METADATA, dice)
    program = path / PROGRAM
    content, told = mutate_bytes(program.read_bytes(), dice)
    if kind < 0.6:
        content, told = mutate_program(path, dice) or (content, told)
    program.write_bytes(content)
    if kind < 0.35:
        return f"{told}, the hash of another"
    (path / HASH).write_bytes(hashlib.sha256(content).digest())
    return told


def change_dataset(path: Path, dice: Dice) -> str:
    """Change a data folder in place and say how: its `dataset.toml`, or which files there are."""
    if dice.random() < 0.25:
        return change_tree(path, dice)
    file = path / "dataset.toml"
    content, told = mutate_toml(file.read_bytes(), dice)
    file.write_bytes(content)
    return told


def change_pictures(path: Path, dice: Dice) -> str:
    """Change an image or a mask of a data folder in place and say how."""
    pictures = sorted(file for file in path.rglob("*") if file.suffix in _PICTURES)
    chosen = dice.choice(pictures)
    return f"{chosen.relative_to(path)}: {change_picture(chosen, dice)}"


def change_replay(path: Path, dice: Dice) -> str:
    """Change a replay in place and say how: its account, a class map that has its hash all the same, or the files."""
    kind = dice.random()
    if kind < 0.2:
        return change_tree(path, dice)
    if kind < 0.6:
        return change_json(path, dice)
    picture = dice.choice(sorted(path.glob("*.png")))
    told = change_picture(picture, dice)
    account = json.loads((path / "replay.json").read_text())
    (entry,) = (image for image in account["images"] if image["file"] == picture.name)
    entry["sha256"] = hashlib.sha256(picture.read_bytes()).hexdigest()
    (path / "replay.json").write_text(json.dumps(account))
    return f"{picture.name}: {told}"


def change_json(path: Path, dice: Dice) -> str:
    """Change a JSON file, or the one in a folder, in place and say how."""
    file = next(iter(sorted(path.rglob("*.json"))), path)
    content, told = mutate_json(file.read_bytes(), dice)
    file.write_bytes(content)
    return told


def change_toml(path: Path, dice: Dice) -> str:
    """Change a TOML file in place and say how."""
    content, told = mutate_toml(path.read_bytes(), dice)
    path.write_bytes(content)
    return told


def change_tree(path: Path, dice: Dice) -> str:
    """Lose, replace, link or rename one entry of a folder in place and say which."""
    entries = sorted(path.rglob("*"))
    entry = dice.choice(entries)
    changes: tuple[Callable[[Path, Dice], str], ...] = (
        _remove,
        _replace_by_folder,
        _link_outside,
        _pipe,
        _link_in_circle,
        _empty,
        _rename,
    )
    change = dice.choice(changes)
    return f"{entry.relative_to(path)}: {change(entry, dice)}"


def _remove(entry: Path, dice: Dice) -> str:
    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return "removed"


def _replace_by_folder(entry: Path, dice: Dice) -> str:
    _remove(entry, dice)
    entry.mkdir()
    return "is an empty folder"


def _link_outside(entry: Path, dice: Dice) -> str:
    _remove(entry, dice)
    target = dice.choice(("/dev/null", "/dev/zero", "/", "absent"))
    entry.symlink_to(target)
    return f"is a link to {target}"


def _pipe(entry: Path, dice: Dice) -> str:
    _remove(entry, dice)
    os.mkfifo(entry)
    return "is a pipe"


def _link_in_circle(entry: Path, dice: Dice) -> str:
    _remove(entry, dice)
    entry.symlink_to(entry.name)
    return "is a link to itself"


def _empty(entry: Path, dice: Dice) -> str:
    _remove(entry, dice)
    entry.write_bytes(b"")
    return "is empty"


def _rename(entry: Path, dice: Dice) -> str:
    name = dice.choice(("\x1b[31mred", "[bold]x", "a\nb", "\udcff", ".hidden", "UPPER"))
    entry.rename(entry.with_name(name + entry.suffix))
    return f"is called {name!r}"
