# `make run` and `make test` do all the set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: run test test-long test-backends keras-versions lint benchmark requirements clean

run: $(READY)  ## The main job on the data that comes with the package.
	$(BIN)/python -m experiments.frozen_batchnorm $(FLAGS)

test: $(READY)  ## Every quick test; under ten minutes on two cores.
	$(BIN)/python -m pytest -q -n $(WORKERS) -m "not long"

test-long: $(READY)  ## The quick tests and those that take minutes each.
	$(BIN)/python -m pytest -q -n $(WORKERS)

BACKENDS := .venv-backends
test-backends: requirements.txt setup.cfg  ## The contract on JAX and PyTorch.
	test -x $(BACKENDS)/bin/python || $(PYTHON) -m venv $(BACKENDS)
	$(BACKENDS)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .[backends]
	for backend in jax torch; do KERAS_BACKEND=$$backend $(BACKENDS)/bin/python -m pytest -q tests/backends || exit 1; done

keras-versions: $(READY)  ## The contract on other versions of Keras, each in a folder of its own.
	$(BIN)/python -m tests.keras_versions $(VERSIONS)

lint: $(READY)  ## Style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(READY)  ## Speed against stock Keras, interleaved in one process.
	$(BIN)/python -m benchmarks

requirements:  ## Pins the ranges of setup.cfg anew, for every supported Python.
	$(PYTHON) -m uv pip compile --universal --python-version 3.10 --no-emit-index-url --no-header \
	    --no-annotate --extra dev setup.cfg -o requirements.txt

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache

# The pins first, then this checkout; `.ready` is newer than both files once they are in.
$(READY): requirements.txt setup.cfg
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps -e .
	touch $@
