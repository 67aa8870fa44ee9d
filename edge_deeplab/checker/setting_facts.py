"""Facts that an operator's settings and tensors tell, under one name whatever its format calls them."""

from collections.abc import Mapping

from edge_deeplab.formats.graph import Attribute, Operator, TensorSpec, first_shape

Fact = int | float | bool | str

SETTING_FACTS: Mapping[str, str] = {
    "output_dtype": "element type of the first output",
    "computed_as": "element type behind the dequantization of the input, else that of the input",
    "cast_to": 'element type that a Cast makes of the output, where that is all that reads it, else "nothing"',
    "rank": "number of axes of the first input",
    "output_rank": "number of axes of the first output",
    "highest_rank": "largest number of axes of any input or output",
    "batch": "size of the first axis of the first input",
    "depth": "size of the last axis of the first input",
    "reduces_depth": "whether the last axis differs between input and output",
    "computed_inputs": "number of inputs that are computed, not stored",
    "others_constant": "whether every input after the first stands in the file",
    "static_shape": "whether every size of the first input but the batch stands in the file",
    "activation": "fused activation (TFLite)",
    "border": 'how the border is padded: "same", "valid" or "explicit"',
    "window_h": "rows of a pooling window",
    "window_w": "columns of a pooling window",
    "window": "entries of a pooling window",
    "ceil_mode": "whether a pool rounds its output size up",
    "interpolation": 'of a resize: "linear", "nearest" or "cubic"',
    "align_corners": "whether a resize samples from corner to corner",
    "half_pixel": "whether a resize samples at pixel centres",
    "coordinates": "coordinate transformation of a resize (ONNX)",
    "rounding": "rounding of a resize to the nearest (ONNX)",
    "antialias": "whether a resize smooths (ONNX)",
    "sized_by": 'what gives a resize its size: "sizes" or "scales" (ONNX)',
    "height_in": "rows that a resize takes",
    "width_in": "columns that a resize takes",
    "height_out": "rows that a resize gives",
    "width_out": "columns that a resize gives",
    "square": "whether a resize gives as many rows as columns",
    "whole_ratio": "whether a resize gives a whole multiple of its input's rows and columns",
    "whole_division": "whether a resize gives a whole part of its input's rows and columns",
    "beta": "factor inside a softmax",
    "keep_num_dims": "whether a fully connected layer keeps its input's rank",
    "keep_dims": "whether a reduction keeps the axes that it reduces (TFLite)",
    "ellipsis_mask": "ellipsis mask of a strided slice",
    "new_axis_mask": "new-axis mask of a strided slice",
    "shrink_axis_mask": "shrink-axis mask of a strided slice",
    "select_last_index": "whether an argmax takes the last of equals (ONNX)",
}
"""Names and meanings, as `facts.FACTS` has them."""

_ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
_PLAIN = (
    "beta",
    "keep_num_dims",
    "keep_dims",
    "ellipsis_mask",
    "new_axis_mask",
    "shrink_axis_mask",
    "select_last_index",
)
_RESIZES: Mapping[str, tuple[str | None, tuple[int, int]]] = {
    "RESIZE_BILINEAR": ("linear", (1, 2)),
    "RESIZE_NEAREST_NEIGHBOR": ("nearest", (1, 2)),
    "Resize": (None, (2, 3)),
    "Upsample": (None, (2, 3)),
    "resize": (None, (2, 3)),
    "resize_bilinear": ("linear", (2, 3)),
    "resize_nearest_neighbor": ("nearest", (2, 3)),
    "upsample_bilinear": ("linear", (2, 3)),
    "upsample_nearest_neighbor": ("nearest", (2, 3)),
}
"""Interpolation, where the type says it, and the axes of height and width."""
_POOLS = (
    *("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"),
    *("AveragePool", "MaxPool", "LpPool", "QLinearAveragePool"),
    *("avg_pool", "max_pool", "l2_pool"),
)
_BORDERS = {"SAME": "same", "VALID": "valid", "SAME_UPPER": "same", "SAME_LOWER": "same"}


def setting_facts(operator: Operator) -> dict[str, Fact | None]:
    """Return the facts of `SETTING_FACTS` that the file tells about an operator; None where it does not."""
    settings = operator.attributes
    return {
        **_tensor_facts(operator),
        **{name: _single(settings.get(name)) for name in _PLAIN},
        "activation": _activation(settings),
        "border": _border(settings),
        **(_pool_facts(settings) if operator.type in _POOLS else {}),
        **(_resize_facts(operator) if operator.type in _RESIZES else {}),
    }


