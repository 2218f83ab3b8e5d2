# `make run` and `make test` do all the set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
export TF_CPP_MIN_LOG_LEVEL ?= 3
# Where the processor has no VNNI, TensorFlow leaves oneDNN off: slower, and without NCHW convolutions.
export TF_ENABLE_ONEDNN_OPTS ?= 1

.PHONY: run check mutants test test-long test-backends keras-versions lint benchmark docs notebooks notebooks-refresh requirements clean

run: $(READY)  ## The main job on the data that comes with the package.
	$(BIN)/python -m experiments.frozen_batchnorm $(FLAGS)

# Processes of one thread each do not compete for cores.
check test test-long: export TF_NUM_INTRAOP_THREADS = 1
check test test-long: export TF_NUM_INTEROP_THREADS = 1
# xdist waits forever for the rest of a file whose worker has died; without another worker it ends and says so.
PYTEST = $(BIN)/python -m pytest -q -n $(WORKERS) --dist=loadfile --max-worker-restart=0
# A test that hangs fails, and says where it stood.
QUICK = $(PYTEST) -m "not long" --timeout=600
UNIT_TESTS = tests/test_layering.py tests/utils tests/graph tests/layers tests/statistics tests/auditing
check: $(READY)  ## Lint, types, and the library's unit tests; a minute on two cores.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy & types=$$!; \
	    $(PYTEST) -m "not slow and not long" --timeout=60 $(UNIT_TESTS); tests=$$?; \
	    wait $$types && exit $$tests

test: $(READY)  ## Every quick test; seven to eight minutes on two cores.
	$(QUICK)

test-long: $(READY)  ## The quick tests and those that take minutes each.
	$(PYTEST)

# One at a time, each in a fork of a process that has TensorFlow: hours in all, so MODULES="tfbn/layers" LIMIT=40.
mutants: $(READY)  ## Small faults put into the core one at a time; the tests have to see 95 % of them.
	nice -n 15 $(BIN)/python -m tests.mutation $(if $(LIMIT),--limit=$(LIMIT)) $(MODULES)

BACKENDS := .venv-backends
test-backends: requirements.txt setup.cfg  ## The contract on JAX and PyTorch.
	test -x $(BACKENDS)/bin/python || $(PYTHON) -m venv $(BACKENDS)
	$(BACKENDS)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .[backends]
	# Its LLVM ends a process in which TensorFlow's is; PyTorch needs it on a GPU only.
	$(BACKENDS)/bin/python -m pip uninstall --quiet --yes triton
	for backend in jax torch; do KERAS_BACKEND=$$backend $(BACKENDS)/bin/python -m pytest -q tests/backends || exit 1; done

keras-versions: $(READY)  ## The contract on other versions of Keras, each in a folder of its own.
	$(BIN)/python -m tests.keras_versions $(VERSIONS)

lint: $(READY)  ## Style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(READY)  ## Speed against stock Keras, interleaved in one process.
	$(BIN)/python -m benchmarks

# Installs an extra of setup.cfg if its modules are not there.
extra = $(BIN)/python -c "$(foreach module,$(2),import $(module);)" 2> /dev/null \
    || $(BIN)/python -m pip install --quiet --disable-pip-version-check -e .[$(1)]

docs: $(READY)  ## The docs as HTML in build/docs.
	$(call extra,docs,furo myst_parser sphinx)
	$(BIN)/python -m sphinx -W --keep-going --quiet --builder html docs build/docs

# With the wheel in a virtual environment of its own; the pinned packages are lent to it.
notebooks: $(READY)  ## Every notebook from a clean kernel, with the pinned and the oldest supported Keras.
	$(call extra,notebooks,ipykernel nbclient)
	$(BIN)/python -m tests.notebooks --wheel

notebooks-refresh: $(READY)  ## Runs every notebook, or those that NAMES says, and stores the outputs.
	$(call extra,notebooks,ipykernel nbclient)
	$(BIN)/python -m tests.notebooks --write $(NAMES)

requirements:  ## Pins the ranges of setup.cfg again, for every supported Python.
	$(PYTHON) -m uv pip compile --universal --python-version 3.10 --no-emit-index-url --no-header \
	    --no-annotate --extra dev --extra experiments setup.cfg -o requirements.txt

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache

# The pins first, then this checkout; `.ready` is newer than both files once they are in.
$(READY): requirements.txt setup.cfg
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps -e .
	touch $@
