# A newcomer needs `make study` and `make test`. Both set up LibTorch first if it is missing or damaged.

CARGO ?= cargo
PYTHON ?= python3
# LibTorch's threads must not spin while they wait: on shared cores that costs a factor of several.
export OMP_WAIT_POLICY ?= PASSIVE
AUGTRIAL = $(CARGO) run --quiet --bin augtrial --

.DEFAULT_GOAL := help
.PHONY: help study test test-long test-soak fuzz lint doc build bench bench-training libtorch export-env model test-export test-external test-mlflow test-parquet test-tensorboard test-browser test-slurm test-hyperqueue test-scale test-data wheel tarball test-wheel test-tarball

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

study: build ## run experiments/quickstart.toml and write its report
	$(AUGTRIAL) run experiments/quickstart.toml

test: libtorch ## run every test
	$(CARGO) test --workspace --locked

test-long: libtorch ## long forms of tests: kill studies at fifty random moments; fail or kill every operation on disk (an hour)
	$(CARGO) test --locked --test it -- --ignored --nocapture killed_at_fifty a_fault_at_every

test-soak: libtorch ## ask the dashboard 200 times a second for a minute, beside a running study and slow clients
	$(CARGO) test --locked --test it -- --ignored --nocapture a_dashboard_beside_a_running_study

FUZZ_SECS ?= 85

fuzz: libtorch ## read changed files of every kind that the program reads, FUZZ_SECS=85 seconds each: ten minutes in all
	AUGTRIAL_FUZZ_SECS=$(FUZZ_SECS) $(CARGO) test --locked --workspace --lib -- --nocapture no_change_

test-browser: libtorch ## drive the report's page in headless Chromium
	$(CARGO) test --locked --test it -- --ignored browser::
	$(CARGO) test --locked -p augtrial-serve -- --ignored a_browser_shows

test-slurm: libtorch ## run studies through a real Slurm on this machine (slurmctld, slurmd, munged); takes a few minutes
	$(CARGO) test --locked --test it -- --ignored --test-threads=1 slurm::

test-scale: libtorch ## time commands on 10,000 runs and on a design of 5,000 trials against their bounds; takes some minutes
	$(CARGO) test --locked --test it -- --ignored --nocapture --test-threads=1 scale::

# HyperQueue is in no package registry: its program is built from its repository, with the solver that needs no C++.
HYPERQUEUE_GIT ?= https://github.com/It4innovations/hyperqueue
HYPERQUEUE_TAG ?= v0.26.2

test-hyperqueue: libtorch .hyperqueue/bin/hq ## run a study through a real HyperQueue on this machine, built from its repository
	PATH="$(abspath .hyperqueue/bin):$$PATH" $(CARGO) test --locked --test it -- --ignored --test-threads=1 hyperqueue::

.hyperqueue/bin/hq:
	$(CARGO) install --git $(HYPERQUEUE_GIT) --tag $(HYPERQUEUE_TAG) --locked --root .hyperqueue --target-dir .hyperqueue/target --no-default-features --features microlp hyperqueue

test-data: libtorch ## read TrashNet in AUGTRIAL_TRASHNET=folder: counts, parts, contradictions
	@test -n "$(AUGTRIAL_TRASHNET)" || { echo "name AUGTRIAL_TRASHNET=folder, which holds dataset-resized/" >&2; exit 2; }
	AUGTRIAL_TRASHNET="$(abspath $(AUGTRIAL_TRASHNET))" $(CARGO) test --locked -p augtrial-data -- --ignored trashnet

build: libtorch ## build both programs, augtrial and augtrial-torch
	$(CARGO) build --locked

lint: libtorch ## rustfmt, clippy and rustdoc without warnings, and a check without LibTorch
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --locked --all-targets -- -D warnings
	$(CARGO) check --workspace --locked --all-targets --no-default-features
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --locked --no-deps --document-private-items

bench: libtorch ## run the criterion benches
	$(CARGO) bench --locked

bench-training: build ## compare the speed of training with PyTorch on DATA=folder, with torchvision in PYTHON (docs/training-speed.md)
	@test -n "$(DATA)" || { echo "name DATA=folder; benches/peers/photos.py makes one" >&2; exit 2; }
	$(PYTHON) benches/peers/training.py "$(DATA)"

export-env: .export-env/ready ## set up the Python environment that exports models (5 GB)

.export-env/ready: tools/requirements-export.txt
	$(PYTHON) -m venv --clear .export-env
	.export-env/bin/pip install --quiet --no-deps -r $<
	touch $@

model: export-env ## export CHECKPOINT=folder-or-hub-id to the bundle OUT=folder [DTYPE=fp32] [LORA=file]
	@test -n "$(CHECKPOINT)" && test -n "$(OUT)" || { echo "name CHECKPOINT=folder-or-hub-id and OUT=folder" >&2; exit 2; }
	.export-env/bin/python tools/export_ip2p.py "$(CHECKPOINT)" "$(OUT)" --dtype $(or $(DTYPE),fp32) $(if $(LORA),--merge-lora "$(LORA)")

test-export: export-env ## compare exports of tiny checkpoints with the fixtures
	.export-env/bin/python tools/test_export_ip2p.py
	.export-env/bin/python tools/test_export_classifier.py

test-mlflow: build .mlflow-env/ready ## export to a real MLflow server on this machine
	.mlflow-env/bin/python tools/interop/check_mlflow.py

test-tensorboard: build .tensorboard-env/ready ## read exported event files with TensorBoard's own readers
	.tensorboard-env/bin/python tools/interop/check_tensorboard.py

test-parquet: build .parquet-env/ready ## read exported tables with pandas and polars
	.parquet-env/bin/python tools/interop/read_parquet.py

test-external: build ## run the example of a plain PyTorch trainer, with torch, torchvision and numpy in PYTHON
	PYTHON="$(PYTHON)" $(PYTHON) tools/interop/check_external.py

WHEEL = dist/augtrial-*-linux_x86_64.whl
TARBALL = dist/augtrial-*-x86_64-linux.tar.gz
PYTHONS ?= $(PYTHON)

wheel: libtorch .wheel-env/ready ## build the wheel into dist/: both programs, for PyTorch 2.13 (docs/install.md)
	AUGTRIAL_RELOCATABLE=1 .wheel-env/bin/maturin build --auditwheel skip --compatibility linux --out dist

tarball: wheel ## pack both programs and LibTorch's CPU side into dist/, for machines without Python
	$(PYTHON) tools/make_tarball.py $(WHEEL) .libtorch dist

test-wheel: wheel ## install the wheel into fresh environments of PYTHONS="python3.10 python3.12" and use it
	$(PYTHON) tools/interop/check_wheel.py $(WHEEL) $(PYTHONS)

test-tarball: tarball ## unpack the tarball somewhere and use it
	$(PYTHON) tools/interop/check_tarball.py $(TARBALL)

.%-env/ready: tools/interop/requirements-%.txt
	$(PYTHON) -m venv .$*-env
	.$*-env/bin/pip install --quiet --requirement $<
	touch $@

# Does nothing if LIBTORCH or LIBTORCH_USE_PYTORCH names a LibTorch of your own.
libtorch: ## unpack LibTorch into .libtorch/
	@test -n "$$LIBTORCH$$LIBTORCH_USE_PYTORCH" || $(PYTHON) tools/setup_libtorch.py .libtorch
