# make demo    make the environment, install, run the demo
# make test    make the environment, install, check style, types and import contracts, run all tests
# make simulate SEEDS=100000   run so many random simulations on all cores
# make check   style, types and import contracts only
# make chaos   kill workers and servers for SECONDS=60 under SEED=1, on CLUSTER=1 or 3 servers, and see what holds
# make failover  how long a conversation waits when its worker is killed or leaves
# make sweep   kill a worker at every commit of a turn in turn
# make long     how long the commands take on a conversation of TURNS=1000
# make audit    how long it takes to verify FRAMES=100000 in conversations of LENGTH=1, and to seal these
# make tables   how long EVENTS=100000 take to be exported as tables, and asked in SQL
# make bench    each figure of speed beside the floor of this machine, in about a minute; FULL=1 in full size; BENCH=one: a row
# make format  format the code

BIN = .venv/bin

.PHONY: environment demo test simulate check chaos failover sweep long audit tables bench format clean

environment:
	@sh ops/environment

demo: environment
	@$(BIN)/arf demo

test: check
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST)

simulate: environment
	@$(BIN)/python ops/simulate.py $(or $(SEEDS),1000) --first $(or $(FIRST),0)

check: environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy tests
	$(BIN)/mypy ops

SECONDS = 60
SEED = 1
CLUSTER = 1

chaos: environment
	@$(BIN)/python -m ops.chaos run --seconds $(SECONDS) --seed $(SEED) --cluster $(CLUSTER) $(CHAOS)

failover: environment
	@$(BIN)/python -m ops.chaos failover $(CHAOS)

sweep: environment
	@$(BIN)/python -m ops.chaos sweep $(CHAOS)

TURNS = 1000

long: environment
	@$(BIN)/python ops/long_conversation.py $(TURNS)

FRAMES = 100000
LENGTH = 1

audit: environment
	@$(BIN)/python ops/auditing.py $(FRAMES) --length $(LENGTH)
EVENTS = 100000

tables: environment
	@$(BIN)/python -m ops.analytics $(EVENTS)

bench: environment
	@$(BIN)/python -m ops.bench $(if $(FULL),--full) $(BENCH)

format: environment
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist *.egg-info src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
