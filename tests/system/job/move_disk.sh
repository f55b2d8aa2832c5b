#!/bin/bash
# Sourced after machine.sh: two volumes on one disk, or on two, that a run moves to another disk while files on them are written.
# What a case leaves lies in $OUT/NAME: `before` and `on` (the disk of each volume), `to`, `exit`, `lost` (lines that were
# acknowledged and are gone), `kept` (other files that are not what they were), `sound` (what fsck found), `left`; `struck`: how
# far the kernel was when it was aborted or cut; `cut-off`: the layout that LVM left and a person had to finish, with `by-hand`.
workflow=/run/workflows/lvm/move-disk.yaml
volumes=(one two)
disks=(/dev/ubdb /dev/ubdc /dev/ubdd)

# The kernel copies so slowly that a strike meets it half-way.
echo 3 >/sys/module/dm_mirror/parameters/raid1_resync_throttle

make_volumes() {
  vgcreate -q -y vg00 "${disks[@]}" || return
  local name
  for name in "${volumes[@]}"; do
    lvcreate -q -y -W n -n $name -L 48M vg00 /dev/ubdb && mkfs.ext4 -q /dev/vg00/$name || return
    mkdir -p /srv/$name
    echo "/dev/vg00/$name /srv/$name ext4 defaults,nofail 0 0" >>/etc/fstab
    mount /srv/$name && head -c 20M /dev/urandom >/srv/$name/kept || return
  done
  (cd /srv && sha256sum */kept) >/srv/sums
  sync
}

# Each line is on the volume before it is acknowledged in the share.
start_writing() {
  mkdir -p "$OUT/acks"
  python3 - "$OUT/acks" "${volumes[@]}" <<'WRITER' &
import os, sys, time
acks, names = sys.argv[1], sys.argv[2:]
files = [(open(f"/srv/{name}/lines", "a"), open(f"{acks}/{name}", "a")) for name in names]
while True:
    for pair in files:
        line = f"{time.monotonic_ns()} {os.urandom(8).hex()}\n"
        for file in pair:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    time.sleep(0.02)
WRITER
  writer=$!
}

