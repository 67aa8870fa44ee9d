"""`cast-whole-pixels`: the same bits by way of int32, in the graph and in the ONNX file."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.quantized_adapters import reads_pixels
from edge_deeplab.converters.rewrites.cast_whole_pixels import cast_whole_pixels
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.converters.to_onnx import write_onnx
from edge_deeplab.formats.read import read_graph
from edge_deeplab.runtimes.open import open_artifact
from tests.converters.conftest import NORMALISATION, describe

ASKED = [AskedRewrite("cast-whole-pixels")]


def captured() -> CanonicalGraph:
    torch.manual_seed(0)
    return capture(nn.Conv2d(3, 2, 3, padding=1).eval(), NORMALISATION, (16, 16), "logits")


def test_cast_whole_pixels_is_bit_equal_in_graph_and_file(tmp_path: Path) -> None:
    plain = captured()
    cast = plain.rewritten(ASKED)
    picture = torch.arange(16 * 16 * 3).reshape(16, 16, 3).to(torch.uint8)
    assert torch.equal(cast.run(picture), plain.run(picture))
    results = []
    for name, graph in (("plain", plain), ("cast", cast)):
        write_onnx(graph, describe("onnx", "fp32", "logits"), tmp_path / f"{name}.onnx")
        with open_artifact(tmp_path / f"{name}.onnx") as runtime:
            results.append(runtime.logits(picture[None].numpy()))
    assert np.array_equal(*results)
    casts = [o for o in read_graph(tmp_path / "cast.onnx").operators if o.type == "Cast"]
    types = [(o.inputs[0].dtype if o.inputs[0] else None, o.outputs[0].dtype) for o in casts]
    assert types == [("uint8", "int32"), ("int32", "float32")]


def test_cast_whole_pixels_of_some_modules_changes_nothing() -> None:
    program = captured().program
    assert not reads_pixels(program)
    assert cast_whole_pixels(program, frozenset({"conv"})) is program
