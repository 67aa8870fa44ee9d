"""Asks Core ML on a Mac what it does with one package: the device of every operator, and predictions.

`edge-deeplab check FILE.mlpackage --mac-script OUT.py` writes this module, with PACKAGE_SHA256 filled in, as a script
of its own. It needs macOS 14.4 or later, coremltools 9.0 and Pillow, and nothing of edge-deeplab:

    pip install coremltools==9.0 pillow
    python OUT.py FILE.mlpackage [IMAGE ...] [--output RESULT.json]

It writes one JSON document, which `edge-deeplab check FILE.mlpackage --merge RESULT.json` reads:

    format       "edge-deeplab-mac-result/1"
    package      name, sha256: the package; the hash of its files' relative names and contents in sorted order
    date         day of the run, as YYYY-MM-DD
    machine      model, chip, macos, coremltools, python
    plans        for each of ALL, CPU_AND_NE, CPU_AND_GPU and CPU_ONLY: {"operations": [...]} in the program's order,
                 or {"error": sentence} where Core ML does not load the package
        operator     name of the MIL operator, for example "ios17.conv"
        outputs      names of its outputs
        preferred    "cpu", "gpu", "neural_engine", or null where Core ML names no device (constants)
        supported    list of the same
        cost         estimated share of the run, 0 to 1, or null
    predictions  for each image and compute units: image, sha256 (of the image file), compute_units, and latency_ms and
                 outputs, or error
        outputs      by name: shape, dtype, data (the values in C order, little endian, zlib, base64)
"""

import argparse
import base64
import datetime
import hashlib
import json
import platform
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FORMAT = "edge-deeplab-mac-result/1"
PACKAGE_SHA256 = ""
"""The package that the script was written for; "" takes any."""
COMPUTE_UNITS = ("ALL", "CPU_AND_NE", "CPU_AND_GPU", "CPU_ONLY")
DEVICES = {
    "MLCPUComputeDevice": "cpu",
    "MLGPUComputeDevice": "gpu",
    "MLNeuralEngineComputeDevice": "neural_engine",
}
RUNS = 5
"""Predictions that are timed; one more before them is not. The fastest counts."""


