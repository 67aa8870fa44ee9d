"""The `edge-deeplab` command: one module a verb; heavy imports stay inside the commands."""
