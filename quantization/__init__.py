"""Quantization-aware training, pruning and distillation. Nothing lives here yet; exports are fp32 and fp16."""
