# make demo    the spoken-digit recogniser: model, accuracy, simulation, two bitstreams, one page
# make demo BLOCK_SIZE=8    the same of a block-circulant network, beside a dense one; 8 or 16
# make test    every test but those that take minutes each
# make test-all   every test
# make check   the fast tests
# make lint    style of all Python files
# make bench   all figures on one page, and as build/bench.json; place and route takes a while
# make clean   remove what the above wrote, but not the environment
# make distclean   remove that too
#
# Each sets itself up in $(VENV) first. Other choices: make PYTHON=python3.12 VENV=/tmp/venv test

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2

PIP    := $(VENV)/bin/python -m pip install -qq --disable-pip-version-check
# Verilator needs a C++ compiler; Zig's comes through pip where there is no g++.
CXX_PACKAGE := $(if $(shell command -v g++ 2>/dev/null),,ziglang)
YOWASP := yosys nextpnr-ecp5 nextpnr-ice40 nextpnr-himbaechel-gowin ecppack icepack

.PHONY: demo test test-all check lint bench clean distclean
.DELETE_ON_ERROR:

demo: $(VENV)/demo.stamp
	$(VENV)/bin/python examples/spoken_digits/demo.py $(if $(BLOCK_SIZE),--block-size "$(BLOCK_SIZE)")

test: $(VENV)/test.stamp
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(JOBS) --dist loadscope -m "not long"

test-all: $(VENV)/test.stamp
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(JOBS) --dist loadscope

check: $(VENV)/test.stamp
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(JOBS) --dist loadscope -m "not slow and not long"

lint: $(VENV)/test.stamp
	$(VENV)/bin/ruff check .

bench: $(VENV)/test.stamp
	$(VENV)/bin/python -m benchmarks

$(VENV)/base.stamp: pyproject.toml sim/machine.py
	@$(PYTHON) sim/machine.py
	@echo "Making the environment $(VENV); the packages take about 1 GB and some minutes."
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e . $(CXX_PACKAGE)
	@echo "Preparing the place-and-route tools for their first run, about a minute."
	@for tool in $(YOWASP); do $(VENV)/bin/yowasp-$$tool --version >/dev/null 2>&1 || true; done
	@touch $@

$(VENV)/demo.stamp: $(VENV)/base.stamp
	$(PIP) -e '.[onnx]'
	@touch $@

$(VENV)/test.stamp: $(VENV)/base.stamp
	$(PIP) -e '.[onnx,torch,dev]'
	@touch $@

clean:
	rm -rf build out sim_build .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
