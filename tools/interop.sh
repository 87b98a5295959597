#!/bin/sh
# Installs the foreign full node (bcoin, pure JavaScript, from npm by its lock file) that the interop
# tests talk to. Where node and npm are absent it installs Debian's; where that fails, too, it says so
# and succeeds: the tests are then skipped.
set -u
cd "$(dirname "$0")/../tests/interop" || exit 2
[ node_modules/.package-lock.json -nt package-lock.json ] && exit 0

if ! { command -v node && command -v npm; } >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    echo "Installing packages: nodejs npm"
    $as_root apt-get -qq update </dev/null
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
        nodejs npm </dev/null >/dev/null
fi
log=$(mktemp)
if npm ci --ignore-scripts --no-audit --no-fund </dev/null >"$log" 2>&1; then
    echo "Installed the interop tests' node (bcoin) in tests/interop/node_modules"
    touch node_modules/.package-lock.json
else
    grep -iE 'err(or|!) (code|request|network)|command not found|not found' "$log" | head -3 >&2
    echo "The interop tests will be skipped: npm could not install bcoin" >&2
fi
rm -f "$log"
exit 0
