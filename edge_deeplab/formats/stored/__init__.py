"""The numbers of a quantized file, read as it holds them: scales, zero points, axes, weight integers and biases."""
