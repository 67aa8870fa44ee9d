"""Runtimes of this machine as observers: what each takes of a file, for the checker to hold predictions against."""