def _tensor_facts(operator: Operator) -> dict[str, Fact | None]:
    given = [spec for spec in operator.inputs if spec is not None]
    first, result = first_shape(operator.inputs), first_shape(operator.outputs)
    ranks = [len(spec.shape) for spec in (*given, *operator.outputs) if spec.shape is not None]
    computed = [spec for spec in given if not spec.constant]
    source = computed[0] if computed else None
    return {
        "output_dtype": operator.outputs[0].dtype if operator.outputs else None,
        "computed_as": (source.dequantized_from or source.dtype) if source else None,
        "cast_to": (operator.outputs[0].cast_to or "nothing") if operator.outputs else None,
        "rank": None if first is None else len(first),
        "output_rank": None if result is None else len(result),
        "highest_rank": max(ranks, default=None),
        "batch": first[0] if first else None,
        "depth": first[-1] if first else None,
        "reduces_depth": first[-1] != result[-1] if first and result else None,
        "computed_inputs": len(computed),
        "others_constant": all(spec.constant for spec in operator.inputs[1:] if spec),
        "static_shape": None not in first[1:] if first else None,
    }


def _pool_facts(settings: Mapping[str, Attribute]) -> dict[str, Fact | None]:
    height, width = _pair(settings, "kernel_shape", "kernel_sizes", "filter_height filter_width")
    strides = _pair(settings, "strides", "strides", "stride_h stride_w")
    rates = _pair(settings, "dilations", "dilations", "")
    return {
        "window_h": height,
        "window_w": width,
        "window": height * width if height and width else None,
        "stride": max(strides[0] or 1, strides[1] or 1),
        "rate": max(rates[0] or 1, rates[1] or 1),
        "ceil_mode": bool(settings.get("ceil_mode", False)),
    }


def _resize_facts(operator: Operator) -> dict[str, Fact | None]:
    settings = operator.attributes
    interpolation, axes = _RESIZES[operator.type]
    mode = settings.get("mode", "nearest" if operator.type in ("Resize", "Upsample") else None)
    return {
        "interpolation": interpolation or (mode if isinstance(mode, str) else None),
        "align_corners": _single(settings.get("align_corners")),
        "half_pixel": _single(settings.get("half_pixel_centers")),
        **(_onnx_resize_facts(operator) if operator.type == "Resize" else {}),
        **_size_facts(operator, axes),
    }


def _onnx_resize_facts(operator: Operator) -> dict[str, Fact | None]:
    settings = operator.attributes
    coordinates = settings.get("coordinate_transformation_mode", "half_pixel")
    given = [spec is not None for spec in operator.inputs]
    return {
        "coordinates": str(coordinates),
        "align_corners": coordinates == "align_corners",
        "half_pixel": coordinates in ("half_pixel", "pytorch_half_pixel"),
        "rounding": str(settings.get("nearest_mode", "round_prefer_floor")),
        "antialias": bool(settings.get("antialias", 0)),
        "sized_by": "sizes" if given[3:4] == [True] else "scales" if True in given[1:3] else None,
    }


def _size_facts(operator: Operator, axes: tuple[int, int]) -> dict[str, Fact | None]:
    before, after = _sizes(operator.inputs[:1], axes), _sizes(operator.outputs[:1], axes)
    if after is None:
        return {}
    given: dict[str, Fact | None] = {
        "height_out": after[0],
        "width_out": after[1],
        "square": after[0] == after[1],
    }
    if before is None:
        return given
    pairs = list(zip(after, before, strict=True))
    return {
        **given,
        "height_in": before[0],
        "width_in": before[1],
        "whole_ratio": all(new % old == 0 for new, old in pairs),
        "whole_division": all(old % new == 0 for new, old in pairs),
    }


def _sizes(specs: tuple[TensorSpec | None, ...], axes: tuple[int, int]) -> list[int] | None:
    """Return the sizes along two axes of a map of four; None where the file leaves one open."""
    shape = first_shape(specs)
    if shape is None or len(shape) != 4:
        return None
    known = [size for axis in axes if (size := shape[axis])]
    return known if len(known) == 2 else None


def _activation(settings: Mapping[str, Attribute]) -> str | None:
    number = settings.get("fused_activation_function")
    if not isinstance(number, int) or not 0 <= number < len(_ACTIVATIONS):
        return None
    return _ACTIVATIONS[number]


def _border(settings: Mapping[str, Attribute]) -> str | None:
    said = settings.get("padding", settings.get("auto_pad", settings.get("pad_type")))
    if isinstance(said, str) and said.upper() in _BORDERS:
        return _BORDERS[said.upper()]
    return "explicit" if "pads" in settings or said == "custom" else None


def _pair(settings: Mapping[str, Attribute], *keys: str) -> tuple[int | None, int | None]:
    """Return (height, width) of the first key that is there; a key of two words names two settings."""
    for key in keys:
        names = key.split()
        found = settings.get(key) if len(names) < 2 else tuple(settings.get(n) for n in names)
        if isinstance(found, tuple) and len(found) == 2:
            height, width = (v if isinstance(v, int) else None for v in found)
            if height is not None and width is not None:
                return height, width
    return None, None


def _single(value: Attribute | None) -> Fact | None:
    return None if isinstance(value, tuple) else value
