#!/bin/bash
# Runs all tests in two rows at once: those that spend their time waiting (for servers that start, stop and stand still,
# for deadlines, for slow clients) beside those that keep the processor busy. The row that waits is shown when it has ended.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

WAITING=(outage galera cluster database_servers slow_clients resting websocket bodies bad_upstreams bad_upstreams_http2 crl_files)

programs() {
  local file
  for file in tests/*.rs tests/*/main.rs; do
    file=${file%/main.rs}
    basename "$file" .rs
  done
}

mapfile -t busy < <(programs | grep -vxF -f <(printf '%s\n' "${WAITING[@]}"))
[ $((${#busy[@]} + ${#WAITING[@]})) -eq "$(programs | wc -l)" ] || { echo "$0 names a test that there is not" >&2; exit 1; }

"$cargo" test --no-run
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$cargo" test --no-fail-fast "${WAITING[@]/#/--test=}" >"$log" 2>&1 &
waiting=$!
failed=0
"$cargo" test --no-fail-fast --lib --bins "${busy[@]/#/--test=}" || failed=1
"$cargo" test --doc || failed=1
wait $waiting || failed=1
cat "$log"
exit $failed
