# Shared by the PostgreSQL images: a Debian-style cluster 15/main on volumes of vg00, enabled as a
# service, and an empty volume group vg01 to move to. Sourced by the image's own script in the lab.
set -eu
version=15
data=/srv/postgresql/$version/main
unit=postgresql@$version-main

make_groups() {
  vgcreate -y vg00 /dev/ubdb
  vgcreate -y vg01 /dev/ubdc
}

# An XFS volume of vg00, mounted now and at every boot; and an empty one of its size in vg01.
make_volume() { # NAME SIZE EMPTY-NAME MOUNT-POINT
  lvcreate -y -L "$2" -n "$1" vg00
  lvcreate -y -L "$2" -n "$3" vg01
  mkfs.xfs -q "/dev/vg00/$1"
  mkdir -p "$4"
  printf '%s %s xfs defaults,nofail 0 0\n' "/dev/vg00/$1" "$4" >>/etc/fstab
  mount "$4"
  chown postgres:postgres "$4"
}

make_cluster() { # initdb options…
  pg_createcluster "$version" main -d "$data" --start-conf auto -- --no-sync --auth=trust "$@"
  cat >/etc/postgresql/$version/main/pg_hba.conf <<'CONF'
# TYPE  DATABASE  USER      ADDRESS        METHOD
local   all       postgres                 peer
local   all       all                      trust
host    all       all       127.0.0.1/32   trust
CONF
  cat >/etc/postgresql/$version/main/conf.d/lab.conf <<'CONF'
shared_buffers = 64MB
max_wal_size = 128MB
CONF
}

# pg_ctl and not pg_ctlcluster: the latter takes 3 s longer in here, after the server is ready.
make_service() {
  cat >"/etc/cutwater-lab/services/$unit" <<CONF
#!/bin/sh
# start, stop or status of one PostgreSQL cluster; status is 0 while it runs, 3 while it does not, also where its volume is
# not mounted (pg_ctl says 4 then).
case \$1 in
start) set -- start -s -w -t 300 -l /var/log/postgresql/postgresql-$version-main.log \\
  -o "-c config_file=/etc/postgresql/$version/main/postgresql.conf" ;;
stop) set -- stop -s -w -t 300 -m fast ;;
status) [ -d $data ] || exit 3; set -- status ;;
*) echo "usage: \$0 start|stop|status" >&2; exit 2 ;;
esac
exec setpriv --reuid postgres --regid postgres --init-groups --reset-env \\
  /usr/lib/postgresql/$version/bin/pg_ctl -D $data "\$@" </dev/null
CONF
  chmod 755 "/etc/cutwater-lab/services/$unit"
  "/etc/cutwater-lab/services/$unit" start
}

make_tables() {
  as_postgres psql -qX -v ON_ERROR_STOP=1 -c 'create table ledger(client int, n bigint,
    at timestamptz default now(), primary key(client, n))'
  as_postgres psql -qX -c 'create role witness login; grant select, insert, delete on ledger to witness'
  as_postgres pgbench -i -q -s 2
  as_postgres psql -qX -c checkpoint
}

as_postgres() { setpriv --reuid postgres --regid postgres --init-groups --reset-env "$@"; }
