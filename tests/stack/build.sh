#!/usr/bin/env bash
# Builds the servers the tests run against, once per set of versions, and prints the folders that hold them, written like
# PATH, as the last line of stdout; everything else goes to stderr. See README.md for the knobs.
set -euo pipefail

KUBE_VERSION=v1.35.4
BUILD_LIMIT="${AUTOPILOT_STACK_BUILD_LIMIT:-2400}" # seconds, per step
LOCK_LIMIT="${AUTOPILOT_STACK_LOCK_LIMIT:-5400}"   # seconds to wait for another run of this script

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

log() { printf 'stack: %s\n' "$*" >&2; }
fail() {
    log "error: $*"
    exit 1
}
need() { command -v "$1" >/dev/null 2>&1 || fail "'$1' is not on PATH: $2"; }

need go "install Go 1.26 or newer"
need openssl "install the package 'openssl'; it makes the service account key"
need flock "install the package 'util-linux'"
need node "install Node.js 20 or newer; the GitHub API of the tests runs on it"
need npm "install the package 'npm'"
need sha256sum "install the package 'coreutils'"
need timeout "install the package 'coreutils'"
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' ||
    fail "Node.js is $(node --version): install 20 or newer"

# One toolchain for the key and for the build: never one that a go.mod would download.
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOWORK=off

# A server without this stamp answers 'v0.0.0-master+$Format:%H$', which some clients refuse.
stamp="-X k8s.io/component-base/version.gitVersion=$KUBE_VERSION"
stamp+=" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35"

cache="${AUTOPILOT_STACK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/autopilot-stack}"

# A folder per set of pins, so that a new pin of one of them builds nothing of the others again.
key() { sha256sum | cut -c1-16; }
kube_key="$({
    cat "$here"/kube/go.mod "$here"/kube/go.sum "$here"/etcd/go.mod "$here"/etcd/go.sum
    printf '%s\n' "$stamp"
    go version
} | key)"
flux_key="$({ cat "$here"/flux/go.mod "$here"/flux/go.sum && go version; } | key)"
emulate_key="$({ cat "$here"/emulate/{package.json,package-lock.json,loopback.cjs} && node --version; } | key)"
kube="$cache/$kube_key" flux="$cache/flux-$flux_key" emulate="$cache/emulate-$emulate_key"
mkdir -p "$kube" "$flux" "$emulate"

# step NAME COMMAND...: runs a command bounded in time and says how long it took.
step() {
    local name="$1" from=$SECONDS
    shift
    log "$name ..."
    timeout "$BUILD_LIMIT" "$@" >&2 || fail "$name: failed or took longer than $BUILD_LIMIT s (AUTOPILOT_STACK_BUILD_LIMIT)"
    log "$name: $((SECONDS - from)) s"
}

# build NAME MODULE PACKAGE LDFLAGS [FOLDER]: the binary appears under its name only when it is whole.
build() {
    local name="$1" module="$2" package="$3" ldflags="$4" bin="${5:-$kube}"
    local part="$bin/.$name.$$"
    if [ -x "$bin/$name" ]; then
        log "$name: cached"
        return
    fi
    step "build $name" nice -n "${AUTOPILOT_STACK_NICE:-5}" \
        go build -C "$here/$module" -ldflags "-s -w $ldflags" -o "$part" "$package"
    mv -f "$part" "$bin/$name"
}

# The CRDs of the very versions that are built, from the modules themselves.
copy_crds() {
    if [ -d "$flux/crds" ]; then return; fi
    local part="$flux/.crds.$$" module dir
    mkdir -p "$part"
    for module in source-controller kustomize-controller; do
        # Of a module that is not there, go tells no folder.
        go mod download -C "$here/flux" "github.com/fluxcd/$module"
        dir="$(go list -C "$here/flux" -m -f '{{.Dir}}' "github.com/fluxcd/$module")"
        cp "$dir"/config/crd/bases/*.yaml "$part/" || fail "no CRDs in $dir"
    done
    chmod -R u+w "$part"
    mv -T "$part" "$flux/crds"
}

# No scripts of packages run; the lock file has the checksums.
install_emulate() {
    if [ -d "$emulate/node_modules" ]; then
        log "emulate: cached"
        return
    fi
    local part="$emulate/.npm.$$"
    mkdir -p "$part"
    cp "$here"/emulate/package.json "$here"/emulate/package-lock.json "$part/"
    step "install emulate" npm ci --prefix "$part" --ignore-scripts --no-audit --no-fund
    cp "$here/emulate/loopback.cjs" "$emulate/loopback.cjs"
    mv -T "$part/node_modules" "$emulate/node_modules"
    rm -rf "$part"
}

install_prometheus() {
    need apt-get "install Prometheus 2.42 or newer yourself so that 'prometheus' is on PATH"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        need sudo "run this script as root once, or install the package 'prometheus' yourself"
        as_root=(sudo -n)
    fi
    step "apt-get update" "${as_root[@]}" apt-get update -q
    # The package would start and enable a server on port 9090; the tests start their own.
    local policy=/usr/sbin/policy-rc.d mine=no
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
        mine=yes
    fi
    local status=0
    (step "install prometheus" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 prometheus) || status=$?
    if [ "$mine" = yes ]; then "${as_root[@]}" rm -f "$policy"; fi
    [ "$status" -eq 0 ] || fail "the package 'prometheus' could not be installed"
    for unit in prometheus prometheus-node-exporter; do
        if command -v systemctl >/dev/null 2>&1; then
            "${as_root[@]}" systemctl disable "$unit.service" >&2 2>/dev/null || true
        fi
    done
    command -v prometheus >/dev/null 2>&1 || fail "the package was installed but 'prometheus' is not on PATH"
}

started=$SECONDS
exec 9>"$cache/.lock"
flock -w "$LOCK_LIMIT" 9 || fail "another run holds $cache/.lock for longer than $LOCK_LIMIT s"
rm -rf "$kube"/.*.[0-9]* "$flux"/.*.[0-9]* "$emulate"/.*.[0-9]* # parts that a run before this one left when it was killed

build etcd etcd go.etcd.io/etcd/server/v3 ""
if command -v prometheus >/dev/null 2>&1; then log "prometheus: on PATH"; else install_prometheus; fi
build kube-apiserver kube k8s.io/kubernetes/cmd/kube-apiserver "$stamp"
build kube-controller-manager kube k8s.io/kubernetes/cmd/kube-controller-manager "$stamp"
if command -v kubectl >/dev/null 2>&1; then
    log "kubectl: on PATH"
else
    build kubectl kube k8s.io/kubernetes/cmd/kubectl "$stamp"
fi

for name in source-controller kustomize-controller; do
    build "$name" flux "github.com/fluxcd/$name" "" "$flux"
done
copy_crds
install_emulate

log "ready after $((SECONDS - started)) s"
printf '%s\n' "$kube:$flux:$emulate"
