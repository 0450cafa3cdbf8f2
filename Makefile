# Two commands for a fresh machine (Python 3.10 or newer and make): `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 2
export NO_MKDOCS_2_WARNING := 1

.PHONY: demo run test coverage slow lint docs bench review review-test clean

demo: .venv/demo.stamp
	$(BIN)/prrt demo -o demo
	@echo
	@echo "The command is $(BIN)/prrt: try $(BIN)/prrt --help, or 'source $(BIN)/activate' once and then just prrt."
	@echo "Extras (figures, statistics, distributed, excel, pacs, transport) are installed when wanted: $(BIN)/pip install -e '.[excel]'; README.md says what each adds."

# Your own patient: make run SOURCE=folder-with-DICOM makes the case and asks what is open; make run CASE=case.json measures it.
SOURCE ?=
CASE ?= case.json
RESULTS ?= $(basename $(CASE))_results

run: .venv/demo.stamp
ifneq ($(SOURCE),)
	$(BIN)/prrt case "$(SOURCE)" -o "$(CASE)" --ask
else
	$(BIN)/prrt run "$(CASE)" -o "$(RESULTS)"
endif

# PYTEST_OPTIONS adds to it: CI counts the lines that are run (`make coverage` does the same by hand).
test: .venv/test.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" $(PYTEST_OPTIONS)

coverage: PYTEST_OPTIONS = --cov --cov-report=term:skip-covered
coverage: test

slow: .venv/test.stamp
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m slow --durations=40

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy PRRTUptake PRRTDosimetry

# The site of Docs and the docstrings, in build/site; a warning is an error.
docs: .venv/docs.stamp
	$(BIN)/mkdocs build --strict

# The browser review has an environment of its own, since trame-slicer pins slicer-core: a synthetic patient in a browser.
review: .venv-review/stamp
	[ -d demo/patient ] || .venv-review/bin/prrt demo -o demo
	.venv-review/bin/prrt review demo/patient/case.json

# Its tests in a real browser; Debian's chromium is used where it is installed, else they are skipped, aloud.
review-test: .venv-review/stamp
	.venv-review/bin/python -m pytest Testing/Python/review/test_browser.py -m slow -p no:xdist

# The table against the build of the targets, and what the comparisons with other programs found, in bench.json.
bench: .venv/bench.stamp
	@mkdir -p build
	$(BIN)/python -m pytest Testing/Benchmarks -p no:xdist -o python_files='bench_*.py' --import-mode=importlib \
		--ignore=Testing/Benchmarks/bench_against_old.py --benchmark-json=build/bench_peers.json; status=$$?; \
	$(BIN)/python Testing/Benchmarks/bench_against_old.py --peers build/bench_peers.json -o bench.json && exit $$status

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 10) else None'
	$(PYTHON) -m venv .venv

.venv/demo.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/test.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ .venv/demo.stamp

.venv/docs.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

# What others wrote and we are timed against; without it those benchmarks are skipped, aloud.
.venv/bench.stamp: .venv/test.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]' && touch $@ || \
		echo "The packages of the extra 'bench' could not be installed: what is compared with them is skipped."

.venv-review/stamp: pyproject.toml
	$(PYTHON) -m venv .venv-review
	.venv-review/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[review]' 'pytest>=8' 'playwright>=1.40'
	@touch $@

clean:
	rm -rf .venv .venv-review demo build
