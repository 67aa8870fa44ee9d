"""The learning-rate schedule: linear warm-up, then poly decay (DeepLabV3+ section 4)."""


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
