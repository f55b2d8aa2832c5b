#!/bin/bash
# The main job: plans, shows and runs the move of a PostgreSQL under load; leaves in $OUT what the report is made of.
# $BEFORE is sourced once the load runs: what a test breaks. $TERMINAL=1: the live view, on this terminal. $REHEARSE=1: a
# rehearsal with its outage.
set -uo pipefail
. /run/jobs/machine.sh
workflow=/run/workflows/postgres/move-volume.yaml
inputs=(--input target=/dev/vg01/new)
install_cutwater
start_load || exit 90
[ -z "${BEFORE-}" ] || . "$BEFORE" || exit 91

cutwater plan "$workflow" "${inputs[@]}" >"$OUT/plan.txt" 2>"$OUT/plan.err"
planned=$?
cat "$OUT/plan.txt" "$OUT/plan.err"
if [ "$planned" = 0 ]; then
  hash=$(sed -n 's/^hash //p' "$OUT/plan.txt")
  approve_when_asked "$OUT/plan.txt" &
  approver=$!
fi
acked >"$OUT/acked-before-run"
verb=(${REHEARSE:+rehearse --with-outage})
cutwater "${verb[@]:-run}" "$workflow" "${inputs[@]}" ${hash:+--plan "$hash"} 2>&1
status=$?
instant=$(date +%s%N)
[ -z "${approver-}" ] || kill "$approver" 2>/dev/null
echo "$status" >"$OUT/exit"

wait_for_acks $(($(acked) + 100)) || status=92
stop_load
cutwater-witness verify --acks "$OUT/acks" --dsn "$dsn" --instant "$instant" >"$OUT/witness.json" || status=93
run=$(cutwater runs --json 2>/dev/null | sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' | tail -n 1)
if [ -n "$run" ]; then
  cutwater show "$run" --summary --json >"$OUT/show.json"
  cutwater show "$run" --events --json >"$OUT/events.jsonl"
  cutwater show "$run" --timeline >"$OUT/run.svg"
fi
findmnt -no SOURCE /srv/postgresql >"$OUT/mounted"
# After a move the old volume stays fenced, for failing back, and /etc/fstab says what stood there before.
[ "$status" = 0 ] && [ -z "${REHEARSE-}" ] && stays='^(tagged vg00/dat|changed /etc/fstab)$'
left_behind "${stays-}" >"$OUT/left"
lvs --noheadings -o vg_name,lv_name,lv_attr,lv_tags >"$OUT/lvs"
exit "$status"
