"""DeepLabV3+ and its checkpoint file."""
