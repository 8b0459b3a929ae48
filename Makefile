# Everything a newcomer needs: `make study` and `make test`. Both set LibTorch up first if it is missing or damaged.

CARGO ?= cargo
PYTHON ?= python3
# LibTorch's threads must not spin while they wait: on shared cores that costs a factor of several.
export OMP_WAIT_POLICY ?= PASSIVE
AUGTRIAL = $(CARGO) run --quiet --bin augtrial --

.DEFAULT_GOAL := help
.PHONY: help study test test-long lint doc build bench bench-training libtorch export-env model test-export test-mlflow test-tensorboard

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

study: build ## run experiments/quickstart.toml to a finished report
	$(AUGTRIAL) run experiments/quickstart.toml

test: libtorch ## run every test
	$(CARGO) test --locked

test-long: libtorch ## the long form of tests that `make test` runs in short: studies killed at fifty random moments
	$(CARGO) test --locked --test it -- --ignored --nocapture killed_at_fifty

build: libtorch ## build the program
	$(CARGO) build --locked

lint: libtorch ## rustfmt, clippy and rustdoc, warnings refused
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

bench: libtorch ## run the criterion benches
	$(CARGO) bench --locked

bench-training: build ## time training against PyTorch on DATA=folder, PYTHON with torchvision (docs/training-speed.md)
	@test -n "$(DATA)" || { echo "name DATA=folder; benches/peers/photos.py makes one" >&2; exit 2; }
	$(PYTHON) benches/peers/training.py "$(DATA)"

export-env: .export-env/ready ## make the Python environment that exports models (5 GB)

.export-env/ready: tools/requirements-export.txt
	$(PYTHON) -m venv --clear .export-env
	.export-env/bin/pip install --quiet --no-deps -r $<
	touch $@

model: export-env ## export CHECKPOINT=folder-or-hub-id to the bundle OUT=folder [DTYPE=fp32] [LORA=file]
	@test -n "$(CHECKPOINT)" && test -n "$(OUT)" || { echo "name CHECKPOINT=folder-or-hub-id and OUT=folder" >&2; exit 2; }
	.export-env/bin/python tools/export_ip2p.py "$(CHECKPOINT)" "$(OUT)" --dtype $(or $(DTYPE),fp32) $(if $(LORA),--merge-lora "$(LORA)")

test-export: export-env ## compare exports of tiny checkpoints with the fixtures
	.export-env/bin/python tools/test_export_ip2p.py

test-mlflow: build .mlflow-env/ready ## export to a real MLflow server on the loopback
	.mlflow-env/bin/python tools/interop/check_mlflow.py

test-tensorboard: build .tensorboard-env/ready ## read exported event files with TensorBoard's own readers
	.tensorboard-env/bin/python tools/interop/check_tensorboard.py

.%-env/ready: tools/interop/requirements-%.txt
	$(PYTHON) -m venv .$*-env
	.$*-env/bin/pip install --quiet --requirement $<
	touch $@

# Left alone if LIBTORCH or LIBTORCH_USE_PYTORCH names one of your own.
libtorch: ## unpack LibTorch into .libtorch/
	@test -n "$$LIBTORCH$$LIBTORCH_USE_PYTORCH" || $(PYTHON) tools/setup_libtorch.py .libtorch
