"""The way to a Mac and back: a script that asks Core ML where operators run, and its answer."""
