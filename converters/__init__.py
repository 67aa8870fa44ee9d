"""Capture, rewrites and the lowerings: from a trained model to files of every target."""
