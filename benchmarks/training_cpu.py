"""What the CPU settings of `edge_deeplab.training.cpu` save of a training step, as ratios in one interleaved run.

    python benchmarks/training_cpu.py --rounds 5

Each setting runs in its own process (an allocator setting cannot be taken back) and the rounds take turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

SETTINGS: dict[str, tuple[bool, bool, bool]] = {
    "plain": (True, False, False),
    "memory": (True, True, False),
    "depthwise": (True, False, True),
    "both": (True, True, True),
    "fp32": (False, True, False),
}


def measure_step(mixed: bool, memory: bool, depthwise: bool) -> float:
    """Return the CPU seconds of the best of four steps, bf16 where mixed: EfficientNet-Lite0, 8 crops of 352x352."""
    import torch

    from edge_deeplab.models.deeplab import build_model
    from edge_deeplab.training.cpu import keep_depthwise_in_float32, reuse_freed_memory
    from edge_deeplab.training.loss import SegmentationLoss

    if memory:
        reuse_freed_memory()
    torch.manual_seed(0)
    model = build_model("efficientnet_lite0", 11).to(memory_format=torch.channels_last).train()
    if depthwise:
        keep_depthwise_in_float32(model)
    loss = SegmentationLoss(torch.ones(11), lovasz=0.5, ignore_index=255)
    images = torch.randn(8, 3, 352, 352).contiguous(memory_format=torch.channels_last)
    masks = torch.randint(0, 11, (8, 352, 352))
    times = []
    for _ in range(5):
        start = sum(os.times()[:2])
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            logits = model(images)
        loss(logits.float(), masks).backward()
        model.zero_grad()
        times.append(sum(os.times()[:2]) - start)
    return min(times[1:])


def measure_in_process(name: str) -> float:
    """Return one setting's seconds, measured in a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--setting", name]
    return float(
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    )


def main() -> None:
    """Print the median ratio of each setting to the plain one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--setting", choices=list(SETTINGS))
    arguments = parser.parse_args()
    if arguments.setting:
        sys.stdout.write(json.dumps(measure_step(*SETTINGS[arguments.setting])))
        return
    rounds = [
        {name: measure_in_process(name) for name in SETTINGS} for _ in range(arguments.rounds)
    ]
    for name in SETTINGS:
        ratio = statistics.median(r[name] / r["plain"] for r in rounds)
        seconds = statistics.median(r[name] for r in rounds)
        sys.stdout.write(f"{name:10} {seconds:6.2f} CPU s a step   {ratio:.2f} of plain\n")


if __name__ == "__main__":
    main()
