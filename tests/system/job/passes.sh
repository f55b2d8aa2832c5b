#!/bin/bash
# Sourced after machine.sh: a busy service on a volume that a run moves to another group in passes. What a case leaves lies in
# $OUT/NAME: `exit`, `err`, `said` (its last words), `events.jsonl`, `summary.json`, `mounted`, `running`, `sound` (what fsck found), `lost` (lines that were
# acknowledged and are gone), `gap` (for how many milliseconds none was), `after` (how many came once it was over), `left`.
workflow=/run/workflows/lvm/move-in-passes.yaml
at=/srv/app/data

app() { /etc/cutwater-lab/services/app "$@"; }

make_busy() {
  printf '  app:\n    start: [app, start]\n    stop: [app, stop]\n    status: [app, status]\n    fence-file: %s\n' \
    /etc/cutwater-fences/app >>/etc/cutwater/policy.yaml
  cat >/etc/cutwater-lab/services/app <<'APP'
#!/bin/sh
case $1 in
start) status=$($0 status) && exit; cd /; setsid python3 /run/jobs/busy.py "$OUT/acks" </dev/null >/dev/null 2>&1 & echo $! >/run/app ;;
stop) ! [ -e /run/app ] || { kill "$(cat /run/app)" 2>/dev/null; while kill -0 "$(cat /run/app)" 2>/dev/null; do sleep 0.05; done; rm /run/app; } ;;
status) kill -0 "$(cat /run/app 2>/dev/null)" 2>/dev/null || exit 3 ;;
esac
APP
  sed -i "s|\$OUT|$OUT|" /etc/cutwater-lab/services/app
  chmod 755 /etc/cutwater-lab/services/app
  lvcreate -q -y -W n -n data -L 96M vg00 && mkfs.ext4 -q /dev/vg00/data && mkdir -p $at || return
  echo "/dev/vg00/data $at ext4 defaults,nofail 0 0" >>/etc/fstab
  mount $at && head -c 48M /dev/urandom >$at/pages && sync
  app start
}

# Clears the target, so that the next run may take it.
make_target() {
  target=/dev/vg01/copy
  ! lvs vg01/copy >/dev/null 2>&1 || lvremove -q -y vg01/copy
  lvcreate -q -y -W y -n copy -L 128M vg01 >/dev/null && dd if=/dev/zero of=$target bs=1M count=128 oflag=direct status=none
}

acks() { cat "$OUT/acks" 2>/dev/null; }

# Moves the volume; says yes where it is asked, a while after.
move_in_passes() { # NAME ARGUMENTS…
  local folder=$OUT/$1 events=/run/$1.jsonl
  shift
  mkdir -p "$folder"
  : >"$events"
  cutwater run "$workflow" --input target=$target --input measure=3s "$@" --json >"$events" 2>"$folder/err" &
  local engine=$! approver status count tenths
  approve_when_asked "$events" &
  approver=$!
  wait $engine
  status=$?
  kill $approver 2>/dev/null
  run=$(cutwater runs --json | sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' | tail -n 1)
  # Where a fault killed it, its guard goes on, or a person.
  if [ $status = 137 ]; then
    timeout 120 cutwater watch "$run" >"$folder/watch" 2>&1
    status=$?
    if [ $status = 7 ] || [ $status = 5 ]; then cutwater resume "$run" >"$folder/resumed" 2>&1; status=$?; fi
  fi
  echo $status >"$folder/exit"
  tail -n 3 "$events" | cut -c 1-2000 >"$folder/said"
  for ((tenths = 0; tenths < 300; tenths++)); do pgrep -x cutwater >/dev/null || break; sleep 0.1; done
  count=$(acks | wc -l)
  sleep 2
  echo $(($(acks | wc -l) - count)) >"$folder/after"
  cutwater show "$run" --events --json >"$folder/events.jsonl"
  cutwater show "$run" --summary --json >"$folder/summary.json"
  app status && echo yes >"$folder/running"
  findmnt -rno SOURCE $at >"$folder/mounted"
  app stop
  sort "$OUT/acks" | comm -23 - <(sort $at/lines) >"$folder/lost"
  acks | cut -d' ' -f1 | sort -n | awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { print int(most / 1000000) }' >"$folder/gap"
  local device
  device=$(cat "$folder/mounted")
  umount $at && { e2fsck -fn "$device" >/dev/null 2>&1 || echo "$?"; } >"$folder/sound"
  mount "$device" $at
  local stays='^node (vg00-data|vg01-copy)$'
  [ $status = 0 ] && stays='^(node (vg00-data|vg01-copy)|tagged vg00/data|changed /etc/fstab)$'
  left_behind "$stays" >"$folder/left"
  : >"$OUT/acks"; rm -f $at/lines
  app start
}
