"""What `torchrun` starts: the console command, after noting in ranks/RANK.json what each step's weights sum to."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from edge_deeplab.cli.app import main

sums: list[float] = []


def note(module: torch.nn.Module, _: Any) -> None:
    if isinstance(module, DistributedDataParallel) and module.training:
        sums.append(sum(float(p.detach().double().abs().sum()) for p in module.parameters()))


torch.nn.modules.module.register_module_forward_pre_hook(note)
try:
    main()
finally:
    path = Path("ranks") / f"{os.environ['RANK']}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(sums))
