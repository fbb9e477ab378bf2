# make deps [PROVIDER=openvino]        what is needed to build and run; OpenVINO's ONNX Runtime too
# make demo                            detect, track, draw and publish a made-up street; says where the results are
# make demo VIDEO=clip.mp4 MODEL=m.onnx   the same with a video; SHOW=1 shows it, OUT=folder says where to
# make test                            all tests
# make evaluate DATA=folder [CHECKS="replay pets"]   real videos and sequences, scored; without CHECKS all of them
# make bench VIDEO=clip.mp4 MODEL=m.onnx  speed, memory and allocations, as ratios taken in one run
# make install                         the plugin into the user's GStreamer plugin folder

PLUGIN := target/release/libgstnvperception.so
PLUGIN_DIR := $(or $(XDG_DATA_HOME),$(HOME)/.local/share)/gstreamer-1.0/plugins
OUT ?= out
VENV := target/venv

export RUST_BACKTRACE ?= 0

.PHONY: deps build demo test evaluate bench install check

deps:
	@scripts/deps

build: deps
	cargo build --release --locked

demo: deps
	cargo run --release --locked --example demo -- out="$(OUT)" \
	  $(if $(VIDEO),video="$(VIDEO)") $(if $(MODEL),model="$(MODEL)") $(if $(SHOW),show)

test: deps
	G_DEBUG=fatal_warnings cargo test --locked

evaluate: build $(VENV)/ready
	@test -n "$(DATA)" || { echo "Usage: make evaluate DATA=folder" >&2; exit 2; }
	cargo build --release --locked --examples
	GST_PLUGIN_PATH=$(CURDIR)/target/release $(VENV)/bin/python scripts/evaluate.py "$(DATA)" $(CHECKS)

bench: build $(VENV)/ready
	cargo bench --locked --bench tracker --bench decode --bench draw --bench line --bench scene --bench view --bench motion --bench rules --bench batch
	$(VENV)/bin/python benches/preprocess_vs_opencv.py
	@test -n "$(VIDEO)" -a -n "$(MODEL)" || echo "For the whole pipeline: make bench VIDEO=clip.mp4 MODEL=model.onnx"
	@test -z "$(VIDEO)" -o -z "$(MODEL)" || { $(VENV)/bin/pip install -q supervision==0.26.1 && \
	  GST_PLUGIN_PATH=$(CURDIR)/target/release $(VENV)/bin/python benches/inference.py "$(VIDEO)" "$(MODEL)"; }

$(VENV)/ready: scripts/requirements.txt | deps
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check -r scripts/requirements.txt
	touch $@

install: build
	install -D -m 755 $(PLUGIN) "$(PLUGIN_DIR)/libgstnvperception.so"
	@echo "Installed. Try: gst-inspect-1.0 nvperception"

# What a change has to pass besides the tests.
check:
	cargo fmt --check
	scripts/layers
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --all-features -- -D warnings
	cargo clippy --locked --all-targets --no-default-features -- -D warnings
	cargo clippy --locked --all-targets --no-default-features --features plugin -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
