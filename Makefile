# Groundswell. `make demo` shows it, `make test` proves it; both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
# Hundreds of processes read what one of them has compiled, whatever the surroundings say.
export PYTHONDONTWRITEBYTECODE :=

# How many run side by side: unit tests, and those with real servers, which mostly wait.
WORKERS ?= auto
SERVERS ?= 3
# Whole files to each, in the order of tests/conftest.py: what takes long comes first.
FILES := --dist loadfile --no-loadscope-reorder

.PHONY: help setup demo test check kernels unit served integration acceptance servers lock vendor bench bench-decode bench-quality bench-national bench-embedded bench-store bench-serve bench-serve-push bench-serve-sta bench-page bench-gather bench-accounts bench-relay bench-caster chaos soak drive clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

setup: $(VENV)/.ready  ## the environment alone: .venv with the console script groundswell

# One environment serves running and testing. The lock files pin every package by hash.
$(VENV)/.ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Groundswell needs Python 3.11 or newer; set PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: setup      ## 20 simulated stations and 12 sensors, a live page on http://127.0.0.1:8080
	$(BIN)/groundswell demo $(ARGS)

pictures: $(VENV)/.ready-dev  ## make the pictures of the README anew
	@[ -n "$$(fc-list :lang=zh)" ] || { echo "pictures: no font has Chinese letters: install one (Debian: fonts-wqy-microhei)"; exit 1; }
	GROUNDSWELL_PICTURES=docs $(BIN)/python -m pytest -q -n0 tests/integration/test_page.py -k pictures

servers:         ## Debian's packages that the integration tests use
	@deploy/dev/install-servers

.PHONY: dev-start dev-stop dev-status dev-wipe
dev-start:       ## install and start Kafka, PostgreSQL and Mosquitto for development
	@deploy/dev/servers install && deploy/dev/servers start

dev-stop:        ## stop them
	@deploy/dev/servers stop

dev-status:      ## say which of them run, and where
	@deploy/dev/servers status || true

dev-wipe:        ## stop them and remove what they have kept
	@deploy/dev/servers wipe

check: $(VENV)/.ready-dev  ## ruff, mypy --strict, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

kernels: $(VENV)/.ready  ## compile what the tests would else compile several times
	@$(BIN)/python -m tests.kernels

.PHONY: collected
collected: $(VENV)/.ready-dev  # asserts are rewritten once, not by each of those that run side by side
	@found=$$($(BIN)/pytest --collect-only -n0) || { echo "$$found"; exit 1; }

# Behind those with servers in the queue for a processor: they wait for real time to pass, these for nothing.
unit: $(VENV)/.ready-dev
	nice -n 5 $(BIN)/pytest -n $(WORKERS) $(FILES) -m "not integration and not acceptance"

served: $(VENV)/.ready-dev servers
	$(BIN)/pytest -n $(SERVERS) $(FILES) -m "(integration or acceptance) and not alone"

# Those that keep pace with real time: beside unit tests, which give way, and nothing else.
.PHONY: paced
paced: served
	$(BIN)/pytest -m alone tests/acceptance

integration: $(VENV)/.ready-dev servers
	$(BIN)/pytest -n $(SERVERS) $(FILES) -m integration

acceptance: $(VENV)/.ready-dev servers
	$(BIN)/pytest -m acceptance tests/acceptance

# Each half tells what it has to tell when it is through.
test:            ## everything: checks, unit tests, real servers, acceptance
	@$(MAKE) --no-print-directory -j4 --output-sync=target check kernels servers collected
	@$(MAKE) --no-print-directory -j2 --output-sync=target unit paced

bench: bench-decode bench-assembly bench-quality bench-relay  ## all benchmarks, each with its peer beside it

bench-decode: $(VENV)/.ready-dev servers
	@$(BIN)/python -m tests.benchmarks.bench_decode

bench-assembly: $(VENV)/.ready-dev servers
	@$(BIN)/python -m tests.benchmarks.bench_assembly

bench-quality: $(VENV)/.ready-dev servers
	@$(BIN)/python -m tests.benchmarks.bench_quality

bench-national: $(VENV)/.ready-dev servers  ## a country through Kafka, two workers and PostgreSQL, all here
	@$(BIN)/python -m tests.benchmarks.bench_national $(ARGS)

bench-embedded: $(VENV)/.ready-dev servers  ## 8,000 stations and 20,000 samples a second in one process
	@$(BIN)/python -m tests.benchmarks.bench_embedded $(ARGS)

bench-store: $(VENV)/.ready-dev servers  ## the PostgreSQL store, with a bare COPY beside it
	@$(BIN)/python -m tests.benchmarks.bench_store $(ARGS)

