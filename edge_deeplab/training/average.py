"""The moving average of the weights that is evaluated and kept: it is steadier than the weights of any one step."""

from collections.abc import Callable
from typing import Any

from torch.optim.swa_utils import get_ema_multi_avg_fn

_WARMUP = 10


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
