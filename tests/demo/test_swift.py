"""The contract's Swift, compiled and held to the golden frames, where there is a Swift compiler."""

import os
import shlex
import shutil
import subprocess
from typing import Any

import pytest

from tests.demo.test_contract import (
    FORMS,
    dataset,  # noqa: F401
    golden_of,
    load,
    make,  # noqa: F401
    picture,
    sha256,
)
from tests.demo.test_kotlin import rgba

COMPILER = shlex.split(os.environ.get("EDGE_DEEPLAB_SWIFTC", "swiftc"))
ELEMENTS = {"int8": "Int8", "int32": "Int32", "int64": "Int64", "float32": "Float"}
SIZES = ((640, 480), (480, 640), (1920, 1080), (33, 32), (1, 1))
HARNESS = """
import Foundation
let folder = URL(fileURLWithPath: CommandLine.arguments[1])
func read(_ name: String) -> [UInt8] {{ [UInt8](try! Data(contentsOf: folder.appendingPathComponent(name))) }}
func write<T>(_ values: [T], _ name: String) {{
    try! values.withUnsafeBytes {{ Data($0) }}.write(to: folder.appendingPathComponent(name))
}}
for name in String(decoding: read("frames.txt"), as: UTF8.self).split(separator: "\\n") {{
    write(Contract.prepare(read("\\(name).rgba")), "\\(name).tensor")
    let output = read("\\(name).output").withUnsafeBytes {{ [{element}]($0.bindMemory(to: {element}.self)) }}
    precondition(output.count == Contract.outputShape.reduce(1, *))
    let ids = Contract.classMap(output)
    write(ids, "\\(name).ids")
    write(Contract.colour(ids), "\\(name).colours")
}}
for (width, height) in [{sizes}] {{
    let part = Contract.crop(width: width, height: height)
    print(part.x, part.y, part.width, part.height)
}}
"""


@pytest.mark.parametrize("form", FORMS)
def test_swift_gives_the_golden_frames(make: Any, form: str) -> None:  # noqa: F811
    if shutil.which(COMPILER[0]) is None:
        pytest.skip("the Swift compiler is absent: EDGE_DEEPLAB_SWIFTC names one")
    folder, runtime = make(form)
    frames = golden_of(folder)
    for frame in frames:
        seen = picture(folder, frame["input"])
        (folder / f"{frame['name']}.rgba").write_bytes(rgba(seen))
        (folder / f"{frame['name']}.output").write_bytes(runtime.execute(seen).tobytes())
    (folder / "frames.txt").write_text("".join(f"{frame['name']}\n" for frame in frames))
    sizes = ", ".join(map(str, SIZES))
    harness = HARNESS.format(element=ELEMENTS[FORMS[form][-1]], sizes=sizes)
    (folder / "main.swift").write_text(harness)
    sources = [str(folder / "Contract.swift"), str(folder / "main.swift")]
    program = str(folder / "golden-run")
    runs = ([*COMPILER, "-O", *sources, "-o", program], [*COMPILER[:-1], program, str(folder)])
    for command in runs:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    code = load(folder / "contract.py")
    for frame in frames:
        name, given = frame["name"], picture(folder, frame["class_map"])
        assert sha256((folder / f"{name}.tensor").read_bytes()) == frame["input"]["tensor_sha256"]
        assert sha256((folder / f"{name}.ids").read_bytes()) == frame["class_map"]["ids_sha256"]
        assert (folder / f"{name}.colours").read_bytes() == rgba(code.colour(given))
    crops = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert crops == [tuple(code.crop(*size)) for size in SIZES]
