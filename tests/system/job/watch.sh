#!/bin/bash
# Sourced after machine.sh: a volume that is written while a run keeps a snapshot of it and watches the snapshot's store. What a
# case leaves lies in $OUT/NAME: `exit`, `events.jsonl`, `before` and `after` (what the volume held when the snapshot was taken,
# and what it holds), `wrote` (what it should hold), `snapshot` (what the snapshot shows, if there is one), `lvs`, `tables`, `left`.
workflow=/run/scratch/watch.yaml
origin=/dev/vg00/origin
mib=96

make_origin() {
  lvcreate -q -y -W n -n origin -L ${mib}M vg00 >/dev/null && dd if=/dev/urandom of=$origin bs=1M count=$mib oflag=direct status=none
}

# Leaves so many extents of vg00 free.
leave_free() { # EXTENTS
  local free
  free=$(vgs --noheadings -o vg_free_count vg00 | tr -d ' ')
  [ "$free" -le "$1" ] || lvcreate -q -y -W n -n filler -l $((free - $1)) vg00 >/dev/null
}

# Writes over the volume from its beginning, so many KiB at a time with a pause between, and the same to a file.
burst() { # KIB PAUSE MIB
  local kib=$1 pause=$2 blocks=$(($3 * 1024 / $1)) block
  for ((block = 0; block < blocks; block++)); do
    head -c ${kib}K /dev/urandom >/run/block
    dd if=/run/block of=$origin bs=${kib}K seek=$block oflag=direct conv=notrunc status=none || break
    dd if=/run/block of=/run/wrote bs=${kib}K seek=$block conv=notrunc status=none
    [ "$pause" = 0 ] || sleep "$pause"
    kill -0 $engine 2>/dev/null || break
  done
}

hash_of() { dd if="$1" bs=1M iflag=direct status=none | sha256sum; }

begin_case() { # NAME ARGUMENTS…
  folder=$OUT/$1 events=/run/$1.jsonl
  shift
  mkdir -p "$folder"
  dd if=$origin of=/run/wrote bs=1M iflag=direct status=none
  hash_of $origin >"$folder/before"
  : >"$events"
  cutwater run "$workflow" "$@" --json >"$events" 2>"$folder/err" &
  engine=$!
}

wait_for() { # PATTERN
  local tenths
  for ((tenths = 0; tenths < 600; tenths++)); do
    grep -q "$1" "$events" && return
    kill -0 $engine 2>/dev/null || return
    sleep 0.1
  done
}

end_case() {
  wait $engine
  echo $? >"$folder/exit"
  run=$(cutwater runs --json | sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' | tail -n 1)
  cutwater show "$run" --events --json >"$folder/events.jsonl"
  cutwater show "$run" --json >"$folder/show.json"
  hash_of $origin >"$folder/after"
  sha256sum </run/wrote >"$folder/wrote"
  lvs --noheadings -o lv_name,lv_size,lv_snapshot_invalid --units m --nosuffix --binary vg00 >"$folder/lvs"
  [ ! -e $origin-cutwater ] || hash_of $origin-cutwater >"$folder/snapshot"
  dmsetup table | grep -E '^vg00-origin' | cut -d' ' -f1-4 | sort >"$folder/tables"
  left_behind '^node vg00-(origin|filler)$' >"$folder/left"
  return 0
}
