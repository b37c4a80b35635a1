#!/usr/bin/env bash
# Runs the two commands of README.md in a fresh clone of HEAD on a bare Debian, which is made for it and removed again:
#     tests/bare_debian.sh [RELEASE] [USER]      # bookworm (default), trixie, ...; USER is visitor (default) or root
# Needs root, debootstrap, git and 2 GB below TMPDIR (default: /var/tmp). Mirrors and proxies are this machine's: those of
# DEBIAN_MIRROR or apt, of pip's settings, and of http_proxy, https_proxy and no_proxy.
set -euo pipefail

release=${1:-bookworm} user=${2:-visitor}
PACKAGES=git,make,python3,python3-venv,ca-certificates
MAKE_TREE=900 RUN=900 TEST=3600 # seconds, after which each is ended

# In namespaces of its own: at the end, however it comes, no process and no mount is left.
if [ -z "${BARE_TREE:-}" ]; then
    [ "$(id -u)" = 0 ] || { echo "Root is needed, to make a Debian and to enter it." >&2; exit 2; }
    command -v debootstrap >/dev/null || { echo "debootstrap is needed: apt-get install debootstrap" >&2; exit 2; }
    BARE_TREE=$(mktemp -d "${TMPDIR:-/var/tmp}/bare-debian.XXXXXXXX")
    export BARE_TREE
    inside=
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    trap 'if [ -n "$inside" ]; then kill -KILL "$inside" 2>/dev/null; wait "$inside" 2>/dev/null; fi || true
        rm -rf --one-file-system "$BARE_TREE" || { sleep 3 && rm -rf --one-file-system "$BARE_TREE"; }' EXIT
    unshare --mount --pid --mount-proc --fork --kill-child bash "$0" "$release" "$user" &
    inside=$!
    wait "$inside" && code=0 || code=$?
    inside=
    exit "$code"
fi

tree=$BARE_TREE/tree
cd "$(dirname "$0")/.."

# What this machine says of mirrors and proxies. Its pip may name folders and hosts that only it knows: those stay here.
# shellcheck disable=SC2016 # apt's own variable
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null |
    sed -n 1p || true)}
eval "$(apt-config shell http_proxy Acquire::http::Proxy 2>/dev/null)"
settings=()
for name in http_proxy https_proxy no_proxy; do
    [ -z "${!name:-}" ] || { export "${name?}" && settings+=("$name=${!name}"); }
done
pip_setting() { # its value in the environment or in pip's files
    local variable=PIP_${1^^}
    variable=${variable//-/_}
    echo "${!variable:-$(python3 -m pip config get "global.$1" 2>/dev/null)}"
}
for name in index-url trusted-host proxy default-timeout; do
    value=$(pip_setting "$name") variable=PIP_${name^^}
    [ -z "$value" ] || settings+=("${variable//-/_}=$value")
done
certificates=$(pip_setting cert)
[ -z "$certificates" ] || settings+=(PIP_CERT=/etc/ssl/certs/ca-certificates.crt)

timed() { # LIMIT WORDS...: what it is called, and its command
    local limit=$1 what=$2 begun=$SECONDS code=0
    shift 2
    timeout --kill-after=30 "$limit" "$@" </dev/null || code=$?
    [ "$code" != 124 ] || what="$what (ended after $limit s)"
    took+=("$(printf '%-12s %5d s   %s' "$what" "$((SECONDS - begun))" "$([ "$code" = 0 ] && echo passed || echo "failed with $code")")")
    return "$code"
}
took=()

# debootstrap is quiet unless it fails.
timed "$MAKE_TREE" "debootstrap" debootstrap --variant=minbase --include="$PACKAGES" "$release" "$tree" ${mirror:+"$mirror"} \
    >"$BARE_TREE/log" 2>&1 || { cat "$BARE_TREE/log" >&2; exit 1; }
printf '127.0.0.1 localhost\n::1 localhost\n' >"$tree/etc/hosts"
[ -z "$certificates" ] || cp "$certificates" "$tree/etc/ssl/certs/ca-certificates.crt"
mount -t proc proc "$tree/proc"
mount -t sysfs -o ro sysfs "$tree/sys"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$tree/dev/pts"
mkdir -p "$tree/dev/shm" && mount -t tmpfs -o mode=1777 tmpfs "$tree/dev/shm"
home=/root
if [ "$user" != root ]; then
    home=/home/$user
    chroot "$tree" useradd --create-home "$user"
fi
git clone --quiet --no-hardlinks . "$tree$home/bulkremove"
chroot "$tree" chown -R "$user:" "$home/bulkremove"

failed=0
for command in run test; do
    [ "$command" = run ] && limit=$RUN || limit=$TEST
    echo "== make $command on $release as $user"
    # CI is not among the variables: what can't be had there is left out, with a reason.
    timed "$limit" "make $command" chroot --userspec="$user" "$tree" env -i HOME="$home" PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
        "${settings[@]}" make -C "$home/bulkremove" "$command" || failed=1
done
echo "== $release ($(cat "$tree/etc/debian_version")), $(chroot "$tree" python3 --version), as $user"
printf '%s\n' "${took[@]}"
exit "$failed"
