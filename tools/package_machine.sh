#!/bin/bash
# The Debian packages in a bare Debian 12, as a user of them sees it: tools/package_machine.sh FOLDER
# FOLDER is that of tools/bare_machine.sh, whose root it shares; PACKAGES (default build/package/packages)
# holds what cpack made. Installs all, runs a program, reads a man page, completes an option, compiles
# an example in C through pkg-config and CMake, removes and purges all, and looks for what is left.
set -eu
cd "$(dirname "$0")/.."
[ $# -eq 1 ] || {
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
}
packages=${PACKAGES:-build/package/packages}
SPV_BARE_ONLY_ROOT=1 tools/bare_machine.sh "$1"
root=$(cd "$1" && pwd)/root
log=$1/packages.log
mkdir "$root/packages"
cp "$packages"/*.deb "$root/packages/"

cat >"$root/packages/try.sh" <<'INSIDE'
set -eux
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y --no-install-recommends install man-db bash-completion gcc libc6-dev pkg-config cmake make >/dev/null
files() { find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path /packages -o -path /src -o -path /var/cache -o -path /var/lib -o -path /var/log -o -path /root -o -path /run -o -path /build \) -prune -o -print | sort; }
apt-get -qq -y --no-install-recommends install libevent-dev libsecp256k1-dev libsqlite3-dev libssl-dev libjansson4 libinih1 libzstd1 zlib1g-dev >/dev/null
files >/packages/before
apt-get -qq -y --no-install-recommends install /packages/*.deb >/dev/null
spv-sync --version | grep -q '^spv-sync (libspv) 0'
test "$(man -P cat spv-sync | grep -c 'spv-sync - download')" -eq 1
man -P cat spv.conf >/dev/null
bash -c '. /usr/share/bash-completion/bash_completion
    _completion_loader spv-sync
    COMP_WORDS=(spv-sync --netw) COMP_CWORD=1; compopt() { :; }; _spv_sync; [ "${COMPREPLY[*]}" = --network ]'
mkdir /build
cd /build
cp /usr/share/doc/libspv-doc/examples/sync_tip.c .
cc -Wall -Werror sync_tip.c $(pkg-config --cflags --libs spv) -o by_pkg_config
cc -Wall -Werror sync_tip.c $(pkg-config --cflags --libs --static spv | sed "s| -lspv | -l:libspv.a |") -o by_static
printf 'cmake_minimum_required(VERSION 3.25)\nproject(user C)\nfind_package(spv 0.1 CONFIG REQUIRED COMPONENTS static)\nadd_executable(by_cmake sync_tip.c)\ntarget_link_libraries(by_cmake PRIVATE spv::spv)\n' >CMakeLists.txt
cmake -B b . >/dev/null
cmake --build b >/dev/null
spv-serve --network regtest --mine 40 --listen 127.0.0.1:18555 &
for try in 1 2 3 4 5 6 7 8 9 10; do
    spv-sync --network regtest --connect 127.0.0.1:18555 --db sync.db && break
    sleep 1
done
for program in ./by_pkg_config ./by_static ./b/by_cmake; do
    $program 127.0.0.1:18555 "$(basename $program).db" | grep 40
done
kill $!
cd /
names=$(for file in /packages/*.deb; do dpkg-deb -f "$file" Package; done)
apt-get -qq -y remove $names >/dev/null
dpkg --purge $names
files >/packages/after
diff /packages/before /packages/after
for name in $names; do test -z "$(dpkg -l "$name" 2>/dev/null | grep '^[ir]')"; done
echo packages: installed, used and purged without a trace
INSIDE

if unshare --mount --pid --fork --kill-child sh -c '
    mount -t proc proc "$0/proc"
    exec chroot "$0" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        ${SSL_CERT_FILE:+SSL_CERT_FILE="$SSL_CERT_FILE"} sh /packages/try.sh' "$root" >"$log" 2>&1 </dev/null; then
    tail -n 1 "$log"
else
    tail -n 40 "$log"
    echo "packages: FAILED, log $log"
    exit 1
fi
