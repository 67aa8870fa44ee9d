"""What `import edge_deeplab` offers: typed requests in, typed results out; nothing is printed.

One function a verb: it takes the fields of a frozen request as keywords, validates them once, and raises the errors
of `errors.py`. Work that takes long tells a `Progress`. What is heavy is imported when a function is called.
"""

from edge_deeplab.api.apps import replay, write_contract
from edge_deeplab.api.checks import (
    check,
    compare_quantization,
    explain_rule,
    rewrites,
    write_mac_script,
)
from edge_deeplab.api.data import data
from edge_deeplab.api.files import export, import_checkpoint, load, open_artifact, wrap
from edge_deeplab.api.pages import report
from edge_deeplab.api.scores import (
    bench,
    compress,
    doctor,
    evaluate,
    measure_flicker,
    models,
    parity,
)
from edge_deeplab.api.tools import install_lab_tools, lab, lab_tools, try_lab_tools
from edge_deeplab.api.training import prune, quantize, rank_quantizers, sweep_groups, train

__all__ = [
    "bench",
    "check",
    "compare_quantization",
    "compress",
    "data",
    "doctor",
    "evaluate",
    "explain_rule",
    "export",
    "import_checkpoint",
    "install_lab_tools",
    "lab",
    "lab_tools",
    "load",
    "measure_flicker",
    "models",
    "open_artifact",
    "parity",
    "prune",
    "quantize",
    "rank_quantizers",
    "replay",
    "report",
    "rewrites",
    "sweep_groups",
    "train",
    "try_lab_tools",
    "wrap",
    "write_contract",
    "write_mac_script",
]
