"""edge-deeplab: DeepLabV3+ from the training GPU to Core ML, TFLite and ONNX, with proof at every step."""

__version__ = "0.1.0"
