#!/bin/bash
# Sourced after machine.sh: one of two hosts that share a disk, and a service `app` that writes lines to a volume of the group on
# it. A line is on the volume before it is acknowledged in the share.
set -u
records=/run/cutwater-fencing
export OCF_RESKEY_vg=shared OCF_RESKEY_volume=data OCF_RESKEY_devices=/dev/ubdb OCF_RESKEY_unit=app OCF_RESKEY_mount=/srv/app
export OCF_RESKEY_workflow=/run/workflows/failover/failover.yaml

become() { # HOST
  hostname "$1"
  echo 'global { system_id_source = "uname" }' >/etc/lvm/lvmlocal.conf
  printf '  app:\n    start: [app, start]\n    stop: [app, stop]\n    status: [app, status]\n    fence-file: %s\n' \
    /etc/cutwater-fences/app >>/etc/cutwater/policy.yaml
  mkdir -p "$OUT/acks" /srv/app
  cat >/run/app-writes.py <<'WRITER'
import os, sys, time
host = sys.argv[1]
lines, acks = open("/srv/app/lines", "a"), open(f"/run/out/acks/{host}", "a")
while True:
    line = f"{host} {time.time_ns()} {os.urandom(8).hex()}\n"
    for file in (lines, acks):
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    time.sleep(0.02)
WRITER
  cat >/etc/cutwater-lab/services/app <<'APP'
#!/bin/sh
pid=$(cat /run/app.pid 2>/dev/null)
case $1 in
start)
  [ ! -e /run/app-fails ] || exit 1
  setsid python3 /run/app-writes.py "$(hostname)" </dev/null >/dev/null 2>&1 &
  echo $! >/run/app.pid
  ;;
stop) kill "$pid"; while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; rm -f /run/app.pid ;;
status) [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || exit 3 ;;
esac
APP
  chmod 755 /etc/cutwater-lab/services/app
}

make_group() {
  vgcreate -q -y shared /dev/ubdb && lvcreate -q -y -W n -n data -L 64M shared && lvcreate -q -y -W n -n other -L 8M shared &&
    mkfs.ext4 -q /dev/shared/data && vgchange -q -an shared
}

agent() { # CASE VERB: what the resource agent leaves with
  mkdir -p "$OUT/$1"
  bash /run/workflows/failover/resource-agent.sh "$2" >"$OUT/$1/$2.log" 2>&1
  echo $? >"$OUT/$1/$2"
}

fenced() { # HOST: the harness has cut its power
  RECORDS=$records /run/workflows/failover/fencing-record.sh "$1" true
}

acknowledged() { # HOST COUNT
  local tenths
  for ((tenths = 0; tenths < 600; tenths++)); do
    [ "$(wc -l <"$OUT/acks/$1")" -ge "$2" ] && return
    sleep 0.1
  done
  return 1
}

# Whose the group is, its tags, the number of its last change, and what is active, mounted and running.
look() { # CASE
  mkdir -p "$OUT/$1"
  vgs --foreign --noheadings -o vg_systemid,vg_tags,vg_seqno shared 2>/dev/null | sed 's/^ *//; s/ *$//; s/  */ /g' >"$OUT/$1/group"
  dmsetup info -C --noheadings -o name 2>/dev/null | grep ^shared | sort >"$OUT/$1/active"
  findmnt -rno SOURCE --mountpoint /srv/app >"$OUT/$1/mounted"
  app status && echo yes >"$OUT/$1/running"
  return 0
}

app() { /etc/cutwater-lab/services/app "$@"; }

# Lines that were acknowledged and are not on the volume.
lost() { # CASE
  cat "$OUT"/acks/* | sort >/run/acked
  sort /srv/app/lines | comm -23 /run/acked - >"$OUT/$1/lost"
  wc -l </run/acked >"$OUT/$1/acknowledged"
}
