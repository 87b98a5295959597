#!/bin/bash
# Both README commands in a bare Debian 12: tools/bare_machine.sh FOLDER
# FOLDER/root becomes a root folder by debootstrap (Debian's package of that name), minimal, and stays
# for the next run. Each run unpacks HEAD anew in it, without .git, as a release archive would; there is
# no /dev/pts, no git before ./check installs it, no home folder's settings. Wants root. APT's and the
# certificates' settings are this machine's. Logs: FOLDER/*.log.
set -eu
cd "$(dirname "$0")/.."
[ $# -eq 1 ] || {
    sed -n '2,6s/^# //p' "$0" >&2
    exit 2
}
if [ "$(id -u)" -ne 0 ]; then
    echo "only root can make a root folder"
    exit 77
fi
mkdir -p "$1"
folder=$(cd "$1" && pwd)
root=$folder/root
base=$folder/base.tar

if [ ! -f "$base" ]; then # packages that a run installs must not be there in the next
    command -v debootstrap >/dev/null || {
        apt-get -qq update
        apt-get -qq -y --no-install-recommends install debootstrap >/dev/null
    }
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Identifier: Packages' |
        awk '$2 == "bookworm" { print $1; exit }')
    if [ -z "$mirror" ]; then
        echo "APT here names no source of Debian 12 (bookworm)"
        exit 77
    fi
    rm -rf "$root"
    debootstrap --variant=minbase bookworm "$root" "$mirror"
    rm -rf "$root"/dev/pts "$root"/etc/apt
    mkdir "$root"/dev/pts
    cp -a /etc/apt "$root/etc/apt"
    for certificates in "${SSL_CERT_FILE:-}" "${NODE_EXTRA_CA_CERTS:-}"; do
        [ -f "$certificates" ] || continue
        mkdir -p "$root${certificates%/*}"
        cp -L "$certificates" "$root$certificates"
    done
    tar -C "$root" -cf "$base.part" . && mv "$base.part" "$base"
fi
rm -rf "$root"
mkdir "$root"
tar -C "$root" -xf "$base"
for file in /etc/resolv.conf /etc/hosts; do
    cp -L "$file" "$root$file"
done
mkdir "$root/src"
git archive HEAD | tar -C "$root/src" -xf -

[ -z "${SPV_BARE_ONLY_ROOT:-}" ] || exit 0 # tools/package_machine.sh goes on

inside() { # command, log: in namespaces of its own, so that nothing stays mounted or running
    unshare --mount --pid --fork --kill-child sh -c '
        mount -t proc proc "$0/proc"
        exec chroot "$0" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            HOME=/root ${SSL_CERT_FILE:+SSL_CERT_FILE="$SSL_CERT_FILE"} \
            ${NODE_EXTRA_CA_CERTS:+NODE_EXTRA_CA_CERTS="$NODE_EXTRA_CA_CERTS"} \
            sh -c "cd /src && $1"' "$root" "$1" >"$2" 2>&1 </dev/null
}

failed=0
for command in "./run --demo" "./check"; do
    log=$folder/${command//[^a-z]/}.log
    begun=$SECONDS
    if inside "$command" "$log"; then
        echo "bare machine: $command: done, $((SECONDS - begun)) s: $(grep -E 'tests passed|synced at height' "$log" | tail -n 1)"
    else
        tail -n 60 "$log"
        echo "bare machine: $command: FAILED, $((SECONDS - begun)) s, log $log"
        failed=1
    fi
    sed -n '/did not run:/,/^$/p' "$log" | grep Skipped || true
done
exit $failed
