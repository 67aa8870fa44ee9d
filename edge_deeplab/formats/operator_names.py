"""Names of operators, one rule for the canonical graph and all three file formats.

An operator is named "<module path, with __ for .>__<operation>", for example
`aspp__branches__1__0__conv2d`. The canonical graph carries these names and converters keep them, at
most with an ending (`_cast_fp16` in Core ML, `_weight` in TFLite). So an operator of a file leads
back to its module, and a layer can be compared between targets. This module needs no torch.
"""

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
