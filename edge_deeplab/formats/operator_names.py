"""Names of operators, one rule for the canonical graph and all file formats.

An operator is named "<module path, with __ for .>__<operation>", for example
`aspp__branches__1__0__conv2d`. The canonical graph carries these names and converters keep them, at
most with an ending (`_cast_fp16` in Core ML, `_weight` in TFLite). So an operator of a file leads
back to its module, and a layer can be compared between targets. This module needs no torch.

In other files a weight may be called `aspp.branches.1.0.weight` (ONNX out of torch), and a TFLite tensor carries the
scopes of litert-torch (`pkg.Root/pkg.Net_model/torch.nn.Conv2d_head`) or of TensorFlow
(`MobilenetV2/expanded_conv_14/depthwise/Relu6`).
"""

import re
from collections.abc import Iterable

_SEPARATOR = "__"


def operator_name(module_path: str, operation: str) -> str:
    """Return the name of an operation inside a module, for example of ("aspp.project.0", "conv2d")."""
    return _SEPARATOR.join([*filter(None, module_path.split(".")), operation])


def module_of(name: str) -> str:
    """Return the module path that a name tells; empty when it tells none (another project's file).

    Args:
        name: name of an operator, or of a tensor it computes or reads, as it stands in a file.
    """
    return ".".join(name.split(_SEPARATOR)[:-1])


def identifier(path: str) -> str:
    """Return a dotted path as an identifier: "aspp.project.0.weight" is `aspp__project__0__weight`."""
    joined = path.replace(".", _SEPARATOR)
    return f"_{joined}" if joined[0].isdigit() else joined


_LONGEST_NAME = 1000
_PARAMETER = re.compile(r"([^/;:]+)\.(?:[a-z]+_)?(?:weight|bias)(?:_\w+)?")
_SCOPE = re.compile(r"(?:[\w<>]+\.)+[A-Za-z0-9]+_(\w+)")
WRAPPER = "model."
"""Attribute under which this project's export wrapper holds the network."""


def find_module(names: Iterable[str], *, ours: bool) -> str | None:
    """Return the layer that the first telling name leads to, as a dotted path (TensorFlow's as it is, with slashes).

    Args:
        names: of the operator, of what it computes and of the weights it reads, the most telling first.
        ours: whether the file is an export of this project, whose names follow a rule; others are decoded by their
            looks.
    """
    decode = _module_in_own_name if ours else _module_in_foreign_name
    return next((module for name in names if (module := decode(name[:_LONGEST_NAME]))), None)


def _module_in_own_name(name: str) -> str | None:
    parameter = _module_of_parameter(name)
    return module_of(name) or (parameter.removeprefix(WRAPPER) if parameter else None)


def _module_in_foreign_name(name: str) -> str | None:
    return _module_of_parameter(name) or _module_of_scopes(name)


def _module_of_parameter(name: str) -> str | None:
    match = _PARAMETER.fullmatch(name)
    return match[1] if match else None


def _module_of_scopes(name: str) -> str | None:
    """Return the layer of a TFLite tensor's name; merged tensors have several, split by ";", and the first counts."""
    path = name.split(";")[0]
    root, *scopes = path.split("/")
    attributes = [match[1] for scope in scopes if (match := _SCOPE.fullmatch(scope))]
    if (
        "." in root
    ):  # litert-torch; only modules that are called have a scope, so a ModuleList's name is missing
        return ".".join(attributes) if attributes and len(attributes) == len(scopes) else None
    return path.rpartition("/")[0] or None
