"""Labelled images: data set folders, the rendered street scenes, and the transforms both share. Needs no torch."""
