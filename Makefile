# `make test` is all that a change has to pass. It needs Rust (rustup reads rust-toolchain.toml), Go, Node.js 20 and, on
# Debian, root or sudo for packages that are missing; everything else it brings itself.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := test
.PHONY: test walkthrough walkthrough-gitops bench install generate fmt clean tools

PREFIX ?= /usr/local
DESTDIR ?=

# $(call step,NAME,COMMAND): says what runs and how long it took.
step = @printf '\n== %s\n' '$(1)'; SECONDS=0; $(2); printf '== %s: %s s\n' '$(1)' "$$SECONDS"

## The real servers, then format, lints and every test.
test: tools
	$(call step,servers,tests/stack/build.sh)
	$(call step,format,cargo fmt --all -- --check)
	$(call step,lints,cargo clippy --workspace --all-targets --locked -- -D warnings)
	$(call step,build,cargo build --workspace --bins --locked)
	$(call step,tests,cargo test --workspace --locked --no-fail-fast)

## What a person sees: from a metric to a resized volume. REAL_TIME=1 leaves the rule's times as they are.
walkthrough: tools
	$(call step,servers,tests/stack/build.sh)
	$(call step,build the controller,cargo build -p autopilot-controller --locked)
	$(call step,build the walk-through,cargo build -p autopilot-tests --bin walkthrough --locked)
	@echo; cargo run --quiet --locked -p autopilot-tests --bin walkthrough

## The same with GitHub and Flux: merge approves, close declines.
walkthrough-gitops: tools
	$(call step,servers,tests/stack/build.sh)
	$(call step,build the controller,cargo build -p autopilot-controller --locked)
	$(call step,build the walk-through,cargo build -p autopilot-tests --bin walkthrough-gitops --locked)
	@echo; cargo run --quiet --locked -p autopilot-tests --bin walkthrough-gitops

## Figures beside their targets.
bench: tools
	$(call step,build,cargo build --release --workspace --bins --locked)
	@cargo run --quiet --release --locked -p autopilot-tests --bin bench

## The console below PREFIX (/usr/local), also as `kubectl autopilot`, with its man page and completions.
install:
	cargo build --release -p autopilot-tui --locked
	install -D -m 755 target/release/autopilot $(DESTDIR)$(PREFIX)/bin/autopilot
	ln -sf autopilot $(DESTDIR)$(PREFIX)/bin/kubectl-autopilot
	install -D -m 644 docs/man/autopilot.1 $(DESTDIR)$(PREFIX)/share/man/man1/autopilot.1
	install -D -m 644 docs/completions/autopilot.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/autopilot
	install -D -m 644 docs/completions/_autopilot $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_autopilot
	install -D -m 644 docs/completions/autopilot.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/autopilot.fish

## The files that are made from code: deploy/crds, the console's man page, completions, pictures and key table.
generate:
	cargo run --quiet --locked -p autopilot-shared --example generate
	AUTOPILOT_UPDATE=1 cargo test --quiet --locked -p autopilot-tui --test console

fmt:
	cargo fmt --all

clean:
	cargo clean

# Packages that the build and the servers need, installed only where they are missing.
tools:
	@missing=(); \
	command -v cc >/dev/null || missing+=(build-essential); \
	command -v git >/dev/null || missing+=(git ca-certificates); \
	command -v openssl >/dev/null || missing+=(openssl); \
	command -v flock >/dev/null || missing+=(util-linux); \
	command -v node >/dev/null || missing+=(nodejs); \
	command -v npm >/dev/null || missing+=(npm); \
	command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup" >&2; exit 1; }; \
	if [ "$${#missing[@]}" -gt 0 ]; then \
		command -v apt-get >/dev/null || { echo "install $${missing[*]}" >&2; exit 1; }; \
		as_root=(); [ "$$(id -u)" -eq 0 ] || as_root=(sudo -n); \
		"$${as_root[@]}" apt-get update -q; \
		"$${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
			apt-get install -q -y --no-install-recommends "$${missing[@]}"; \
	fi
