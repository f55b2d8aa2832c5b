#!/bin/bash
# Sourced after machine.sh and rollback.sh: volumes of the service `app` backed up and restored. What a case leaves lies in
# $OUT/NAME: `exit`, `err`, `events.jsonl`, `after` (all that is on the volume), `mounted`, `running`, `tables`, `backups`, `left`.
workflows=/run/workflows/backup
repository=/srv/backup/restic
password=/etc/cutwater/secrets/restic

by_hand() { restic --no-cache --password-file "$password" --repo "$repository" "$@" </dev/null; }

make_repository() {
  (umask 077 && mkdir -p /etc/cutwater/secrets && echo correct-horse-battery >"$password")
  printf 'secrets:\n  restic: { file: %s }\n' "$password" >>/etc/cutwater/policy.yaml
  mkdir -p "${repository%/*}" && by_hand init >/dev/null || return
  local data=/srv/app/data
  mkdir -p $data/folder/deeper $data/private && ln -s ../changed $data/folder/link && ln $data/kept $data/folder/other-name &&
    mkfifo $data/pipe && chmod 4750 $data/kept && chmod 1700 $data/private && chown 1234:4321 $data/removed &&
    echo odd >"$data/folder/an odd [name]*" && touch -d '2001-02-03 04:05:06.789' $data/folder/deeper && sync
}

# The volume `data` as an XFS, which is never as small as make_app's.
as_xfs() {
  umount /srv/app/data && lvremove -q -y vg00/data && lvcreate -q -y -W n -n data -L 304M vg00 &&
    mkfs.xfs -q /dev/vg00/data && mount /dev/vg00/data /srv/app/data || return
  seq 1 20000 >/srv/app/data/kept; seq 1 50000 >/srv/app/data/changed; echo data >/srv/app/data/removed
}

# Everything about everything on the volume: kind, mode, owner, time, target, number of names, content.
everything() {
  (cd /srv/app/data && find . -printf '%P %y %m %U %G %T@ %l %n\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}

# A byte in the middle of the largest pack becomes another.
damage() {
  local pack at
  pack=$(find "$repository/data" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
  at=$(($(stat -c %s "$pack") / 2))
  chmod u+w "$pack"
  printf "\\x$(printf %02x $((0x$(od -An -tx1 -j $at -N1 "$pack" | tr -d ' ') ^ 1)))" |
    dd of="$pack" bs=1 seek=$at conv=notrunc,fsync status=none
}

# Runs a workflow, says yes where it asks, and looks at what is left.
run_backup() { # NAME WORKFLOW ARGUMENTS…
  local folder=$OUT/$1 events=/run/$1.jsonl workflow=$workflows/$2.yaml
  shift 2
  mkdir -p "$folder"
  cutwater run "$workflow" --input fs=$fs "$@" --json >"$events" 2>"$folder/err" &
  local engine=$! tenths
  while kill -0 $engine 2>/dev/null; do
    if grep -q '"event":"asked"' "$events"; then approve_when_asked "$events"; break; fi
    sleep 0.2
  done
  wait $engine
  echo $? >"$folder/exit"
  for ((tenths = 0; tenths < 300; tenths++)); do pgrep -x cutwater >/dev/null || break; sleep 0.1; done
  cp "$events" "$folder/events.jsonl"
  everything >"$folder/after"
  findmnt -rno SOURCE,TARGET | grep /srv/app | sort >"$folder/mounted"
  app status && echo yes >"$folder/running"
  dmsetup table | grep -E '^vg00-(data|logs)' | cut -d' ' -f1-4 | sort >"$folder/tables"
  by_hand snapshots --no-lock --json | grep -Eo '"id":"[0-9a-f]*"' | cut -d'"' -f4 >"$folder/backups"
  { left_behind '^node vg00-(data|logs)$'; findmnt -rno TARGET | grep /run/cutwater-; } >"$folder/left"
  return 0
}

# What there is before anything: the volume's state and one backup of it, then harm.
backed_up_then_harmed() { # ext4 or xfs
  fs=$1
  make_app && { [ $fs = ext4 ] || as_xfs; } && make_repository || return
  mkdir -p "$OUT/before"
  everything >"$OUT/before/after"
  cutwater plan $workflows/snapshot-backup.yaml --input fs=$fs >"$OUT/before/backup.plan"
  run_backup backup snapshot-backup
  id=$(cat "$OUT/backup/backups")
  harm 4
  chmod 600 /srv/app/data/kept; ln -sfn /etc/passwd /srv/app/data/changed; rmdir /srv/app/data/private; sync
  everything >"$OUT/before/harmed"
  cutwater plan $workflows/restore-and-merge.yaml --input fs=$fs --input id=$id >"$OUT/before/restore.plan"
}
