# The few commands of this repository; each installs what it needs into .venv by itself.

PYTHON ?= python3
BIN := .venv/bin
# Many tests wait rather than work.
TESTS := $(BIN)/python -m pytest -n 4 --dist worksteal
RELEASE ?= bookworm
# Each process that a test starts would compile the program anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run serve test fast check prove bare-debian bench format lock pictures screenshots clean

run: .venv/ready  ## the main job on sample_data/ against the bundled sandbox, at 60 times real time
	$(BIN)/bulkremove --home .venv demo

serve: .venv/ready  ## the page on sample_data/'s world, in the bundled sandbox
	$(BIN)/bulkremove --home .venv serve --demo

test: .venv/ready  ## all tests
	$(TESTS)

fast: .venv/ready  ## the tests that start no program, no server and no browser; they wait for nothing
	$(TESTS) -n auto -m "not slow"

check: .venv/ready  ## format, lint, types, layers, dependencies, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry bulkremove
	$(TESTS)

prove: .venv/ready  ## the proofs of docs/reliability.md in full: about an hour on two processors; the table is kept as build/prove.md
	$(TESTS) tests/proofs --deep --timeout 7200 -vv

bare-debian:  ## `make run` and `make test` on a bare Debian, made and removed again; as root: make bare-debian RELEASE=trixie
	tests/bare_debian.sh $(RELEASE)

bench: .venv/ready  ## the measures of docs/benchmarks.md, as a table and as build/bench.json
	$(BIN)/python -m benchmarks

format: .venv/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## renew the hashed lock files (needs uv)
	uv pip compile -q --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --upgrade \
		pyproject.toml --all-extras --group dev -o requirements-dev.txt
	uv pip compile -q --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --upgrade \
		pyproject.toml --all-extras -o requirements.txt
	echo hatchling | uv pip compile -q --universal --generate-hashes --no-annotate --no-header --no-emit-index-url \
		--constraint requirements-dev.txt - -o deploy/requirements-build.txt

pictures: .venv/ready  ## the pictures in docs/ (needs tmux and Chromium)
	$(BIN)/python docs/make_picture.py
	$(BIN)/python docs/make_screenshots.py

screenshots: .venv/ready  ## every page, wide and on a phone, in build/screenshots (needs Chromium)
	$(BIN)/python docs/make_screenshots.py build/screenshots

clean:
	rm -rf .venv build dist

.venv/ready: pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@
