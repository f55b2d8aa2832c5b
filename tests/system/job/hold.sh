#!/bin/bash
# Sourced after machine.sh: snapshots of two volumes inside backup mode, on a machine under load. What a case leaves lies
# in $OUT: `exit` (the run's), `acked-before`, `rows-after`, `show.json`, `events.jsonl`, `witness.json`, `left`,
# `mounts`, `sessions` (of Cutwater, on the live server), `servers` (of Cutwater's).
workflow=/run/workflows/postgres/snapshot-two-volumes.yaml
# What is tried is not the limit: a loaded machine may be slow. The rows of a client are n, without a hole, from 1 on.
rows="select coalesce(sum(n), 0) from (select count(*) as n, max(n) as last from ledger group by client) t where n = last"
inputs=(--input limit=10m --input "query=$rows")
mark="application_name like 'cutwater.%'"

newest_run() { cutwater runs --json | sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' | tail -n 1; }

# Starts a run; returns when its journal holds the event. The run's process is $engine, its later events go on to `rest`.
run_until() { # PATTERN ARGUMENTS…
  local pattern=$1; shift
  mkfifo /run/events
  cutwater run "$@" --json >/run/events 2>"$OUT/err" &
  engine=$!
  exec 9</run/events
  grep -m 1 -e "$pattern" <&9 >"$OUT/struck" || { echo "the run never came to $pattern"; cat "$OUT/err"; exit 94; }
  cat <&9 >>"$OUT/rest" &
  reader=$!
  exec 9<&-
}

# Waits until the command succeeds, two minutes at most; tells how many milliseconds that took.
wait_until() { # COMMAND…
  local began=$(($(date +%s%N) / 1000000)) now
  until "$@"; do
    now=$(($(date +%s%N) / 1000000))
    [ $((now - began)) -lt 120000 ] || return 1
    sleep 0.1
  done
  echo $(($(date +%s%N) / 1000000 - began))
}

no_session() { [ "$(query "select count(*) from pg_stat_activity where $mark")" = 0 ]; }
no_engine() { ! pgrep -x cutwater >/dev/null; }

kill_engine() {
  kill -KILL "$engine"
  instant=$(date +%s%N)
  wait "$engine" 2>/dev/null
}

# Nobody resumes the run but the guard; its end is awaited here.
taken_over() {
  run=$(newest_run)
  timeout 400 cutwater watch "$run" >"$OUT/watch" 2>&1
  echo $? >"$OUT/exit"
}

# Starts a run that a fault kills, and waits for its end; what it leaves lies in $OUT/NAME.
killed() { # NAME FAULTS
  local all=$OUT
  OUT=$all/$1
  mkdir -p "$OUT" && ln -sfn ../acks "$OUT/acks"
  # Words without spaces.
  cutwater run "$workflow" "${inputs[@]}" --json $(printf -- '--fault %s ' $2) >"$OUT/run.jsonl" 2>"$OUT/err"
  local status=$?
  instant=$(date +%s%N)
  [ "$status" = 137 ] || { echo "$1: nothing killed the engine, it left with $status"; cat "$OUT/err"; exit 94; }
  taken_over
  if grep -qE '^(5|7)$' "$OUT/exit"; then
    cutwater resume "$run" >"$OUT/resumed" 2>&1
    echo $? >"$OUT/exit"
  fi
  # What every boot does.
  cutwater resume --all >"$OUT/resumed-all" 2>&1
  aftermath
  query "select count(*) from pg_stat_activity where $mark" >"$OUT/sessions"
  wait_for_acks $(($(acked) + 100)) || exit 92
  cutwater-witness verify --acks "$OUT/acks" --dsn "$dsn" --instant "$instant" >"$OUT/witness.json"
  OUT=$all
}

aftermath() {
  wait_until no_engine >/dev/null
  run=$(newest_run)
  cutwater show "$run" --summary --json >"$OUT/show.json"
  echo $? >"$OUT/shown"
  cutwater show "$run" --events --json >"$OUT/events.jsonl"
  findmnt -rno TARGET | grep cutwater-copy >"$OUT/mounts"
  pgrep -af 'cluster_name=[c]utwater' >"$OUT/servers"
  left_behind >"$OUT/left"
  return 0
}

asked_at_the_end() {
  query "select count(*) from pg_stat_activity where $mark" >"$OUT/sessions"
  wait_for_acks $(($(acked) + 100)) || exit 92
  query 'select count(*) from ledger' >"$OUT/rows-after"
  stop_load
  cutwater-witness verify --acks "$OUT/acks" --dsn "$dsn" --instant "${instant:-$(date +%s%N)}" >"$OUT/witness.json"
}
