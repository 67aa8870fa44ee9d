"""The shipped files' latency beside that of Ultralytics' YOLO26n-sem, as ratios in one interleaved run.

    pip install ultralytics                     # AGPL-3.0 or paid: never a dependency of this project
    python benchmarks/against_yolo.py exports/*.tflite exports/*.onnx --threads 1

The peer is made here with random weights, which cost what trained ones do: ONNX at 384x480 (its sides must be multiples
of 32), in fp32 and in int8 (quantize and dequantize, per channel), the class map inside as it exports it. Every ratio
is to the peer's int8 file in ONNX Runtime.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import edge_deeplab as ed

SIZE_HW = (384, 480)
PEER = "yolo26n-sem"
_IMAGES = 8


def make_peer() -> list[Path]:
    """Return the peer's int8 and float files, written into the working folder.

    Ends the program where its package is not installed.
    """
    try:
        from ultralytics import YOLO
    except ModuleNotFoundError:
        sys.exit(
            "ultralytics is not installed, and this project never installs it; pip install ultralytics"
        )
    network = YOLO(f"{PEER}.yaml", task="semantic")
    network.export(format="onnx", imgsz=SIZE_HW, simplify=False, verbose=False)
    exported = Path(f"{PEER}.onnx").resolve()  # it writes where it stands
    return [_quantize(exported), exported]


def _quantize(path: Path) -> Path:
    """Return the int8 file of a float one; its ranges are those of noise, which changes no time."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Noise(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = self._images()

        def _images(self) -> Iterator[dict[str, np.ndarray]]:
            rng = np.random.default_rng(0)
            for _ in range(_IMAGES):
                yield {"images": rng.random((1, 3, *SIZE_HW), np.float32)}

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._left, None)

    prepared, quantized = (
        path.with_name(f"{path.stem}-{part}.onnx") for part in ("prepared", "int8")
    )
    quant_pre_process(str(path), str(prepared))
    quantize_static(
        str(prepared),
        str(quantized),
        Noise(),
        per_channel=True,
        activation_type=QuantType.QUInt8,  # what the CPU's integer instructions take
        weight_type=QuantType.QInt8,
    )
    return quantized


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    files = [path.resolve() for path in arguments.files]
    with TemporaryDirectory() as folder, chdir(folder):
        peers = make_peer()
        report = ed.bench([*peers, *files], threads=arguments.threads, rounds=arguments.rounds)
    write = sys.stdout.write
    write("| file | runtime | MB | ms | against the peer's int8 |\n|---|---|---|---|---|\n")
    for row in report.to_json()["artifacts"]:
        if row["latency_ms"] is None:
            sys.exit(f"{row['path']} was not timed: {row.get('error') or row.get('note')}")
        cells = (
            Path(row["path"]).name,
            row["runtime"],
            f"{row['bytes'] / 1e6:.1f}",
            f"{row['latency_ms']['median']:.1f}",
            f"{row['ratio_to_first']:.2f}",
        )
        write(f"| {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
