"""Capture, rewrites and the three lowerings: from a trained model to ONNX, TFLite and Core ML files."""
