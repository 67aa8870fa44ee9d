"""Scores and their proof: mIoU of a runtime on a data set, and parity of artifacts with their reference.

Needs no torch; whatever implements the `Runtime` protocol can be scored.
"""