def main(arguments: list[str]) -> int:
    """Run the script and return its exit code."""
    parser = argparse.ArgumentParser(
        description="Asks Core ML where the operators of a package run."
    )
    parser.add_argument("package", type=Path, help="the .mlpackage that the script was written for")
    parser.add_argument("images", type=Path, nargs="*", help="pictures to predict")
    parser.add_argument("--output", type=Path, default=Path("mac-result.json"))
    options = parser.parse_args(arguments)
    try:
        document = collect(options.package, options.images)
        write(options.output, document)
    except (OSError, ValueError, ImportError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{options.output} written; bring it to edge-deeplab check --merge\n")
    return 0


def collect(package: Path, images: list[Path]) -> dict[str, Any]:
    """Return the whole result for one package.

    Raises:
        ValueError: when it is another package than the script was written for.
    """
    sha256 = hash_of(package)
    if PACKAGE_SHA256 and sha256 != PACKAGE_SHA256:
        raise ValueError(
            f"{package} has the hash {sha256}, {PACKAGE_SHA256} was expected; "
            "name the package that the script was written for, or write a new script"
        )
    if sys.platform != "darwin":
        raise ValueError(
            f"this system is {sys.platform}; a Mac was expected, because Core ML is asked; run the script there"
        )
    import coremltools
    import coremltools.models.compute_plan

    plans, predictions = {}, []
    for units in COMPUTE_UNITS:
        try:
            model = coremltools.models.MLModel(
                str(package), compute_units=coremltools.ComputeUnit[units]
            )
            plans[units] = {"operations": list(planned(coremltools, model, units))}
        except (
            Exception
        ) as error:  # Core ML raises its own, and one refusal must not end the others
            plans[units] = {"error": f"{type(error).__name__}: {error}"}
            continue
        predictions += [predict(model, units, image) for image in images]
    return {
        "format": FORMAT,
        "package": {"name": package.name, "sha256": sha256},
        "date": datetime.date.today().isoformat(),
        "machine": machine(coremltools.__version__),
        "plans": plans,
        "predictions": predictions,
    }


def planned(coremltools: Any, model: Any, units: str) -> Iterator[dict[str, Any]]:
    """Yield what the compute plan says of each operation of function main, nested blocks included."""
    plan = coremltools.models.compute_plan.MLComputePlan.load_from_path(
        path=model.get_compiled_model_path(), compute_units=coremltools.ComputeUnit[units]
    )
    program = plan.model_structure.program
    if program is None:
        raise ValueError("the package holds no ML program")
    for operation in operations_within(program.functions["main"].block):
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
        yield {
            "operator": operation.operator_name,
            "outputs": [output.name for output in operation.outputs],
            "preferred": device_name(usage.preferred_compute_device) if usage else None,
            "supported": [device_name(d) for d in usage.supported_compute_devices] if usage else [],
            "cost": cost.weight if cost else None,
        }


def operations_within(block: Any) -> Iterator[Any]:
    """Yield the operations of a block, each followed by those of its own blocks."""
    for operation in block.operations:
        yield operation
        for nested in operation.blocks or ():
            yield from operations_within(nested)


def device_name(device: Any) -> str:
    """Return the short name of a compute device; the class's own where it is a new one."""
    name = type(device).__name__
    return DEVICES.get(name, name)


def predict(model: Any, units: str, image: Path) -> dict[str, Any]:
    """Return one image's outputs and the time of a prediction."""
    entry: dict[str, Any] = {"image": image.name, "compute_units": units}
    entry["sha256"] = hashlib.sha256(image.read_bytes()).hexdigest()
    try:
        feed = feature(model.get_spec().description.input, image)
        outputs, seconds = model.predict(feed), []
        for _ in range(RUNS):
            start = time.perf_counter()
            model.predict(feed)
            seconds.append(time.perf_counter() - start)
    except Exception as error:  # Core ML raises its own
        return {**entry, "error": f"{type(error).__name__}: {error}"}
    packed = {name: pack(value) for name, value in outputs.items()}
    return {**entry, "latency_ms": min(seconds) * 1000, "outputs": packed}


def feature(inputs: Any, image: Path) -> dict[str, Any]:
    """Return the model's one input: a picture of its size, or pixels of 0 to 255 in the layout of its shape."""
    import numpy as np
    from PIL import Image

    if len(inputs) != 1:
        raise ValueError(f"the package takes {len(inputs)} inputs; one picture was expected")
    kind = inputs[0].type
    if kind.WhichOneof("Type") == "imageType":
        size = kind.imageType.width, kind.imageType.height
        return {inputs[0].name: Image.open(image).convert("RGB").resize(size)}
    shape = list(kind.multiArrayType.shape)
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise ValueError(f"the package takes an array of shape {shape}; one picture was expected")
    height, width = shape[1:3] if shape[3] == 3 else shape[2:]
    pixels = np.asarray(Image.open(image).convert("RGB").resize((width, height)), np.float32)
    planes = pixels if shape[3] == 3 else pixels.transpose(2, 0, 1)
    return {inputs[0].name: np.ascontiguousarray(planes[None])}


def pack(value: Any) -> dict[str, Any]:
    """Return an array as JSON values."""
    import numpy as np

    array = np.asarray(value)
    content = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "data": base64.b64encode(zlib.compress(content)).decode(),
    }


def machine(coremltools_version: str) -> dict[str, str]:
    """Return what the result was taken on."""
    return {
        "model": system_value("hw.model"),
        "chip": system_value("machdep.cpu.brand_string"),
        "macos": platform.mac_ver()[0],
        "coremltools": coremltools_version,
        "python": platform.python_version(),
    }


def system_value(name: str) -> str:
    """Return a value that macOS knows of itself; "" elsewhere."""
    try:
        finished = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True)
    except OSError:
        return ""
    return finished.stdout.strip()


def hash_of(package: Path) -> str:
    """Return the hash of a package's files; what Finder adds does not count.

    Raises:
        ValueError: when there is no package.
    """
    files = sorted(f for f in package.rglob("*") if f.is_file() and f.name != ".DS_Store")
    if not files:
        raise ValueError(f"{package} is no folder with files; an .mlpackage was expected")
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(package).as_posix().encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()


def write(path: Path, document: dict[str, Any]) -> None:
    """Write the result through a temporary sibling."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
