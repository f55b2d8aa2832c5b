#!/bin/bash
# Sourced after machine.sh: a service `app` on two volumes that a run rolls back. What a case leaves lies in $OUT/NAME: `exit`,
# `before`, `harmed` and `after` (the files, by their content), `mounted`, `running`, `tables`, `left`.
workflow=/run/workflows/lvm/snapshot-rollback.yaml

app() { /etc/cutwater-lab/services/app "$@"; }

make_app() {
  printf '  app:\n    start: [app, start]\n    stop: [app, stop]\n    status: [app, status]\n    fence-file: %s\n' \
    /etc/cutwater-fences/app >>/etc/cutwater/policy.yaml
  cat >/etc/cutwater-lab/services/app <<'APP'
#!/bin/sh
case $1 in
start) touch /run/app ;;
stop) rm -f /run/app ;;
status) [ -e /run/app ] || exit 3 ;;
esac
APP
  chmod 755 /etc/cutwater-lab/services/app
  local name
  for name in data logs; do
    lvcreate -q -y -W n -n $name -L 64M vg00 && mkfs.ext4 -q /dev/vg00/$name || return
    mkdir -p /srv/app/$name && mount /dev/vg00/$name /srv/app/$name || return
    seq 1 20000 >/srv/app/$name/kept; seq 1 50000 >/srv/app/$name/changed; echo $name >/srv/app/$name/removed
  done
  sync
  app start
}

files() { (cd /srv/app && find data logs -type f | sort | xargs sha256sum); }

harm() { # MIB
  local name
  for name in data logs; do
    echo harm >/srv/app/$name/changed
    rm -f /srv/app/$name/removed
    dd if=/dev/urandom of=/srv/app/$name/new bs=1M count="$1" conv=fsync status=none
  done
}

# Runs the workflow, does harm while it asks, and says yes.
roll_back() { # NAME MIB ARGUMENTS…
  local folder=$OUT/$1 events=/run/$1.jsonl mib=$2
  shift 2
  mkdir -p "$folder"
  files >"$folder/before"
  : >"$events"
  cutwater run "$workflow" "$@" --json >"$events" 2>"$folder/err" &
  local engine=$! tenths
  for ((tenths = 0; tenths < 600; tenths++)); do
    grep -q '"event":"asked"' "$events" && break
    kill -0 $engine 2>/dev/null || break
    sleep 0.1
  done
  harm "$mib"
  files >"$folder/harmed"
  # A run that turns back while it asks takes no yes any more.
  approve_when_asked "$events" & local approver=$!
  wait $engine
  local status=$?
  kill $approver 2>/dev/null
  run=$(cutwater runs --json | sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' | tail -n 1)
  # Where a fault killed it, its guard goes on.
  if [ $status = 137 ]; then
    timeout 120 cutwater watch "$run" >"$folder/watch" 2>&1
    status=$?
  fi
  echo $status >"$folder/exit"
  for ((tenths = 0; tenths < 300; tenths++)); do pgrep -x cutwater >/dev/null || break; sleep 0.1; done
  cutwater show "$run" --events --json >"$folder/events.jsonl"
  files >"$folder/after"
  findmnt -rno SOURCE,TARGET | grep /srv/app | sort >"$folder/mounted"
  app status && echo yes >"$folder/running"
  dmsetup table | grep -E '^vg00-(data|logs)' | cut -d' ' -f1-4 | sort >"$folder/tables"
  left_behind '^node vg00-(data|logs)$' >"$folder/left"
  return 0
}
