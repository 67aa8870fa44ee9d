"""A DeepLabV3+ MobileNetV2 int8 TFLite at 512x512 with 21 classes against another file of that kind, one thread.

    python benchmarks/voc_size_mobilenetv2.py --peer deeplabv3_mnv2_pascal_quant.tflite

The weights are the shipped CamVid checkpoint's under a classifier of 21 classes: ARG_MAX takes longer on the noise that
random weights give. Quantizers are calibrated on rendered scenes.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

import edge_deeplab as ed
from edge_deeplab.data.rendered_set import RenderedDataset
from edge_deeplab.description import ClassInfo
from edge_deeplab.evaluation.bench import measure_latency
from edge_deeplab.models.checkpoint import Checkpoint, save_checkpoint
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from edge_deeplab.quantization.qat import calibration_images

SIZE_HW = (512, 512)
SHIPPED = "camvid-mobilenetv2"
CLASSES = tuple(ClassInfo(f"class {index}", (index, index, index)) for index in range(21))


def widened_checkpoint(folder: Path) -> Checkpoint:
    """Return the shipped network with a classifier of 21 classes, the further ones never chosen, below a folder."""
    shipped = ed.load(SHIPPED)
    model = build_model(shipped.info.spec, len(CLASSES))
    state = dict(shipped.build().state_dict())
    further = len(CLASSES) - len(shipped.info.classes)
    for name, lower in (("classifier.weight", 0.0), ("classifier.bias", 20.0)):
        state[name] = torch.cat([state[name], state[name][:further] - lower])
    model.load_state_dict(state)
    info = replace(shipped.info, classes=CLASSES, size_hw=SIZE_HW, results={})
    path = folder / "widened.safetensors"
    save_checkpoint(path, model, info)
    return ed.load(path)


def quantized(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with quantizers from four rendered scenes."""
    network = Network(checkpoint.build())
    normalisation = checkpoint.info.normalisation
    images = calibration_images(RenderedDataset(count=4), 4, SIZE_HW, normalisation)
    placement = place_quantizers(network, ())
    return checkpoint.with_quantization(
        calibrate(network, placement, images, normalisation, "min-max")
    )


def main() -> None:
    """Export, time against the peer and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = quantized(widened_checkpoint(Path(folder)))
        paths = [arguments.peer]
        for name in ("exact", "fast"):
            output = Path(folder) / name
            (artifact,) = ed.export(
                checkpoint, "tflite", precision="int8", head=name, output=output
            )
            paths.append(artifact.path)
        runtimes = [ed.open_artifact(path, threads=1) for path in paths]
        for latency in measure_latency(runtimes, rounds=arguments.rounds, threads=1):
            sys.stdout.write(
                f"{latency.path.parent.name}/{latency.path.name}: {latency.median_ms:.1f} ms, "
                f"{latency.ratio_to_first:.2f} of the peer's\n"
            )


if __name__ == "__main__":
    main()
