#!/bin/sh
# Installs what is missing of the Debian or Ubuntu packages that a task needs. Usage:
# tools/packages.sh GROUP...   with the groups build, test, ci, package. Installs nothing that is there, so it
# needs no network and no rights when all is there; elsewhere it says what the system must provide.
set -eu

packages() {
    case $1 in
    build) # the libraries, the apps, and a way to look into the database
        echo build-essential cmake ninja-build pkg-config libevent-dev libsecp256k1-dev libssl-dev \
            libsqlite3-dev libjansson-dev libinih-dev zlib1g-dev libzstd-dev sqlite3
        ;;
    test) # what the test programs and their drivers need besides
        # (postgresql, 15 on Debian 12: exports are loaded into a server of our own)
        echo curl git libcmocka-dev python3 zstd postgresql
        ;;
    ci) # other compilers, the linters, the fuzzer's run time, a man page formatter
        echo clang clang-format clang-tidy cppcheck llvm libclang-rt-dev ccache groff
        ;;
    package) # what makes and checks Debian packages
        echo dpkg-dev file lintian
        ;;
    *)
        echo "packages.sh: no group '$1'" >&2
        exit 2
        ;;
    esac
}

wanted=
for group in "$@"; do
    wanted="$wanted $(packages "$group")"
done
if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is no Debian or Ubuntu: install what these packages hold yourself:$wanted" >&2
    exit 0
fi
missing=
for package in $wanted; do
    # A name may be virtual or provided by another (libclang-rt on newer releases): ask what is there.
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Packages are missing and there is no sudo. As root, run: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "Installing packages:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -qq update </dev/null
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing \
    </dev/null >/dev/null
