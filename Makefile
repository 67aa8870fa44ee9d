# The targets that a person and CI call. A fresh machine needs Python 3.11 and make, nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?=
# Vendors' tools that are small, free and ask for no yes.
LAB_TOOLS := vela openvino ort-webgpu

.PHONY: export test slow lab kotlin lint types check clean

export: $(VENV)/.installed  ## install, export the shipped checkpoint to all three targets, check, measure parity
	$(BIN)/edge-deeplab export --target all --output exports
	$(BIN)/edge-deeplab check exports/*.onnx exports/*.tflite exports/*.mlpackage
	$(BIN)/edge-deeplab parity --reference camvid-efficientnet-lite0 $(if $(DATA),--data $(DATA))

test: $(VENV)/.crf  ## every test but those of make slow
	$(BIN)/python -m pytest

slow: $(VENV)/.crf  ## the tests that take long or install packages; no submission waits for them
	$(BIN)/python -m pytest -m slow

lab: $(VENV)/.installed  ## vendors' tools where they can be had, and the tests that use them; test runs these too, without getting any
	.ci/lab-tools $(BIN)/edge-deeplab $(LAB_TOOLS)
	$(BIN)/python -m pytest tests/lab

kotlin:  ## the compiler that tests of the Android demo's core use, where it can be had
	.ci/kotlin-compiler $(VENV)/kotlin

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed  ## mypy on the built package: its folders only come together there
	rm -rf build
	$(BIN)/pip install --quiet --no-deps --upgrade --target build/types .
	MYPYPATH=build/types $(BIN)/mypy --python-executable $(BIN)/python -p edge_deeplab
	rm -rf build

check: lint types test

# torch comes first and alone: where an index offers a CPU-only build of the pinned version, it is kept.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Dense CRF is built from its source; where there is no compiler, its tests are skipped.
$(VENV)/.crf: $(VENV)/.installed
	if command -v c++ > /dev/null; then $(BIN)/pip install --quiet --constraint constraints.txt --editable '.[crf]' && touch $@; fi

clean:
	rm -rf $(VENV) build exports *.egg-info
