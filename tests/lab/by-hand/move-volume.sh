#!/bin/bash
# Moves PostgreSQL to a volume in another group the way a careful person does it by hand: lvcreate,
# dd, pg_ctl. It is the oracle of the tests and the peer of the benchmarks, so it undoes nothing: a
# failure stops it where it stands, and says where that is.
#
#   move-volume.sh [VG/VOLUME [TARGET-DEVICE [MOUNT-POINT [SERVICE]]]]
#
# Leaves $OUT/by-hand.json with the times in milliseconds and the bytes of each pass.
set -euo pipefail
origin=${1:-vg00/dat} target=${2:-/dev/vg01/new} at=${3:-/srv/postgresql} name=${4:-postgresql@15-main}
vg=${origin%/*} device=/dev/$origin snapshot=${origin#*/}-by-hand
service=/etc/cutwater-lab/services/$name fence=/etc/cutwater-fences/$name
out=${OUT:-.} lasting=${LASTING_SECONDS:-60}

now() { date +%s%N; }
declare -A ms=()
step() { # NAME COMMAND…
  local step=$1 from; shift
  echo "== $step: $*"; from=$(now)
  "$@" || { echo "move-volume.sh: $step failed; nothing is undone" >&2; exit 1; }
  ms[$step]=$((($(now) - from) / 1000000))
  echo "   ${ms[$step]} ms"
}
query() { setpriv --reuid postgres --regid postgres --init-groups psql -qXAt -v ON_ERROR_STOP=1 -c "$1"; }
size() { blockdev --getsize64 "$1"; }
copy() { dd if="$1" of="$2" bs=4M iflag=direct oflag=direct conv=fsync status=none; }

# How many extents the exception store needs: chunks c of 4 KiB, E = c/16 exceptions for each chunk of
# metadata, U chunks dirtied while the snapshot lasts (at most all), a third on top.
# The rate is what the volume is written now: an upper bound, because chunks are dirtied only once.
check_extents() {
  local dm rate extent free chunks unique store
  dm=$(lsblk -dno KNAME "$device")
  rate=$(awk '{print $7}' "/sys/block/$dm/stat"); sleep 3
  rate=$((($(awk '{print $7}' "/sys/block/$dm/stat") - rate) * 512 / 3))
  read -r extent free < <(vgs --noheadings --nosuffix --units b -o vg_extent_size,vg_free_count "$vg")
  chunks=$(($(size "$device") / 4096))
  unique=$((rate * lasting / 4096))
  [ "$unique" -lt "$chunks" ] || unique=$chunks
  store=$((4096 * (2 + unique + unique / 256)))
  extents=$(((store * 13 / 10 + extent - 1) / extent))
  [ "$extents" -ge 8 ] || extents=8
  echo "$rate bytes a second for $lasting s: $extents extents of $extent bytes, $free are free"
  [ "$extents" -le "$free" ] || { echo "$vg lacks $((extents - free)) extents" >&2; return 1; }
}
# Two sums and not cmp, which reads in small pieces and takes twice as long.
digest() { dd if="$1" bs=4M iflag=direct status=none | b2sum; }
same_content() { [ "$(digest "$device")" = "$(digest "$target")" ]; }
same_size() { [ "$(size "$device")" = "$(size "$target")" ]; }
snapshot_holds() {
  local invalid
  invalid=$(lvs --noheadings -o lv_snapshot_invalid "$vg/$snapshot") && [ -z "${invalid// /}" ]
}
bar_service() { mkdir -p "${fence%/*}" && touch "$fence" && sync -f "$fence"; }
switch_fstab() {
  sed "s|^$device[[:space:]]|$target |" /etc/fstab >/etc/fstab.new
  grep -q "^$target " /etc/fstab.new && sync /etc/fstab.new && mv /etc/fstab.new /etc/fstab && sync -f /etc/fstab
}
admit_service() { rm "$fence" && sync -f "${fence%/*}"; }

[ -b "$target" ] || { echo "$target is no block device" >&2; exit 1; }
[ -z "$(blkid -p -o value -s TYPE "$target" || true)" ] || { echo "$target carries data" >&2; exit 1; }
step check_size same_size
step check_extents check_extents
identity=$(query "select system_identifier from pg_control_system()")
step checkpoint query checkpoint
step snapshot lvcreate -y -s -l "$extents" -c 4k -n "$snapshot" --addtag by-hand "$origin"
step first_pass copy "/dev/$vg/$snapshot" "$target"
step snapshot_holds snapshot_holds

step bar bar_service
began=$(now)
step stop "$service" stop
step unmount umount "$at"
step final_pass copy "$device" "$target"
step compare same_content
step mount mount -t xfs "$target" "$at"
step start "$service" start
step check test "$(query "select system_identifier from pg_control_system()")" = "$identity"
ended=$(now)
echo "down for $(((ended - began) / 1000000)) ms; the ledger holds $(query "select count(*) from ledger") rows"
step fstab switch_fstab
step admit admit_service

# The old volume stays, for failing back, but neither activates nor mounts by itself any more.
step tidy lvremove -y "$vg/$snapshot"
step fence lvchange --setautoactivation n "$origin"
step skip lvchange --setactivationskip y "$origin"
step deactivate lvchange -an "$origin"

{
  printf '{"downtime_ms": %d, "began_unix_ns": %d, "ended_unix_ns": %d' \
    $(((ended - began) / 1000000)) "$began" "$ended"
  printf ', "bytes_copied": {"first_pass": %d, "final_pass": %d}, "step_ms": {' \
    "$(size "$target")" "$(size "$target")"
  separator=
  for step in "${!ms[@]}"; do printf '%s"%s": %d' "$separator" "$step" "${ms[$step]}"; separator=', '; done
  echo '}}'
} >"$out/by-hand.json"
