# Sourced by .ci/run and .ci/long (bash): named stages with a log each, counted, and one closing line.
#   stage NAME COMMAND...       one check: passed or failed by its exit code; 77 is skipped (last line: why)
#   tests NAME BUILD COMMAND... many: counted from the JUnit file that COMMAND has ctest write
#   skip NAME WHY               says what is not done
#   closing                     prints "N passed, N failed, N skipped" and returns 1 after a failure
logs=$PWD/build/ci
mkdir -p "$logs"
passed=0 failed=0 skipped=0
failures=() skips=()

run_logged() { # name, command...: output to the log; the end of it is shown when it failed
    local name=$1 begun=$SECONDS rc=0
    shift
    printf '== %s\n' "$name"
    log=$logs/${name//[^a-zA-Z0-9]/-}.log
    "$@" >"$log" 2>&1 </dev/null || rc=$?
    took=$((SECONDS - begun))
    return $rc
}

show_failure() {
    echo "-- the last lines of $log:"
    tail -n 60 "$log"
}

stage() {
    local name=$1 rc=0
    run_logged "$@" || rc=$?
    case $rc in
    0)
        passed=$((passed + 1))
        echo "   passed, $took s"
        ;;
    77)
        skip "$name" "$(tail -n 1 "$log")"
        ;;
    *)
        failed=$((failed + 1))
        failures+=("$name (exit $rc)")
        show_failure
        echo "   FAILED with $rc, $took s"
        ;;
    esac
}

tests() {
    local name=$1 junit rc=0 counts p f s
    junit=$PWD/$2/junit.xml
    shift 2
    rm -f "$junit"
    run_logged "$name" "$@" --test-output-size-passed 200000 --output-junit "$junit" || rc=$?
    if ! counts=$(python3 tools/junit_counts.py "$junit" "$logs/$$.detail"); then
        failed=$((failed + 1))
        failures+=("$name (no test results, exit $rc)")
        show_failure
        return
    fi
    read -r p f s <<<"$counts"
    if [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then
        f=1 # the run failed although each test that ran passed
        failures+=("$name (exit $rc)")
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    while IFS=$'\t' read -r kind test why; do
        if [ "$kind" = failed ]; then failures+=("$name: $test"); else skips+=("$name: $test: $why"); fi
    done <"$logs/$$.detail"
    rm -f "$logs/$$.detail"
    [ "$f" -eq 0 ] || show_failure
    echo "   $p passed, $f failed, $s skipped; $took s"
}

skip() {
    skipped=$((skipped + 1))
    skips+=("$1: $2")
    echo "   skipped $1: $2"
}

closing() {
    local line
    echo
    for line in "${skips[@]}"; do echo "skipped  $line"; done
    for line in "${failures[@]}"; do echo "FAILED   $line"; done
    echo "$((SECONDS / 60)) min $((SECONDS % 60)) s"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}
