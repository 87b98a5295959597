#!/bin/sh
# Everything that judges the sources without running them. Usage: tools/lint.sh [BUILD_FOLDER] [STEP...]
# Steps: format greps commits cppcheck tidy man scripts (default: all). BUILD_FOLDER holds
# compile_commands.json (default build/dev). Prints each finding and a verdict a step; exits 1 when any step found something.
# A missing tool is a skipped step, said so; with LINT_STRICT=1 it fails.
set -u
cd "$(dirname "$0")/.." || exit 2
build=${1:-build/dev}
[ $# -gt 0 ] && shift
steps=${*:-format greps commits cppcheck tidy man scripts}
# Commits after this one have a subject of at most 72 characters and a body; older ones are exempt.
commits_since=${LINT_COMMITS_SINCE:-668971d21762a0ffd1d1a98e6d18b6fa4e980064}
jobs=$(nproc 2>/dev/null || echo 2)
failed=0
skipped=0

verdict() { # name, exit code
    if [ "$2" -eq 0 ]; then
        echo "lint: $1 ok"
    else
        echo "lint: $1 FAILED"
        failed=$((failed + 1))
    fi
}

have() { # tool, step
    command -v "$1" >/dev/null 2>&1 && return 0
    echo "lint: $2 skipped: $1 is not installed"
    skipped=$((skipped + 1))
    return 1
}

sources() { # globs relative to the top
    git ls-files -- "$@"
}

code_only() { # file:line:text, less the lines that are comments
    grep -vE '^[^:]+:[0-9]+:[[:space:]]*(\*|/\*|//)'
}

refuse() { # rule, extended regex, paths...: fails when a code line matches
    rule=$1
    regex=$2
    shift 2
    hits=$(sources "$@" | xargs -r grep -nE -- "$regex" /dev/null | code_only)
    [ -z "$hits" ] && return 0
    echo "$hits" | sed "s|^|$rule: |"
    return 1
}

step_format() {
    have clang-format format || return 0
    sources '*.c' '*.h' | xargs -r clang-format --dry-run -Werror
    verdict format $?
}

step_greps() {
    rc=0
    pure='src/util src/wire src/peer src/spv'
    # shellcheck disable=SC2086
    {
        refuse 'clock in a pure layer' '\b(time|clock|gettimeofday|clock_gettime|localtime|gmtime|localtime_r|gmtime_r|sleep|usleep|nanosleep)[[:space:]]*\(' $pure || rc=1
        refuse 'randomness in a pure layer' '\b(rand|srand|random|srandom|drand48|arc4random|getrandom|getentropy|RAND_bytes)[[:space:]]*\(' $pure || rc=1
        refuse 'printing in a pure layer' '\b(printf|fprintf|vprintf|vfprintf|dprintf|puts|fputs|putchar|perror|syslog)[[:space:]]*\(|\b(stdout|stderr)\b' $pure || rc=1
        refuse 'foreign library in a pure layer' 'event2/|sqlite3|<event\.h>' $pure || rc=1
    }
    refuse 'libevent outside net and loop' '#[[:space:]]*include.*event2?/' src/store include || rc=1
    refuse 'sqlite outside store' '#[[:space:]]*include.*sqlite3' src/net src/loop include apps || rc=1
    refuse 'a library prints, exits or aborts' "\b(printf|puts|putchar|perror|exit|_exit|abort|assert)[[:space:]]*\(([^']|\$)" src || rc=1
    refuse 'an app reaches into the library' '#[[:space:]]*include[[:space:]]*"(util|wire|peer|spv/[a-z]+|store|net|loop)/' apps examples || rc=1
    refuse 'a pointer compared with NULL (write p or !p)' '\b(if|while) \(.*[!=]= *NULL\b' src include apps examples bench || rc=1
    refuse 'SPV_OK where 0 is the form' '([!=]= |return )SPV_OK\b' src include apps examples bench || rc=1
    refuse 'a path around the include folders' '#[[:space:]]*include[[:space:]]*"\.\.' src include || rc=1
    hits=$(git grep -nIwE 'TODO|FIXME|XXX' -- '*.c' '*.h' '*.py' '*.sh' '*.txt' '*.cmake' '*.js' ':!tools/lint.sh' ':!tests/interop/package-lock.json')
    if [ -n "$hits" ]; then
        echo "$hits" | sed 's|^|left open: |'
        rc=1
    fi
    # The checkpoint tables are data, written by tools/make_checkpoints.py.
    long=$(sources '*.c' '*.h' '*.py' '*.js' | xargs -r wc -l | awk '$2 != "total" && $1 > 600 && $2 !~ /checkpoints_[a-z0-9]+\.c$/ { print "past 600 lines: " $2 " (" $1 ")" }')
    if [ -n "$long" ]; then
        echo "$long"
        rc=1
    fi
    python3 tools/old_words.py || rc=1
    verdict greps $rc
}

step_commits() {
    if ! git merge-base --is-ancestor "$commits_since" HEAD 2>/dev/null; then
        echo "lint: commits not judged: $commits_since is not in this history"
        return 0
    fi
    rc=0
    for commit in $(git rev-list --no-merges "$commits_since..HEAD"); do
        subject=$(git log -1 --format=%s "$commit")
        body=$(git log -1 --format=%b "$commit")
        length=$(printf %s "$subject" | wc -m)
        if [ "$length" -gt 72 ]; then
            echo "commit $commit has a subject of $length characters, more than 72: $subject"
            rc=1
        fi
        if [ -z "$body" ]; then
            echo "commit $commit has no body that says why and how it was tested: $subject"
            rc=1
        fi
    done
    verdict commits $rc
}

step_cppcheck() {
    have cppcheck cppcheck || return 0
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --suppressions-list=.cppcheck-suppressions --template=gcc -j "$jobs" -I include -I src \
        -D__GNUC__ src $(ls -d apps bench examples 2>/dev/null)
    verdict cppcheck $?
}

step_tidy() {
    have clang-tidy clang-tidy || return 0
    if [ ! -f "$build/compile_commands.json" ]; then
        echo "lint: clang-tidy skipped: $build is not configured"
        skipped=$((skipped + 1))
        return 0
    fi
    # Only what the build folder compiles has a command line to be read with.
    sources 'src/*.c' 'apps/*.c' 'examples/*.c' 'bench/*.c' | while read -r file; do
        grep -qF "/$file\"" "$build/compile_commands.json" && echo "$file"
    done | xargs -r -P "$jobs" -n 4 clang-tidy -p "$build" --quiet 2>/tmp/lint-tidy.$$
    rc=$?
    grep -vE '^[0-9]+ warnings? generated|^Suppressed|^Use -header-filter' /tmp/lint-tidy.$$
    rm -f /tmp/lint-tidy.$$
    verdict clang-tidy $rc
}

step_man() {
    pages=$(sources 'docs/man/*.[1-8]')
    [ -n "$pages" ] || return 0
    have groff 'man pages' || return 0
    rc=0
    for page in $pages; do
        messages=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
        [ -z "$messages" ] || {
            echo "$messages"
            rc=1
        }
    done
    verdict 'man pages' $rc
}

step_scripts() {
    rc=0
    for script in $(sources '*.sh' '.ci/*' 'run' 'check'); do
        if head -1 "$script" | grep -q bash; then bash -n "$script" || rc=1; else sh -n "$script" || rc=1; fi
    done
    for script in $(sources '*.py'); do
        python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$script" || rc=1
    done
    verdict scripts $rc
}

for step in $steps; do
    "step_$step" || verdict "$step" $?
done
if [ "$skipped" -gt 0 ] && [ "${LINT_STRICT:-0}" = 1 ]; then
    failed=$((failed + skipped))
fi
echo "lint: $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
