# Two commands suffice: `make run` and `make test`. The first use installs everything into .venv.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] < (3,14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
# faiss-gpu where a CUDA device answers, faiss-cpu elsewhere: both at once break each other.
EXTRA := $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
EXPERIMENTS ?= 8
HOME_DIR ?= .move37
export OMP_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where this is set, each of a lab's eight processes compiles all modules again whenever it starts.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test install lint static docs fix lock sbom gpu aot-kernels bench-lab bench-memory bench-trainer bench-kernels bench-fidelity bench-adas campaign-report chaos clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install  ## a campaign of EXPERIMENTS=8 in HOME_DIR=.move37, and its report
	$(BIN)/move37 run --home $(HOME_DIR) --experiments $(EXPERIMENTS)

test: install  ## two workers; each runs whole files, in order, so that the tests of a file share its lab and slow ones come last
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --durations 25 --durations-min 8

install: $(VENV)/.installed  ## everything into .venv

$(VENV)/.installed: pyproject.toml setup.py $(wildcard lock/*) $(wildcard kernels/recurrence/native/source/*)
	@test -n "$(PYTHON)" || { echo "move37 needs Python 3.11, 3.12 or 3.13"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	lock/install $(BIN)/python $(EXTRA) dev
	@touch $@

lint: static  ## format, rules, types, imports between rooms, words, generated tables
	$(BIN)/pytest -q tests/test_source_rules.py tests/test_generated.py  # words, names, lengths; tables derived from code

static: install  ## the part of lint that `make test` does not run
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

docs: install  ## the documentation as pages in build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

fix: install  ## mend what a tool can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(BIN)/uv  ## versions and hashes of all packages, after a dependency changed; UPGRADE=--upgrade takes the newest
	$(BIN)/python -m lab.operations.lock $(UPGRADE)

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --require-hashes --no-deps -r lock/dev.txt

sbom: install  ## every installed package with version, licence and dependencies, as CycloneDX
	$(BIN)/python -m lab.operations.sbom > sbom.json

gpu: install  ## on a CUDA machine: the kernels' conformance, runs in the jail, timings, and one run of the rung `small`
	$(BIN)/pytest tests/kernels
	$(BIN)/pytest tests/trainer/test_on_a_gpu.py
	$(BIN)/python -m benchmarks.kernels --device cuda
	$(BIN)/python -m benchmarks.trainer --scale small gated-deltanet

aot-kernels: install  ## compile the Triton kernels for a GPU without one
	$(BIN)/python -m benchmarks.aot_kernels

bench-lab: install  ## a whole lab: seconds an experiment, events, scaling
	$(BIN)/python -m benchmarks.lab
	$(BIN)/python -m benchmarks.lab --experiments 0 --instant 900 --slots 64 --holding 100000 1000
	$(BIN)/python -m benchmarks.scaling

bench-memory: install  ## memory: rebuild, queries, growth, novelty
	$(BIN)/python -m benchmarks.memory rebuild
	$(BIN)/python -m benchmarks.memory queries
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.novelty

bench-trainer: install  ## runs and the jail
	$(BIN)/python -m benchmarks.trainer
	$(BIN)/python -m benchmarks.jail

bench-kernels: install  ## the kernels on this machine
	$(BIN)/python -m benchmarks.kernels

bench-fidelity: install  ## hours: every design at two rungs with three seeds; it takes up where it stopped
	$(BIN)/python -m benchmarks.fidelity run fidelity.jsonl

campaign-report: install  ## docs/campaigns/*.md, docs/discoveries and the shipped prior from the logs in docs/campaigns
	$(BIN)/python -m lab.operations.campaign_report
	$(BIN)/python -m lab.operations.shipped_prior

bench-adas: install  ## programs that search, evolved: canaries, null control, planted program, gain over seeds and arms
	$(BIN)/python -m benchmarks.adas

chaos: install  ## an hour of kill -9; docs/reliability.md has the results
	$(BIN)/python -m tests.chaos.soak --kills 1000 --experiments 500
	$(BIN)/python -m tests.support.burst --events 100000
	$(BIN)/python -m tests.support.interrupted_campaigns 200
	CLIMBS=1000 $(BIN)/pytest tests/chaos/test_climbs.py

clean:  ## remove .venv and .move37
	rm -rf $(VENV) .move37
