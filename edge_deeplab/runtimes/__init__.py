"""Runtimes: one protocol over torch, ONNX Runtime, LiteRT, Core ML and the MIL reference evaluator."""

from edge_deeplab.runtimes.base import Runtime
from edge_deeplab.runtimes.open import open_artifact

__all__ = ["Runtime", "open_artifact"]
