"""What `import edge_deeplab` offers: typed requests in, typed results out; nothing is printed.

One function a verb: it takes the fields of a frozen request as keywords, validates them once, and raises the errors
of `errors.py`. Work that takes long tells a `Progress`. What is heavy is imported when a function is called.
"""

from edge_deeplab.api.files import check, export, load, open_artifact
from edge_deeplab.api.scores import bench, compress, doctor, evaluate, models, parity
from edge_deeplab.api.tools import install_lab_tools, lab, lab_tools
from edge_deeplab.api.training import prune, quantize, rank_quantizers, sweep_groups, train

__all__ = [
    "bench",
    "check",
    "compress",
    "doctor",
    "evaluate",
    "export",
    "install_lab_tools",
    "lab",
    "lab_tools",
    "load",
    "models",
    "open_artifact",
    "parity",
    "prune",
    "quantize",
    "rank_quantizers",
    "sweep_groups",
    "train",
]
