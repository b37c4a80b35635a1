#!/usr/bin/env bash
# Builds deploy/Dockerfile without a Docker engine and runs it: the demo, then the page with its health check and its end.
#     tests/container.sh [RELEASE]      # of the Debian that is the base: bookworm (default), trixie, ...
# Needs root, buildah, debootstrap and 3 GB below TMPDIR (default: /var/tmp). Mirrors and pip's settings are this machine's.
set -euo pipefail
cd "$(dirname "$0")/.."
release=${1:-bookworm}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/container.XXXXXXXX")
export BUILDAH_ISOLATION=chroot
image() { command buildah --root "$work/images" --runroot "$work/run" --storage-driver vfs "$@"; }
# shellcheck disable=SC2154
trap 'code=$?; [ -z "${page:-}" ] || kill "$page" 2>/dev/null || true; image rm --all >/dev/null 2>&1 || true; rm -rf --one-file-system "$work"; exit $code' EXIT

# shellcheck disable=SC2016 # apt's own variable
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | sed -n 1p || true)}
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$release" "$work/tree" ${mirror:+"$mirror"} >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
base=$(image from scratch)
image add --quiet "$base" "$work/tree" / >/dev/null
image commit --quiet "$base" "base-$release" >/dev/null
rm -rf --one-file-system "$work/tree"

mounts=() # what this machine says of registries stays out of the image
for file in /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || mounts+=(--volume "$file:$file:ro")
done
begun=$SECONDS
image bud --quiet --format docker --build-arg BASE="localhost/base-$release" "${mounts[@]}" -f deploy/Dockerfile -t bulkremove . >/dev/null
echo "built in $((SECONDS - begun)) s"
image inspect --type image --format '{{.Docker.Config.Healthcheck}} {{.Docker.Config.User}} {{.Docker.Config.StopSignal}}' bulkremove

container=$(image from bulkremove)
begun=$SECONDS
image run "$container" -- bulkremove demo
echo "the demo took $((SECONDS - begun)) s"
image run "$container" -- sh -c 'id -u; ! touch /opt/bulkremove/x 2>/dev/null && stat -c "%U %a" /var/lib/bulkremove'

check=$(image inspect --type image --format '{{index .Docker.Config.Healthcheck.Test 3}}' bulkremove)
image run "$container" -- bulkremove serve --demo --port 8040 >"$work/page" 2>&1 &
page=$!
for _ in $(seq 60); do
    image run "$container" -- python3 -c "$check" 2>/dev/null && healthy=1 && break
    sleep 1
done
[ -n "${healthy:-}" ] || { cat "$work/page" >&2; echo "the page is not healthy" >&2; exit 1; }
echo "the health check passes"
server=$(pgrep -f -n 'bulkremove serve --demo --port 8040$')
kill -TERM "$server"
wait "$page" && code=0 || code=$?
page=
echo "the page ended with $code after SIGTERM"
[ "$code" = 0 ]
