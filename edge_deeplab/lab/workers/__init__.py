"""What runs inside tools' own environments: `serve.py` with one script a tool. Nothing here is imported by the package.

A script is run by its environment's Python, isolated, and imports nothing of this package. It has a function a verb:

    version() -> {"version": str}
    compile(path, device, folder) -> {
        "refused": why the tool does not take the file, or left out,
        "left": {name of an operator's first output: why it does not run on the accelerator}; all others run there;
            null where the tool does not tell which,
        "partitions": number of parts that the accelerator takes in one piece, or left out,
        "cost": {"milliseconds", "cycles", "memory_bytes", "note"}, each may be left out, or left out whole,
        "machine": what answered, where it is more than a compiler, or left out,
        "notes": [sentences], or left out,
    }
    run(path, device, inputs, outputs, folder) -> {"machine": str}

`folder` is empty, the working directory, and removed afterwards. `inputs` is an .npy of input tensors, one a row; the
first output of each is written to `outputs`. What a function raises, or prints, is told as why the tool failed.
"""
