"""The camera demo: runs any exported artifact on a camera, video or folder with no torch installed."""