newest_run() { cutwater runs --json | sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' | tail -n 1; }

layout() { lvs -a --noheadings -o lv_name,seg_pe_ranges,lv_attr,move_pv vg00 | sed 's/^ *//; s/  */ /g; s/ $//' | sort; }

# The disk of each volume that lies on one.
disk_of_each() { layout | sed -n 's/^\([a-z]*\) \(.*\):[0-9]*-[0-9]* [^ ]*$/\1 \2/p'; }

look() { # NAME
  local folder=$OUT/$1 name
  kill "$writer" && wait "$writer"
  layout >"$folder/layout"
  disk_of_each >"$folder/on"
  # From the disks and the metadata, not from memory.
  for name in "${volumes[@]}"; do umount /srv/$name; done
  vgchange -q -an vg00 && vgchange -q -ay vg00
  for name in "${volumes[@]}"; do e2fsck -fn /dev/vg00/$name >/dev/null 2>&1 || echo "$name: $?"; done >"$folder/sound"
  mount -a
  (cd /srv && sha256sum -c --quiet sums) >"$folder/kept" 2>&1
  for name in "${volumes[@]}"; do sort "$OUT/acks/$name" | comm -23 - <(sort /srv/$name/lines); done >"$folder/lost"
  echo $(($(wc -l <"$OUT/acks/one") - $(cat "$folder/acknowledged-before"))) >"$folder/acknowledged"
  {
    left_behind '^(node vg00-(one|two))$'
    # Upper case: it is locked, as volumes are while they are moved.
    grep -E 'pvmove| -w[A-Z]' "$folder/layout"
    pgrep -x pvmove | sed 's/^/process /'
  } >"$folder/left"
  run=$(newest_run)
  cutwater show "$run" --events --json >"$folder/events.jsonl"
  start_writing
}

# The run goes from the disks on which the volumes are to the first other one.
choose() {
  from=$(disk_of_each | cut -d' ' -f2 | sort -u)
  to=$(printf '%s\n' "${disks[@]}" | grep -vxF "$from" | head -n 1)
  inputs=(--input "from=[\"${from//$'\n'/\",\"}\"]" --input "to=$to")
  last=$(($(wc -l <<<"$from") - 1))
}

# Puts the volumes on two disks.
spread() {
  choose
  pvmove -q -i 1 -n vg00/two "$from" "$to" >/dev/null
}

planned() {
  choose
  cutwater plan "$workflow" "${inputs[@]}" >"$OUT/plan" 2>&1
}

# Starts a run, and waits until its move begins.
begin() { # NAME
  local folder=$OUT/$1 events=/run/$1.jsonl
  mkdir -p "$folder"
  choose
  disk_of_each >"$folder/before"
  echo "$to" >"$folder/to"
  wc -l <"$OUT/acks/one" >"$folder/acknowledged-before"
  : >"$events"
  cutwater run "$workflow" "${inputs[@]}" --json >"$events" 2>"$folder/err" &
  engine=$!
  told intended 0 "$1"
  began=$(date +%s%N)
}

told() { # EVENT INSTANCE NAME
  grep -q -m 1 -e "\"event\":\"$1\",\"step\":\"move\[$2\]\"" < <(tail -n +1 -f --pid="$engine" "/run/$3.jsonl")
}

moved() { # NAME
  begin "$1"
  told answered "$last" "$1"
  echo $((($(date +%s%N) - began) / 1000000)) >/srv/milliseconds
  cp /srv/milliseconds "$OUT/$1/"
  wait "$engine"
  echo $? >"$OUT/$1/exit"
  look "$1"
}

# Waits for a part of the time that a whole move takes, or until the kernel has copied something, and tells how far it is.
strike_after() { # NAME THOUSANDTHS|copying
  if [ "$2" = copying ]; then
    until dmsetup status vg00-pvmove0 2>/dev/null | grep -q ' mirror .* [1-9][0-9]*/'; do :; done
  else
    sleep "$(awk "BEGIN { print $(cat /srv/milliseconds) * $2 / 1000000 }")"
    if ! kill -0 "$engine" 2>/dev/null; then
      # This one was faster than the first: another one is struck earlier.
      begin "$1"
      strike_after "$1" $(($2 / 2))
      return
    fi
  fi
  { dmsetup status | grep 'pvmove.*mirror' || echo 'no copy under way'; } >"$OUT/$1/struck"
}

aborted() { # NAME THOUSANDTHS|copying
  begin "$1"
  strike_after "$1" "$2"
  cutwater abort "$(newest_run)" >"$OUT/$1/aborted" 2>&1
  wait "$engine"
  echo $? >"$OUT/$1/exit"
  look "$1"
}

# Lets the machine wait for a power cut. The next boot goes on with the run unless a person is to choose.
lose_power() { # NAME THOUSANDTHS|copying GOES-ON
  [ "$3" = forth ] || rm -f /etc/cutwater-lab/resume
  begin "$1"
  strike_after "$1" "$2"
  touch "$OUT/$1/cut"
  sleep infinity
}

after_cut() { # NAME GOES-ON
  local status
  start_writing
  if [ "$2" = forth ]; then
    timeout 120 cutwater watch "$(newest_run)" >"$OUT/$1/watch" 2>&1
  else
    cutwater abort "$(newest_run)" >"$OUT/$1/watch" 2>&1
  fi
  status=$?
  # It was over by the time the power went: then it stays so.
  if grep -q '^error: run .* is over' "$OUT/$1/watch"; then
    cutwater watch "$(newest_run)" >"$OUT/$1/late" 2>&1
    status=$?
  fi
  if [ "$status" = 5 ]; then
    layout >"$OUT/$1/cut-off"
    finish_by_hand "$1"
    status=$?
  fi
  echo "$status" >"$OUT/$1/exit"
  install_cutwater
  look "$1"
}

# What a person does about a run that waits because LVM was cut off while it ended a move; the status of the run then.
finish_by_hand() { # NAME
  TMPDIR=/srv /run/workflows/lvm/finish-move.sh vg00 <<<yes >"$OUT/$1/by-hand" 2>&1 || return 90
  cutwater resume "$(newest_run)" >>"$OUT/$1/by-hand" 2>&1
}

# LVM cannot end a move while somebody has its image open. Forth: the engine is killed, and the volumes are not active while they
# are finished; back: the run goes back by itself, and they are written to. `waited` is the status of the run that waits.
cut_off() { # NAME GOES-ON
  local name
  begin "$1"
  strike_after "$1" copying
  mknod /run/image b $(dmsetup info -c --noheadings --separator ' ' -o major,minor vg00-pvmove0_mimage_0)
  sleep infinity </run/image &
  local holder=$!
  [ "$2" = back ] || kill -9 "$engine"
  wait "$engine"
  echo $? >"$OUT/$1/waited"
  while pgrep -x pvmove >/dev/null; do sleep 0.1; done
  layout >"$OUT/$1/cut-off"
  kill "$holder"
  rm /run/image
  if [ "$2" = back ]; then
    cutwater show "$(newest_run)" >"$OUT/$1/watch" 2>&1
    finish_by_hand "$1"
  else
    cutwater resume "$(newest_run)" >"$OUT/$1/watch" 2>&1
    echo $? >"$OUT/$1/waited"
    kill "$writer" && wait "$writer"
    for name in "${volumes[@]}"; do umount /srv/$name; done
    vgchange -q -an vg00
    finish_by_hand "$1"
  fi
  echo $? >"$OUT/$1/exit"
  vgchange -q -ay vg00
  mount -a
  [ "$2" = back ] || start_writing
  look "$1"
}
