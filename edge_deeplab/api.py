"""What `import edge_deeplab` offers: typed requests in, typed results out; nothing is printed.

One function a verb: it takes the fields of a frozen request as keywords, validates them once, and raises the errors
of `errors.py`. Work that takes long tells a `Progress`. What is heavy is imported when a function is called.
"""

# -- load, models, doctor

# -- train, prune, quantize

# -- export

# -- check

# -- evaluate, parity, bench, open_artifact

# -- compress
