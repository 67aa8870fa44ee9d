"""Where a training step's time goes on a GPU, and how many crops a second its CPU draws.

    python benchmarks/training_gpu.py --data CAMVID --batch 16 --workers 1 4 16

The parts of a step are timed one by one, the GPU waited for in between; `whole` is a step without that waiting.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.optim.swa_utils import AveragedModel

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.training.crops import IGNORE, build_crops, build_loader
from edge_deeplab.training.loss import SegmentationLoss
from edge_deeplab.training.optimiser import build_optimiser, moving_average
from edge_deeplab.training.train import describe_run

SIZE_HW = (368, 480)
STEPS = 12
_CLASSES = 11


def timed(parts: dict[str, float], name: str, work: Callable[[], Any], *, wait: bool) -> Any:
    """Return what the work gives; add its milliseconds to the parts."""
    start = time.perf_counter()
    result = work()
    if wait:
        torch.cuda.synchronize()
    parts[name] = parts.get(name, 0.0) + (time.perf_counter() - start) * 1000 / STEPS
    return result


def measure_step(batch: int, memory_format: torch.memory_format) -> dict[str, float]:
    """Return the milliseconds of the parts of a bf16 step, and of a whole one."""
    model = build_model("efficientnet_lite0", _CLASSES).cuda()
    model = model.to(memory_format=memory_format).train()  # type: ignore[call-overload]
    optimiser = build_optimiser(model, Recipe())
    average = AveragedModel(model, multi_avg_fn=moving_average(0.998), use_buffers=True)
    loss = SegmentationLoss(torch.ones(_CLASSES), lovasz=0.5, ignore_index=IGNORE).cuda()
    images = torch.randn(batch, 3, *SIZE_HW, device="cuda").contiguous(memory_format=memory_format)
    masks = torch.randint(0, _CLASSES, (batch, *SIZE_HW), device="cuda")

    def forward() -> torch.Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            logits: torch.Tensor = model(images)
        return logits.float()

    def step(parts: dict[str, float], *, wait: bool) -> None:
        logits = timed(parts, "forward", forward, wait=wait)
        value = timed(parts, "loss", lambda: loss(logits, masks), wait=wait)
        timed(parts, "backward", value.backward, wait=wait)
        timed(parts, "optimiser", optimiser.step, wait=wait)
        timed(parts, "average", lambda: average.update_parameters(model), wait=wait)
        optimiser.zero_grad(set_to_none=True)

    for _ in range(3):
        step({}, wait=True)
    parts: dict[str, float] = {}
    for _ in range(STEPS):
        step(parts, wait=True)
    start = time.perf_counter()
    for _ in range(STEPS):
        step({}, wait=False)
    torch.cuda.synchronize()
    return {**parts, "whole": (time.perf_counter() - start) * 1000 / STEPS}


def measure_loader(data: Path, batch: int, workers: int) -> float:
    """Return the crops a second that worker processes draw."""
    source = open_dataset(data, "train")
    recipe = Recipe.model_validate(
        {
            "data": {"crop_hw": SIZE_HW, "repeat": 4},
            "optimiser": {"batch_size": batch},
        }
    )
    crops = build_crops([source], recipe, describe_run(recipe, [source]))
    crops.remember()
    batches = iter(build_loader(crops, recipe, workers, Accelerator()))
    for _ in range(workers):
        next(batches)
    start, rounds = time.perf_counter(), 30
    for _ in range(rounds):
        next(batches)
    return rounds * batch / (time.perf_counter() - start)


def main() -> None:
    """Print a line a setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16])
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit(
            "no GPU came; one that torch sees was expected; benchmarks/training_cpu.py measures a CPU"
        )
    for workers in arguments.workers:
        rate = measure_loader(arguments.data, arguments.batch, workers)
        sys.stdout.write(f"{workers} workers: {rate:.0f} crops a second\n")
    for name, memory_format in (
        ("channels last", torch.channels_last),
        ("channels first", torch.contiguous_format),
    ):
        for search in (False, True):
            torch.backends.cudnn.benchmark = search
            parts = measure_step(arguments.batch, memory_format)
            shown = "  ".join(f"{part} {ms:.1f}" for part, ms in parts.items())
            sys.stdout.write(f"{name}, kernels searched: {search}: {shown} ms\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
