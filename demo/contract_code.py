"""A contract as code: one file a language, filled from the templates that are installed beside this module.

Names and texts come from a stranger's file, so each becomes a literal of its language before it meets code.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from edge_deeplab.demo.contract import Contract
from edge_deeplab.files import write_atomically
from edge_deeplab.text import printable

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Language:
    """How a language spells what differs.

    Args:
        folder: of its templates.
        file: that is written.
        ending: of the templates of its functions.
        literal: a text as a literal.
        colour: a colour as an entry of the palette.
        indent: before entries of lists.
        pixel: a pixel's value as an element of the input, by its type.
        arrays: the input's values by type.
        elements: the output's elements by type.
        quantization: what says scale and zero point, with their names in braces.
    """

    folder: str
    file: str
    ending: str
    literal: Callable[[str], str]
    colour: Callable[[Colour], str]
    indent: str
    pixel: Mapping[str, str]
    arrays: Mapping[str, str]
    elements: Mapping[str, str]
    quantization: str


def _quoted(text: str) -> str:
    return json.dumps(printable(text), ensure_ascii=False)


def _kotlin(text: str) -> str:
    return _quoted(text).replace("$", "\\$")


def _bytes(colour: Colour) -> str:
    return f"[{', '.join(map(str, colour))}]"


def _argb(colour: Colour) -> str:
    return "0xff{:02x}{:02x}{:02x}.toInt()".format(*colour)


LANGUAGES = (
    Language(
        folder="javascript",
        file="contract.js",
        ending="js",
        literal=_quoted,
        colour=_bytes,
        indent="  ",
        pixel={"uint8": "value", "int8": "quantize(value)", "float32": "value"},
        arrays={"uint8": "Uint8Array", "int8": "Int8Array", "float32": "Float32Array"},
        elements={},
        quantization=", scale: {scale}, zeroPoint: {zero_point}",
    ),
    Language(
        folder="kotlin",
        file="Contract.kt",
        ending="kt",
        literal=_kotlin,
        colour=_argb,
        indent="        ",
        pixel={"uint8": "value.toByte()", "int8": "quantize(value)", "float32": "value.toFloat()"},
        arrays={"uint8": "ByteArray", "int8": "ByteArray", "float32": "FloatArray"},
        elements={
            **dict.fromkeys(("uint8", "int8"), "ByteArray"),
            **{"int32": "IntArray", "int64": "LongArray", "float32": "FloatArray"},
        },
        quantization="\n    private const val SCALE = {scale}f\n    private const val ZERO_POINT = {zero_point}",
    ),
    Language(
        folder="swift",
        file="Contract.swift",
        ending="swift",
        literal=_quoted,
        colour=_bytes,
        indent="        ",
        pixel={"uint8": "value", "int8": "quantize(value)", "float32": "Float(value)"},
        arrays={"uint8": "UInt8", "int8": "Int8", "float32": "Float"},
        elements={
            "uint8": "UInt8",
            "int8": "Int8",
            "int32": "Int32",
            "int64": "Int64",
            "float32": "Float",
        },
        quantization="\n    static let scale: Float = {scale}\n    static let zeroPoint = {zero_point}",
    ),
    Language(
        folder="python",
        file="contract.py",
        ending="py",
        literal=_quoted,
        colour=_bytes,
        indent="    ",
        pixel={
            "uint8": "image_hwc",
            "int8": "np.clip(np.rint(image_hwc / SCALE) + ZERO_POINT, -128, 127).astype(np.int8)",
            "float32": "image_hwc.astype(np.float32)",
        },
        arrays={},
        elements={},
        quantization="\nSCALE, ZERO_POINT = np.float32({scale}), {zero_point}",
    ),
)

_INDEX = {"NHWC": "3 * i + channel", "NCHW": "channel * {pixels} + i"}
_SCORE = {
    "CHW": "(k * {height} + y) * {width} + x",
    "HWC": "(y * {width} + x) * {channels} + k",
    "HW": "",
}


def write_code(contract: Contract, folder: Path) -> None:
    """Write a contract's code in every language; an OutputError where it cannot be."""
    for language in LANGUAGES:
        write_language(contract, language.folder, folder)


def write_language(contract: Contract, name: str, folder: Path) -> None:
    """Write a contract's code in one language, named as the folder of its templates; errors as for `write_code`."""
    language = next(each for each in LANGUAGES if each.folder == name)
    write_atomically(folder / language.file, _render(contract, language))


def _render(contract: Contract, language: Language) -> str:
    words = _words(contract, language)
    head = "classes" if contract.output.channels is None else "logits"
    parts = [head]
    if contract.input.type == "int8" and language.folder != "python":
        parts.insert(0, "quantize")
    functions = (
        _template(language, f"{part}.{language.ending}").substitute(words).strip("\n")
        for part in parts
    )
    return _template(language, language.file).substitute(words, class_map="\n\n".join(functions))


def _words(contract: Contract, language: Language) -> dict[str, object]:
    """Return what the templates name."""
    seen, given = contract.input, contract.output
    height, width = given.size_hw
    sizes = {"height": height, "width": width, "channels": given.channels}
    pixels = "pixels" if language.folder in ("javascript", "swift") else "HEIGHT * WIDTH"
    told = {"scale": seen.scale, "zero_point": seen.zero_point}
    return {
        "model": language.literal(contract.model),
        "model_sha256": language.literal(contract.model_sha256),
        "height": contract.size_hw[0],
        "width": contract.size_hw[1],
        "input_name": language.literal(seen.name),
        "input_type": seen.type,
        "input_shape": ", ".join(map(str, seen.shape)),
        "quantization": language.quantization.format(**told) if seen.type == "int8" else "",
        "output_type": given.type,
        "output_shape": ", ".join(map(str, given.shape)),
        "output_height": height,
        "output_width": width,
        "classes": _lines(language, (language.literal(each.name) for each in contract.classes)),
        "palette": _lines(language, (language.colour(each.color) for each in contract.classes)),
        "array": language.arrays.get(seen.type, ""),
        "ids": language.elements.get(given.type, ""),
        "index": _INDEX[seen.layout].format(pixels=f"({pixels})" if " " in pixels else pixels),
        "value": language.pixel[seen.type],
        "planes": "values" if seen.layout == "NHWC" else "values.transpose(2, 0, 1)",
        "score": _SCORE[given.layout].format(**sizes),
        "score_shape": f"{given.channels}, {height}, {width}"
        if given.layout == "CHW"
        else f"{height}, {width}, {given.channels}",
        "to_planes": "" if given.layout == "CHW" else ".transpose(2, 0, 1)",
    }


def _lines(language: Language, entries: Iterable[str]) -> str:
    return "\n".join(f"{language.indent}{entry}," for entry in entries)


def _template(language: Language, name: str) -> Template:
    place = files(__package__) / "templates" / language.folder / f"{name}.template"
    return Template(place.read_text("utf-8"))
