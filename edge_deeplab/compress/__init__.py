"""From a float checkpoint to measured int8 files in one command, as steps that are never done twice."""
