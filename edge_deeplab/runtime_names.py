"""The names of what can run an exported file, as `--runtime` and `open_artifact` take them; imports nothing heavy.

What each name stands for is in the table of `edge_deeplab.runtimes.open`.
"""

from typing import Literal

RuntimeName = Literal[
    "onnxruntime",
    "interpreter",
    "interpreter-builtin",
    "compiled-model",
    "core-ml",
    "mil-reference",
]
