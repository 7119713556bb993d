# Everything runs from .venv, through relative paths only, so the folder may have any name. Another Python: make PYTHON=python3.13 study

PYTHON ?= python3
ARGS ?=
KILLS ?= 1000

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

# Python keeps what it compiled, in any shell: otherwise each process of a study compiles all of m2pt again.
unexport PYTHONDONTWRITEBYTECODE

PY := .venv/bin/python
STAMP := .venv/.installed
LOCK ?= requirements.lock

.PHONY: help setup study test test-hard test-browser pictures full-size bench gpu paper-rehearsal test-patient test-faults week fuzz fuzz-coverage lint schema notebooks docs format ui lock hashes bom audit wheel clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

setup: $(STAMP) ## install everything into .venv; needs only Python, git and make

study: setup ## reproduce the study of params.yaml; ends with the path of the report
	@$(PY) -m pipelines study $(ARGS)

test: setup ## run the tests in two processes, e.g. make test ARGS='-n 0 -k pathway' in this one
	@$(PY) -m pytest -n 2 --dist loadfile $(ARGS)

test-hard: setup ## run the tests five times in random orders on a busy machine, without a home folder, with a read-only /proc
	@$(PY) benchmarks/hard_tests.py $(ARGS)

test-browser: setup ## test the report's pages in a browser, also by the rules of axe-core, which npm gets from its registry
	@mkdir -p build/axe && cd build/axe && npm pack --silent axe-core@4.14.1 > /dev/null && tar xzf axe-core-4.14.1.tgz package/axe.min.js
	@AXE_CORE="$$PWD/build/axe/package/axe.min.js" $(PY) -m pytest tests/pipelines/reporting/test_in_browser.py $(ARGS)

pictures: setup ## take the pictures in docs/, in a browser and a terminal, after `make study`; some: ARGS='report terminal'
	@$(PY) -m tests.pictures $(ARGS)

full-size: setup ## take one step of every published recipe at ViT-B size on the CPU, in about ten minutes
	@$(PY) benchmarks/full_size_step.py $(ARGS)

bench: setup ## what the pathway, the trainer, readers and commands cost on this CPU, in ten minutes: build/cpu/cpu.md; some: ARGS='--only trainer'
	@$(PY) -m benchmarks.cpu $(ARGS)

gpu: setup ## is the pathway right on this GPU, and what does it cost? 5 minutes; without a GPU: ARGS='--device cpu --tiny'
	@$(PY) -m benchmarks.gpu $(ARGS)

paper-rehearsal: setup ## run a small version of studies/paper.yaml: every part, on generated files and weights, in about ten minutes
	@$(PY) -m pytest -m rehearsal tests/pipelines/test_paper_rehearsal.py $(ARGS)

test-patient: setup ## run the tests that take minutes, of interrupts, servers and changed study files
	@$(PY) -m pytest -m patient $(ARGS)

test-faults: setup ## crash every process of a study at every boundary and at random, and print what was lost; fewer kills: KILLS=50
	@$(PY) -m tests.faults --kills $(KILLS) $(ARGS)

week: setup ## simulate a week: 10,000 runs of a millisecond with failures and kills on each engine; shorter: ARGS='--runs 1000 --engine local'
	@$(PY) -m tests.faults.week $(ARGS)

fuzz: setup ## read 50,000 damaged files of every kind under limits of time and memory, in about ten minutes; fewer: ARGS='--inputs 5000'
	@$(PY) -m tests.fuzz $(ARGS)

fuzz-coverage: setup ## the same, led by the branches that are taken, with atheris, which is installed for it
	@$(PY) -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	@$(PY) -m tests.fuzz --coverage $(ARGS)

lint: setup ## check style, types, import rules and the documentation
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -c 'from importlinter.cli import lint_imports_command as lint; lint()' --no-logo --no-cache
	@$(PY) -m mypy
	@$(MAKE) --no-print-directory docs

schema: setup ## write the JSON schema of study files anew, after a change of their keys
	@$(PY) -m m2pt.config.schema

notebooks: setup ## execute the notebooks of the documentation anew, with the study of params.yaml as `make study` left it
	@PYTHONWARNINGS=ignore:IProgress $(PY) -m tests.pictures.notebooks

docs: setup ## build the documentation: build/docs/index.html
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

format: setup ## format the code and fix what can be fixed automatically
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

ui: setup ## show the runs in a browser, on this machine only
	@$(PY) -m pipelines ui $(ARGS)

# What only some builds of torch need is pinned by torch itself; nvidia-ml-py is not part of that.
lock: setup ## write requirements.lock from what is installed in .venv, and requirements.hashes
	@{ sed '/^#/!d' requirements.lock; $(PY) -m pip freeze --all --exclude-editable | sed 's/+[a-z0-9.]*$$//' \
	  | grep -viE '^(m2pt|pip|wheel|triton|nvidia-[^m][a-z0-9-]+|cuda-[a-z0-9-]+)(==| @)'; } > requirements.lock.new
	@mv requirements.lock.new requirements.lock
	@$(MAKE) --no-print-directory hashes

TOOLS := build/tools/bin/python
$(TOOLS):
	@"$(PYTHON)" -m venv build/tools
	@$(TOOLS) -m pip install --quiet --disable-pip-version-check uv==0.13.9 cyclonedx-bom==7.5.0 pip-audit==2.10.1

hashes: $(TOOLS) ## write requirements.hashes: the versions of requirements.lock, and what they need on any system, with their hashes
	@$(TOOLS) -m uv pip compile --quiet --universal --python-version 3.11.5 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url requirements.lock -o requirements.hashes

bom: setup $(TOOLS) ## write the bill of materials of .venv as CycloneDX: build/bom.json
	@$(TOOLS) -m cyclonedx_py environment $(PY) -o build/bom.json

audit: $(TOOLS) ## look for known vulnerabilities of the versions in requirements.hashes; asks a public database
	@$(TOOLS) -m pip_audit --requirement requirements.hashes --require-hashes --disable-pip

wheel: setup ## build the wheel, with the same bytes wherever this commit is built: build/wheel
	@rm -rf build/wheel build/lib
	@SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct)" $(PY) -m pip wheel --quiet --no-deps --no-build-isolation -w build/wheel .
	@rm -rf build/lib build/bdist.*

clean: ## remove caches; runs, encoders and data stay
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis dvc_plots
	@find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# The package is linked by a relative path, and its command finds Python in its own folder: installers write the folder's name into
# files, and trip over some names ($, {}, quotes).
$(STAMP): $(LOCK) pyproject.toml
	@case "$$PWD" in *:*) echo "m2pt cannot be installed below a folder with ':' in its name, which PATH takes for two." >&2; exit 1;; esac
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "m2pt needs Python 3.11 or newer as '$(PYTHON)'; name another with: make PYTHON=python3.13 setup" >&2; exit 1; }
	@$(PY) -c 'import pip' 2>/dev/null || { echo "Making .venv"; "$(PYTHON)" -m venv --clear .venv; } \
	  || { echo "m2pt needs Python's venv module (Debian and Ubuntu: the package python3-venv)" >&2; exit 1; }
	@$(PY) -m pipelines.execution.install $(LOCK) .venv/install.log
	@echo ../../../.. > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib", vars={"base": ".venv"}))')/m2pt.pth"
	@printf '#!/bin/sh\nexec "$$(dirname -- "$$0")/python" -m pipelines "$$@"\n' > .venv/bin/m2pt
	@chmod +x .venv/bin/m2pt
	@rm -f $@; touch $@ # a new file, so that a copy of .venv made of hard links keeps its own stamp
