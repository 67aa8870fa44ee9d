"""What makes a training step faster on a CPU (benchmarks/training_cpu.py measures it); on a GPU the loop calls none."""

import ctypes
import sys
from types import MethodType

import torch
from torch import nn

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def computes_bfloat16() -> bool:
    """Return whether this processor multiplies bfloat16 in instructions of its own, as oneDNN sees it.

    Where it does not, each product goes through conversions, and a step takes several times one in float32.
    """
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def reuse_freed_memory() -> None:
    """Tell glibc to keep freed blocks, so each step's activations do not fault in fresh pages (does nothing elsewhere).

    Otherwise the kernel zeroes, in every step, the pages that the step before handed back.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def keep_depthwise_in_float32(model: nn.Module) -> None:
    """Run a model's depthwise convolutions in float32 under CPU autocast, in place.

    oneDNN's bf16 depthwise backward is slower than its float32 one, most of all for atrous ones;
    the rest of the network stays bf16.
    `state_dict` is unchanged.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            module.forward = MethodType(_forward_float32, module)  # type: ignore[method-assign]


def _forward_float32(self: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", enabled=False):
        y: torch.Tensor = self._conv_forward(x.float(), self.weight, self.bias)
    return y.to(x.dtype)
