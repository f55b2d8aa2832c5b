# Sourced by every job: Cutwater on the lab's machine, as an administrator would have installed it.
# Wants /run/bin (our programs), /run/workflows, /run/jobs and /run/compiled (the plugins' cache).
export PATH=/run/bin:$PATH
dsn='host=/run/postgresql user=witness dbname=postgres'
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups --reset-env "$@"; }
query() { as_postgres psql -qXAt -v ON_ERROR_STOP=1 -c "$1"; }
acked() { cat "$OUT"/acks/*.acks 2>/dev/null | grep -c '^[0-9]'; }

install_cutwater() {
  grep -q '^anna:' /etc/passwd || echo 'anna:x:2001:2001:the dba:/nonexistent:/bin/sh' >>/etc/passwd
  mkdir -p /etc/cutwater /var/lib/cutwater /etc/cutwater-fences
  cp /run/jobs/policy.yaml /etc/cutwater/policy.yaml
  chmod 700 /var/lib/cutwater
  [ -d /var/lib/cutwater/cache ] || cp -r /run/compiled /var/lib/cutwater/cache
  chown -R root:root /var/lib/cutwater /etc/cutwater
  # What cutwater-resume.service does on a machine with systemd: before the services, every unfinished run goes on.
  printf '#!/bin/sh\nexec /run/bin/cutwater resume --all --no-wait\n' >/etc/cutwater-lab/resume
  chmod 755 /etc/cutwater-lab/resume
}

allow_faults() { grep -q '^faults:' /etc/cutwater/policy.yaml || echo 'faults: allow' >>/etc/cutwater/policy.yaml; }

wait_for_acks() { # COUNT
  local tenths
  for ((tenths = 0; tenths < 900; tenths++)); do
    [ "$(acked)" -ge "$1" ] && return
    sleep 0.1
  done
  echo "writes do not flow: $(acked) acknowledged, $1 wanted" >&2
  return 1
}

# The witness is the client that counts; pgbench, as a client without privileges, is background load.
start_load() {
  mkdir -p "$OUT/acks" && rm -f "$OUT/stop-witness"
  query 'create role load login; grant all on all tables in schema public to load' >/dev/null
  cutwater-witness run --acks "$OUT/acks" --dsn "$dsn" --clients "${WITNESS_CLIENTS:-4}" \
    --pause "${WITNESS_PAUSE:-0}" --stop-file "$OUT/stop-witness" </dev/null &
  witness=$!
  (
    trap '[ -z "${client-}" ] || kill "$client"; exit' TERM
    while :; do
      pgbench -n -c 2 -T 600 -R "${PGBENCH_RATE:-40}" -h /run/postgresql -U load postgres >/dev/null 2>&1 </dev/null &
      client=$!
      wait "$client"
      sleep 1
    done
  ) &
  load=$!
  wait_for_acks 100
}

stop_load() {
  touch "$OUT/stop-witness"
  kill "$load" 2>/dev/null
  wait "$witness"
}

# Says yes to the first approval that is asked for, as the dba would: through the run's socket, to the plan's hash. It stands
# in the file: a plan's text, or the events of a run.
approve_when_asked() { # FILE
  local hash= socket run
  until [ -n "$hash" ]; do
    hash=$(sed -n 's/^hash \([0-9a-f]*\)$/\1/p; s/.*"hash":"\([0-9a-f]*\)".*/\1/p' "$1" 2>/dev/null | head -n 1)
    sleep 0.1
  done
  while :; do
    for socket in /run/cutwater/*.sock; do
      [ -S "$socket" ] || continue
      run=${socket##*/} run=${run%.sock}
      setpriv --reuid 2001 --regid 2001 --clear-groups --reset-env \
        /run/bin/cutwater approve "$run" --plan "$hash" >>"$OUT/approve.log" 2>&1 && return
    done
    # Each try costs the machine's one processor what the run could use.
    sleep 2
  done
}

# What a run must not leave behind, one line each; empty when all is well. `$1`: what may stay (an extended pattern).
left_behind() {
  {
    dmsetup ls | awk '{print "node " $1}' | grep -Ev '^node (No|vg00-dat|vg00-wal|vg01-new|vg01-newwal)$'
    dmsetup info -c --noheadings -o name,suspended | grep -i suspended | sed 's/^/suspended /'
    lvs --noheadings -o vg_name,lv_name,lv_tags | awk '$3 ~ /cutwater/ {print "tagged " $1 "/" $2}'
    ls -A /etc/cutwater-fences | sed 's/^/fence /'
    grep -l '# cutwater' /etc/postgresql/*/main/pg_hba.conf /etc/fstab 2>/dev/null | sed 's/^/changed /'
    pgrep -x cutwater | sed 's/^/process /'
    ls /run/cutwater/*.sock 2>/dev/null | sed 's/^/socket /'
  } | grep -Ev "${1:-^$}"
}
