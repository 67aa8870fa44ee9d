"""Mutations of a Core AI program: numbers of its text, which Apple's own library writes as bytecode again."""

import re
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edge_deeplab.formats.coreai_asset import PROGRAM
from tests.fuzz.dice import Dice

_NUMBER = re.compile(r"(?<=[<x\[ ])\d{1,4}(?=[x\], ])")


def mutate_program(path: Path, dice: Dice) -> tuple[bytes, str] | None:
    """Return the program of an asset with a few numbers changed, shapes among them, and how.

    None where what came of it is no program that the library would write.
    """
    assets: Any = import_module("coreai.authoring.asset")
    ir: Any = import_module("coreai._compiler.ir")
    context: Any = import_module("coreai.authoring.context").Context()._mlir_context
    program = assets.AIModelAsset.load(path).program
    module = program._module._mlir_module
    text = module.operation.get_asm(large_elements_limit=None)
    head, _, blobs = text.partition("{-#")
    told = []
    for _ in range(dice.choice((1, 1, 2, 4))):
        found = dice.choice(list(_NUMBER.finditer(head)))
        number = str(dice.choice((0, 1, 2, 3, 7, 16, 255, 4096, 99999)))
        head = head[: found.start()] + number + head[found.end() :]
        told.append(f"{found[0]} becomes {number}")
    try:
        changed = ir.Module.parse(head + "{-#" * bool(blobs) + blobs, context=context)
        with TemporaryDirectory() as folder:
            saved = Path(folder) / "changed.aimodel"
            type(program)._from_mlir_module(changed).save_asset(saved)
            return (saved / PROGRAM).read_bytes(), ", ".join(told)
    except (RuntimeError, ValueError, ir.MLIRError):
        return None
