#!/usr/bin/env bash
# kube 5.0.0 (kube-derive), rustc 1.95: `#[derive(KubeSchema)]` and the lint `unreachable_pub`.
#
# Guess before the run: a type that is `pub` in a private module and re-exported from the crate is reachable, so the lint
# is silent, whatever schema derive it has.
# Seen: with `schemars::JsonSchema` it is silent; with `kube::KubeSchema` it fires for the very same type, at the
# line of the type itself: the macro writes it a second time, with its visibility, into a block that nobody can reach. The
# lint's suggestion, `pub(crate)`, would take the type out of the crate's interface.
# For us: `shared/src/api` allows the lint with that reason; everywhere else it is on.
#
# Exits 0 if that is still so, 1 if it has changed, 2 if it could not be tried.
set -euo pipefail
command -v cargo >/dev/null || { echo "cargo is missing" >&2; exit 2; }
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/src"
cat > "$folder/Cargo.toml" <<'TOML'
[package]
name = "reachable"
version = "0.0.0"
edition = "2024"

[dependencies]
k8s-openapi = { version = "=0.29.0", features = ["v1_35", "schemars"] }
kube = { version = "=5.0.0", default-features = false, features = ["derive"] }
schemars = "=1.2.3"
serde = { version = "1", features = ["derive"] }
serde_json = "1"
TOML

# fires DERIVE: how many warnings of the lint a crate gets whose one public type has this derive.
fires() {
    cat > "$folder/src/lib.rs" <<RUST
#![warn(unreachable_pub)]
mod api {
    #[derive($1, serde::Serialize, serde::Deserialize, Clone, Debug)]
    pub struct Size {
        pub requested: String,
    }
}
pub use api::Size;
RUST
    cargo check --quiet --manifest-path "$folder/Cargo.toml" --message-format short 2>"$folder/out" ||
        { cat "$folder/out" >&2; exit 2; }
    grep -c 'unreachable `pub`' "$folder/out" || true
}

plain="$(fires schemars::JsonSchema)"
kube="$(fires kube::KubeSchema)"
printf 'rustc %s\n' "$(rustc --version | cut -d' ' -f2)"
printf 'warnings of unreachable_pub: %s with schemars::JsonSchema, %s with kube::KubeSchema\n' "$plain" "$kube"
grep 'unreachable `pub`' "$folder/out" || true
[ "$plain" -eq 0 ] && [ "$kube" -eq 1 ]
