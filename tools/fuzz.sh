#!/bin/bash
# Runs each fuzz target of build/fuzz for its share of time: tools/fuzz.sh TOTAL_SECONDS [TARGET...]
# The seeds in tests/fuzz/corpus/ are read; what a run finds new is kept in build/fuzz/found/. Two at a
# time. A finding's input is kept beside the log, and the exit code is 1.
set -u
cd "$(dirname "$0")/.." || exit 2
total=$1
shift
bin=build/fuzz/tests/fuzz
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for program in "$bin"/fuzz_*; do
        [ -f "$program" ] && [ -x "$program" ] && targets+=("${program##*/fuzz_}")
    done
fi
[ ${#targets[@]} -gt 0 ] || {
    echo "fuzz.sh: no fuzz target is built (cmake --preset fuzz && cmake --build --preset fuzz)"
    exit 1
}
jobs=$(nproc 2>/dev/null || echo 2)
share=$((total * jobs / ${#targets[@]}))
[ "$share" -gt "$total" ] && share=$total
[ "$share" -gt 0 ] || share=1

one() { # target
    local found=build/fuzz/found/$1 log=build/fuzz/found/$1.log seeds=tests/fuzz/corpus/$1 rc=0
    case $1 in wire_*) seeds=tests/fuzz/corpus/wire ;; esac
    mkdir -p "$found"
    "$bin/fuzz_$1" -max_total_time="$share" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/found/$1-" "$found" "$seeds" >"$log" 2>&1 </dev/null || rc=$?
    if [ $rc -eq 0 ]; then
        echo "fuzz $1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $share s, no finding"
    else
        tail -n 40 "$log"
        echo "fuzz $1: FINDING, see build/fuzz/found/$1-*"
    fi
    return $rc
}

rc=0
running=0
for target in "${targets[@]}"; do
    if [ "$running" -ge "$jobs" ]; then
        wait -n || rc=1
        running=$((running - 1))
    fi
    one "$target" &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
    wait -n || rc=1
    running=$((running - 1))
done
exit $rc
