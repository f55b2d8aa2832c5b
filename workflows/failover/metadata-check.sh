#!/bin/sh
# What a failover asks before it activates a volume group: has anybody changed it since this node looked last?
#
#   metadata-check.sh keep VG DEVICE...    on the node that has the group, after each change of it: keeps its stamp
#   metadata-check.sh ask VG DEVICE...     on the node that is about to take it: says what it found, and leaves with
#                                          0   unchanged: activate at once
#                                          10  changed: read the group anew, then activate
#                                          11  nothing was kept of it: as 10
#                                          12  unchanged, but other groups have come onto the devices
#                                          13  to 19: a person looks first (unreadable, foreign, exported, in transition,
#                                              stale, missing, split); 3, 4: it could not be asked
#
# KEPT (/var/lib/cutwater-failover) is a folder of this node; the keeping node sends its file VG.json over.
set -u
usage() { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 3 ] || usage
verb=$1 vg=$2
shift 2
kept=${KEPT:-/var/lib/cutwater-failover}
with=$(for device in "$@"; do printf '"%s"\n' "$device"; done | paste -sd, -)
with="\"vg\":\"$vg\",\"devices\":[$with]"
id=$(lvm systemid 2>/dev/null | sed -n 's/^ *system ID: //p')
[ -z "$id" ] || with="$with,\"system-id\":\"$id\""

case $verb in
  keep)
    mkdir -p "$kept" && new=$(mktemp "$kept/.$vg.XXXXXX") || exit 4
    cutwater step lvm.metadata-check --json --with "{$with}" >"$new" && sync "$new" && mv "$new" "$kept/$vg.json" ||
      { status=$?; rm -f "$new"; exit "$status"; }
    ;;
  ask)
    [ ! -s "$kept/$vg.json" ] || with="$with,\"known\":$(cat "$kept/$vg.json")"
    exec cutwater step lvm.metadata-check --json --with "{$with}" --exit-code steps.step.code
    ;;
  *) usage ;;
esac
