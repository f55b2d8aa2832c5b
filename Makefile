# Everything that is done with Cutwater's source. `make demo` and `make test` install what they need.

CARGO ?= $(shell command -v cargo || echo /usr/bin/cargo)
SHIPPED := target/guests/shipped

.PHONY: help setup guests build demo test prove check bench lab install clean

help:
	@echo 'make demo     boot a real kernel, move a live PostgreSQL to another volume, show the report'
	@echo 'make test     every test (real kernel, real PostgreSQL)'
	@echo 'make check    format, lints and unit tests; fast'
	@echo 'make prove    what is exhaustive; may take hours'
	@echo 'make bench    figures, each against a peer in the same run'
	@echo 'make lab      a shell on the real kernel, with a running PostgreSQL'
	@echo 'make build    the binary, target/debug/cutwater, with the shipped plugins in it'
	@echo 'make install  the release binary to PREFIX (/usr/local), and the unit that resumes runs at boot'

setup:
	@tests/setup

# The shipped plugins as components. The binary embeds what it finds in $(SHIPPED). What builds them is compiled with the
# features that its libraries have in the binary, so that those are compiled once.
guests:
	$(CARGO) build --quiet -p cutwater-build -p cutwater --bin cutwater-build
	target/debug/cutwater-build --shipped

build: setup guests
	$(CARGO) build --quiet -p cutwater

demo: build
	$(CARGO) build --quiet -p cutwater-witness
	$(CARGO) run --quiet -p cutwater-system --bin cutwater-demo

test: build
	tests/run

prove: build
	tests/prove

check:
	@$(CARGO) fmt --version >/dev/null 2>&1 && $(CARGO) clippy --version >/dev/null 2>&1 || { \
	  echo 'make check needs rustfmt and clippy, which make test does not. With rustup: rustup component add rustfmt clippy.'; \
	  echo "With Debian's toolchain: apt-get install rustfmt-web rust-web-clippy."; exit 1; } >&2
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --workspace --all-targets -- -D warnings
	$(CARGO) test --quiet -p cutwater-core -p cutwater-driver -p cutwater-store -p cutwater-sdk
	$(CARGO) test --quiet --lib -p cutwater-host -p cutwater-plugin-lvm -p cutwater-plugin-files -p cutwater-plugin-fs \
		-p cutwater-plugin-block -p cutwater-plugin-service -p cutwater-plugin-postgres \
		-p cutwater-plugin-restic

bench: build
	tests/bench

# The plugins are compiled outside, where that is quick, and handed in like the binary, the workflows and a policy.
lab: build
	@mkdir -p target/lab/root && target/debug/cutwater plugin list --root target/lab/root >/dev/null
	@echo 'In there, first:  . /run/jobs/machine.sh; install_cutwater'
	@echo 'Then:             cutwater plan /run/workflows/postgres/move-volume.yaml --input target=/dev/vg01/new'
	$(CARGO) run --quiet -p cutwater-lab -- shell --mount target/debug:/run/bin --mount tests/system/job:/run/jobs \
		--mount workflows:/run/workflows --mount target/lab/root/var/lib/cutwater/cache:/run/compiled

PREFIX ?= /usr/local
UNITS = $(PREFIX)/lib/systemd/system
install: setup guests
	$(CARGO) build --release -p cutwater
	install -D -m 755 target/release/cutwater $(DESTDIR)$(PREFIX)/bin/cutwater
	install -d -m 700 $(DESTDIR)/var/lib/cutwater
	install -d $(DESTDIR)$(UNITS)
	sed 's,/usr/local/bin/,$(PREFIX)/bin/,' engine/cli/systemd/cutwater-resume.service >$(DESTDIR)$(UNITS)/cutwater-resume.service
	for unit in postgresql@ mariadb@; do install -D -m 644 engine/cli/systemd/after-cutwater-resume.conf \
		$(DESTDIR)$(UNITS)/$$unit.service.d/after-cutwater-resume.conf; done
	$(if $(DESTDIR),,command -v systemctl >/dev/null && systemctl enable --quiet cutwater-resume.service || true)
	$(if $(DESTDIR),,$(PREFIX)/bin/cutwater plugin list >/dev/null)

clean:
	$(CARGO) clean
