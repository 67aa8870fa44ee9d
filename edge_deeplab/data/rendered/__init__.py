"""Rendered street scenes: labelled pictures with CamVid's eleven classes, drawn from a seed, nothing downloaded."""

from edge_deeplab.data.rendered.labels import CLASSES, IGNORE_INDEX, PALETTE, SceneClass
from edge_deeplab.data.rendered.scene import render_scene

__all__ = ["CLASSES", "IGNORE_INDEX", "PALETTE", "SceneClass", "render_scene"]
