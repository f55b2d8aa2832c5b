#!/bin/bash
# Sourced after machine.sh: a group without a free extent, and runs that lend it some. What a case leaves lies in $OUT/NAME:
# `exit`, `err`, `events.jsonl`, `machine` (what a loan must not leave changed), `sum` (of the origin), `left`.
workflow=/run/scratch/lend.yaml

make_full_group() {
  vgcreate -q -y -s 1m vg00 /dev/ubdb >/dev/null 2>&1 && lvcreate -q -y -W n -n dat -l 100%FREE vg00 >/dev/null 2>&1 || return
  mkfs.ext4 -q /dev/vg00/dat && mkdir -p /srv/dat && mount /dev/vg00/dat /srv/dat || return
  seq 1 20000 >/srv/dat/kept
  mkdir -p /run/look
  sync
  machine >$OUT/machine-before
}

machine() {
  pvs --noheadings -o pv_name,vg_name,pv_tags,pv_pe_count 2>/dev/null
  vgs --noheadings -o vg_name,vg_tags,vg_free_count,vg_missing_pv_count 2>/dev/null
  losetup --list --noheadings --output NAME,BACK-FILE
  ls /srv /srv/dat
  findmnt -rno TARGET | grep -E '/run/look|/srv/dat'
}

newest_run() { cutwater runs --json | sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' | tail -n 1; }

no_engine() {
  local tenths
  for ((tenths = 0; tenths < 1200; tenths++)); do
    pgrep -x cutwater >/dev/null || return 0
    sleep 0.1
  done
  return 1
}

# Starts a run that is left alone once it copies; it is $engine.
begins_to_copy() { # NAME ARGUMENTS…
  local name=$1
  shift
  blank
  mkdir -p "$OUT/$name"
  rm -f /run/events && mkfifo /run/events
  cutwater run "$workflow" "$@" --json >/run/events 2>"$OUT/$name/err" </dev/null &
  engine=$!
  exec 9</run/events
  grep -m 1 '"event":"intended","step":"copy"' <&9 >/dev/null || { cat "$OUT/$name/err"; exit 91; }
  cat <&9 >/dev/null &
  exec 9<&-
}

aftermath() { # NAME
  local run
  no_engine
  run=$(newest_run)
  mkdir -p "$OUT/$1"
  cutwater show "$run" --events --json >"$OUT/$1/events.jsonl"
  cutwater show "$run" >"$OUT/$1/show" 2>&1
  echo $? >"$OUT/$1/shown"
  machine >"$OUT/$1/machine"
  sha256sum /srv/dat/kept | cut -d ' ' -f 1 >"$OUT/$1/sum"
  lvs --noheadings -o lv_name vg00 2>/dev/null | tr -d ' ' | grep -vx dat >"$OUT/$1/left"
  return 0
}

# The disk that is copied to, as a run wants it.
blank() { dd if=/dev/zero of=/dev/ubdc bs=1M count=80 conv=fsync status=none; }

lends() { # NAME ARGUMENTS…
  local name=$1
  shift
  blank
  mkdir -p "$OUT/$name"
  cutwater run "$workflow" "$@" >"$OUT/$name/out" 2>"$OUT/$name/err" </dev/null
  echo $? >"$OUT/$name/exit"
  aftermath "$name"
}
