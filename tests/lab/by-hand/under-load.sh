#!/bin/bash
# Runs a command while PostgreSQL is written to: the witness as the client that counts, pgbench as
# background load. Wants cutwater-witness in /run/bin. Ends with the command's status, or with 1 if
# the witness finds a transaction lost.
#
#   under-load.sh COMMAND…
#
# In $OUT: acks/ (what was acknowledged), witness.json (the verdict).
set -uo pipefail
out=${OUT:-.} dsn='host=/run/postgresql user=witness dbname=postgres'
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups --reset-env "$@"; }
acked() { cat "$out"/acks/*.acks 2>/dev/null | grep -c '^[0-9]'; }
wait_for_acks() { # COUNT
  local tenths
  for ((tenths = 0; tenths < 600; tenths++)); do
    [ "$(acked)" -ge "$1" ] && return
    sleep 0.1
  done
  echo "under-load.sh: writes do not flow: $(acked) acknowledged, $1 wanted" >&2
  return 1
}
# pgbench ends at the first lost connection, so it is started again and again.
background_load() {
  local client
  trap '[ -z "${client-}" ] || kill "$client"; exit' TERM
  while :; do
    as_postgres pgbench -n -c 2 -T 600 -R 40 >/dev/null 2>&1 </dev/null &
    client=$!
    wait "$client"
    sleep 0.2
  done
}

mkdir -p "$out/acks" && rm -f "$out/stop-witness"
/run/bin/cutwater-witness run --acks "$out/acks" --dsn "$dsn" --clients 4 --stop-file "$out/stop-witness" </dev/null &
witness=$!
background_load &
load=$!
wait_for_acks 100 || exit 1

"$@"
status=$?
instant=$(date +%s%N)

wait_for_acks $(($(acked) + 100)) || status=1
touch "$out/stop-witness"
kill "$load"
wait "$witness" || { echo "under-load.sh: the witness failed" >&2; status=1; }
/run/bin/cutwater-witness verify --acks "$out/acks" --dsn "$dsn" --instant "$instant" \
  >"$out/witness.json" || status=1
cat "$out/witness.json"
exit "$status"
