"""The operator report: what an exported file holds, read from the file itself, and what each target makes of it.

Three readers (`read_tflite`, `read_onnx`, `read_mil`) give one format-neutral record (`graph`); rules kept as TOML
(`rules/`) judge its operators; what XNNPACK takes is measured (`xnnpack`). Nothing here needs torch.
"""
