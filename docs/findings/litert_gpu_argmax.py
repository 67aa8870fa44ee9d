r"""LiteRT's GPU accelerator: ARG_MAX over channels that are no multiple of four gives a class that there is not.

    pip install ai-edge-litert==2.3.0 litert-torch
    python litert_gpu_argmax.py    # with a GPU's Vulkan driver; without one, on Debian with its package chromium:
    VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json LD_LIBRARY_PATH=/usr/lib/chromium \
        python litert_gpu_argmax.py

Every score is negative. The CPU gives the largest one's place; the GPU gives 11 of the 11 classes 0..10 everywhere,
because channels are padded with zeros to a multiple of four and the padding takes part in the maximum.
"""

import tempfile
from pathlib import Path

import litert_torch
import numpy as np
import torch
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator

CLASSES = 11


class ClassMap(torch.nn.Module):
    """Scores (1, H, W, K) -> class ids (1, H, W)."""

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.argmax(-1).to(torch.int32)


def run(path: Path, accelerator: HardwareAccelerator, scores: np.ndarray) -> np.ndarray:
    """Return the class ids that an accelerator gives."""
    model = CompiledModel.from_file(str(path), accelerator)
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    inputs[0].write(scores)
    model.run_by_index(0, inputs, outputs)
    return outputs[0].read(scores[..., 0].size, np.dtype(np.int32))


def main() -> None:
    """Print the classes that each accelerator gives for the same negative scores."""
    scores = -1 - np.random.default_rng(0).random((1, 8, 8, CLASSES), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "argmax.tflite"
        litert_torch.convert(ClassMap().eval(), (torch.from_numpy(scores),)).export(str(path))
        gpu = HardwareAccelerator.GPU | HardwareAccelerator.CPU
        for name, accelerator in {"CPU": HardwareAccelerator.CPU, "GPU": gpu}.items():
            ids = run(path, accelerator, scores)
            equal = (ids == scores.argmax(-1).ravel()).mean()
            print(f"{name}: classes {np.unique(ids).tolist()}, {equal:.0%} right")


if __name__ == "__main__":
    main()
