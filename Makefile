# make demo    make the environment, install, run the demo
# make test    make the environment, install, check style, types and import contracts, run all tests
# make simulate SEEDS=100000   run so many random simulations on all cores
# make check   style, types and import contracts only
# make format  format the code

BIN = .venv/bin

.PHONY: environment demo test simulate check format clean

environment:
	@sh ops/environment

demo: environment
	@$(BIN)/arf demo

test: check
	$(BIN)/python -m pytest -n 2 $(PYTEST)

simulate: environment
	@$(BIN)/python ops/simulate.py $(or $(SEEDS),1000) --first $(or $(FIRST),0)

check: environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy tests

format: environment
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist *.egg-info src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
