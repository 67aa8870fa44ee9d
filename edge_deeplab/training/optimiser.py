"""What moves the weights: AdamW or SGD, the learning-rate schedule, and the moving average that is evaluated and kept.

The schedule is a linear warm-up, then poly decay (DeepLabV3+ section 4); the average is steadier than the weights of
any one step.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from edge_deeplab.config import Recipe
from edge_deeplab.models.spec import Parts

_WARMUP = 10
_SMALLEST_SIZE = 1e-2


def build_optimiser(model: torch.nn.Module, parts: Parts, recipe: Recipe) -> torch.optim.Optimizer:
    """Return a recipe's optimiser; the backbone learns slower, and what is one number a channel is not decayed."""
    section = recipe.optimiser
    relative = section.relative_rates
    if relative is None:
        relative = section.method == "adamw" and not batch_norms(model)
    groups = []
    for in_backbone, rate in (
        (True, section.backbone_learning_rate),
        (False, section.learning_rate),
    ):
        named = [
            p
            for n, p in model.named_parameters()
            if parts.in_backbone(n) == in_backbone and p.requires_grad
        ]
        for is_matrix, decay in ((True, section.weight_decay), (False, 0.0)):
            chosen = [p for p in named if (p.numel() > len(p)) == is_matrix]
            rated = [([p], rate * _size(p)) for p in chosen] if relative else [(chosen, rate)]
            groups += [
                {
                    "params": part,
                    "lr": own,
                    "base_lr": own,
                    "relative": relative,
                    "weight_decay": decay,
                }
                for part, own in rated
            ]
    if section.method == "sgd":
        return torch.optim.SGD(groups, momentum=section.momentum)
    return torch.optim.AdamW(groups)


def batch_norms(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Return a model's layers of batch norm, those that count over several GPUs too."""
    kind = torch.nn.modules.batchnorm._BatchNorm
    return [module for module in model.modules() if isinstance(module, kind)]


def _size(parameter: torch.nn.Parameter) -> float:
    """Return a tensor's root mean square; of one that starts at zero, such as a new bias, the least that moves it."""
    return max(float(parameter.detach().float().square().mean().sqrt()), _SMALLEST_SIZE)


def poly_factor(step: int, *, total_steps: int, warmup_steps: int, power: float) -> float:
    """Return the factor on the base learning rate at a step.

    Args:
        step: optimiser steps done so far.
        total_steps: steps of the whole run.
        warmup_steps: steps of the linear rise from near zero.
        power: exponent of the decay; 0.9 in the paper.
    """
    warmup = min(1.0, (step + 1) / (warmup_steps + 1))
    remaining = max(0.0, 1 - step / total_steps)
    return float(warmup * remaining**power)


def moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Return the update of an exponential moving average for `AveragedModel`'s `multi_avg_fn`.

    The n-th update decays by min(decay, (1 + n) / (10 + n)): an average that started at the full decay would carry the
    untrained head for 1 / (1 - decay) steps and score near nothing until then.

    Args:
        decay: weight of the past once warm, 0 (no average) to below 1.
    """

    def update(averaged: Any, current: Any, updates_done: Any) -> None:
        done = int(updates_done)
        get_ema_multi_avg_fn(min(decay, (1 + done) / (_WARMUP + done)))(
            averaged, current, updates_done
        )

    return update