bench-serve-sta: $(VENV)/.ready-dev servers  ## SensorThings over PostgreSQL: the newest of each, pages, counts
	@$(BIN)/python -m tests.benchmarks.bench_serve_sta $(ARGS)

bench-serve-push: $(VENV)/.ready-dev servers  ## a thousand viewers of channels, with Starlette alone beside them
	@$(BIN)/python -m tests.benchmarks.bench_serve_push $(ARGS)

bench-serve: $(VENV)/.ready-dev servers  ## windows, exports and live viewers over PostgreSQL, by HTTP
	@$(BIN)/python -m tests.benchmarks.bench_serve $(ARGS)

bench-page: $(VENV)/.ready-dev servers  ## a browser opens the live page of 4,000 stations, a plain map beside it
	@$(BIN)/python -m tests.benchmarks.bench_page $(ARGS)

bench-gather: $(VENV)/.ready-dev servers  ## 4,000 streams pulled by one process, each epoch in eight writes
	@$(BIN)/python -m tests.benchmarks.bench_gather $(ARGS)

bench-accounts: $(VENV)/.ready-dev  ## passwords: rovers that come back, and a flood of wrong ones
	@$(BIN)/python -m tests.benchmarks.bench_accounts $(ARGS)

bench-relay: $(VENV)/.ready-dev  ## from a gatherer to a caster, with a plain copy beside it
	@$(BIN)/python -m tests.benchmarks.bench_relay $(ARGS)

bench-caster: $(VENV)/.ready-dev  ## 5,000 rovers on one core, hostile peers, 10,000 on two processes
	@$(BIN)/python -m tests.benchmarks.bench_caster $(ARGS)

bench-roaming: $(VENV)/.ready-dev  ## leading 10,000 rovers among 4,000 stations, with a plain search beside it
	@$(BIN)/python -m tests.benchmarks.bench_roaming

bench-sessions: $(VENV)/.ready-dev  ## the live list of 10,000 rovers, with telling all of them beside it
	@$(BIN)/python -m tests.benchmarks.bench_sessions

bench-slopes: $(VENV)/.ready-dev  ## detectors of slopes: false findings, delays, and the speed of their kernels
	@$(BIN)/python -m tests.benchmarks.bench_slopes

bench-sensors: $(VENV)/.ready-dev servers  ## quality tests of samples, with ioos_qc beside them; with detectors; over MQTT
	@$(BIN)/python -m tests.benchmarks.bench_sensors $(ARGS)

bench-sea: $(VENV)/.ready-dev  ## detectors of the sea: false alarms of simulated gauge-years, and delays
	@$(BIN)/python -m tests.benchmarks.bench_sea $(ARGS)

bench-alert-latency: $(VENV)/.ready-dev servers  ## from a sample to the webhook, both modes, with a bare way beside them
	@$(BIN)/python -m tests.benchmarks.bench_alert_latency $(ARGS)

bench-alert-storm: $(VENV)/.ready-dev servers  ## a thousand steps beside 4,000 open alerts, with a bare producer beside it
	@$(BIN)/python -m tests.benchmarks.bench_alert_storm $(ARGS)

bench-tell-storm: $(VENV)/.ready-dev servers  ## 4,000 steps of alerts to three webhooks, with bare posts beside it
	@$(BIN)/python -m tests.benchmarks.bench_tell_storm $(ARGS)

bench-snapshots: $(VENV)/.ready-dev servers  ## the state of 4,000 stations: its size, written and restored
	@$(BIN)/python -m tests.benchmarks.bench_snapshots $(ARGS)

.PHONY: bench-alert-storm bench-tell-storm bench-snapshots regions bench-roaming bench-sessions bench-sea bench-slopes bench-sensors bench-alert-latency
regions: $(VENV)/.ready-dev servers  ## a centre and three regions here, one of them cut off for 10 minutes
	@$(BIN)/python -m tests.benchmarks.bench_regions $(ARGS)

chaos: $(VENV)/.ready-dev servers  ## kills, pauses, cuts and full disks: every stored row against a ledger (as root)
	@$(BIN)/python -m tests.chaos $(ARGS)

soak: $(VENV)/.ready-dev servers  ## the same load for half an hour without faults: memory, files and lag
	@$(BIN)/python -m tests.soak $(ARGS)

drive: $(VENV)/.ready-dev servers  ## RTKLIB's rtkrcv on BEST: 200 km past eight stations, one of which turns bad
	@$(BIN)/python -m tests.drive $(ARGS)

lock: $(VENV)/.ready-dev  ## resolve the pinned dependencies anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev -o requirements-dev.lock

vendor:          ## fetch the page's libraries again (needs npm)
	@dashboards/web/vendor/update

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
