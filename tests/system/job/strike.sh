# Sourced after machine.sh: runs of the main job that are struck at an event of their journal. What a run leaves lies in
# $OUT/NAME: `status` (of the run, as `cutwater watch` tells it), `by` (the owners' process ids), `guard` (the first
# guard's), `summary.json`, `events.jsonl`, `mounted`, `left`, `witness.json`.
workflow=/run/workflows/postgres/move-volume.yaml
inputs=(--input target=/dev/vg01/new)

newest_run() { cutwater runs --json | sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' | tail -n 1; }

# Starts a run, and sends the signal to its engine, $engine, as soon as its journal holds the event.
run_until() { # NAME PATTERN SIGNAL
  local folder=$OUT/$1 events=/run/$1.jsonl
  mkdir -p "$folder"
  : >"$events"
  approve_when_asked "$events" &
  approver=$!
  cutwater run "$workflow" "${inputs[@]}" --json >"$events" 2>"$folder/err" &
  engine=$!
  grep -m 1 -e "$2" < <(tail -n +1 -f --pid="$engine" "$events") >"$folder/struck"
  kill "-$3" "$engine"
  kill "$approver" 2>/dev/null
  [ -s "$folder/struck" ] || { echo "$1: the run never came to $2"; cat "$folder/err"; return 1; }
}

# Makes a run that faults strike: $status is that of its engine, $instant when it ended.
run_with() { # NAME FAULTS
  local folder=$OUT/$1 events=/run/$1.jsonl
  mkdir -p "$folder"
  : >"$events"
  approve_when_asked "$events" &
  approver=$!
  # Words without spaces.
  cutwater run "$workflow" "${inputs[@]}" --json $(printf -- '--fault %s ' $2) >"$events" 2>"$folder/err"
  status=$?
  instant=$(date +%s%N)
  run=$(newest_run)
}

# A run that a fault kills, and its end: where something is down the guard goes on with it, else a person does, whose
# engine may be struck, too.
killed() { # NAME FAULTS [FAULTS OF WHO RESUMES]
  local folder=$OUT/$1
  run_with "$1" "$2"
  [ "$status" = 137 ] || { echo "$1: nothing killed the engine, it left with $status"; cat "$folder/err"; exit 94; }
  # An engine that dies with its first event has told nobody which plan is to be approved.
  [ -s "/run/$1.jsonl" ] || cutwater show "$run" --events --json >"/run/$1.jsonl"
  timeout 300 cutwater watch "$run" >"$folder/watch" 2>&1
  status=$?
  # Nobody goes on with it: it waits (7), or stopped part-way (5).
  if [ "$status" = 7 ] || [ "$status" = 5 ]; then
    cutwater resume "$run" ${3:+--fault $3} >"$folder/resumed" 2>&1
    status=$?
  fi
  kill "$approver" 2>/dev/null
  echo "$status" >"$folder/status"
  # What every boot does.
  cutwater resume --all >"$folder/resumed-all" 2>&1
  aftermath "$1" "$instant"
}

# A run with a sabotage in it, which ends by itself.
sabotaged() { # NAME FAULTS
  run_with "$@"
  kill "$approver" 2>/dev/null
  echo "$status" >"$OUT/$1/status"
  aftermath "$1" "$instant"
}

# A run whose lvcreate is killed while it has the origin suspended, and its engine with it; then a person resumes, whose
# engine may be struck.
lvcreate_killed() { # NAME [FAULTS OF WHO RESUMES]
  local folder=$OUT/$1
  mkdir -p "$folder"
  cutwater run "$workflow" "${inputs[@]}" >"$folder/out" 2>"$folder/err" &
  engine=$!
  python3 /run/jobs/kill_suspended.py "$(dmsetup info -c --noheadings -o minor vg00-dat)" "$engine" || exit 94
  instant=$(date +%s%N)
  wait "$engine"
  run=$(newest_run)
  dmsetup info -c --noheadings -o suspended vg00-dat >"$folder/origin"
  cutwater resume "$run" ${2:+--fault $2} >"$folder/resumed" 2>&1
  echo $? >"$folder/status"
  left_behind >"$folder/left"
}

# Lets the machine wait for a power cut at the event: the engine does nothing more.
cut_at() { # NAME PATTERN
  run_until "$@" STOP || exit 94
  touch "$OUT/$1/cut"
  wait "$engine"
}

# What is asked once the run is over; `$2`: when it was struck.
aftermath() { # NAME INSTANT
  local folder=$OUT/$1 tenths stays=
  for ((tenths = 0; tenths < 300; tenths++)); do
    pgrep -x cutwater >/dev/null || break
    sleep 0.1
  done
  wait_for_acks $(($(acked) + 100)) || exit 92
  cutwater-witness verify --acks "$OUT/acks" --dsn "$dsn" --instant "$2" >"$folder/witness.json"
  cutwater show "$run" --summary --json >"$folder/summary.json"
  cutwater show "$run" --events --json >"$folder/events.jsonl"
  cp -r /run/cutwater "$folder/" 2>/dev/null
  findmnt -no SOURCE /srv/postgresql >"$folder/mounted"
  [ "$(cat "$folder/status")" = 0 ] && stays='^(tagged vg00/dat|changed /etc/fstab)$'
  left_behind "$stays" >"$folder/left"
}

# After a power cut: the run that the boot went on with, and the load again.
after_boot() { # NAME
  run=$(newest_run)
  timeout 60 cutwater watch "$run" >"$OUT/$1/watch" 2>&1
  local status=$?
  # Before the outage the boot goes on, until a person is asked.
  if [ "$status" = 7 ] || [ "$status" = 5 ]; then
    cutwater abort "$run" >"$OUT/$1/aborted" 2>&1
    status=$?
  fi
  echo "$status" >"$OUT/$1/status"
  start_load || exit 90
  aftermath "$1" "$(date +%s%N)"
}
