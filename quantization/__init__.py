"""Quantization-aware training, pruning and their sensitivity: a float checkpoint becomes a smaller one."""
