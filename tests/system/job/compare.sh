#!/bin/bash
# The old volume as it was left: mounted read-only, then opened by a throw-away server on a snapshot of it.
set -e
rows() { psql -qXAt -U witness -d postgres "$@" -c 'select client, n from ledger' | sort; }
rows -h /run/postgresql >/tmp/new
lvchange -ay -K vg00/dat
mkdir /run/old && mount -o ro,norecovery,nouuid /dev/vg00/dat /run/old
test -s /run/old/15/main/PG_VERSION && umount /run/old
lvcreate -y -s -L 256M -n look vg00/dat
mount -o nouuid /dev/vg00/look /run/old
install -d -o postgres /run/old-socket
server() {
  setpriv --reuid postgres --regid postgres --init-groups --reset-env \
    /usr/lib/postgresql/15/bin/pg_ctl -s -D /run/old/15/main "$@"
}
printf 'local all all trust\n' >/run/old-socket/hba.conf
options="-c config_file=/etc/postgresql/15/main/postgresql.conf -c data_directory=/run/old/15/main"
options+=" -c listen_addresses= -c external_pid_file= -c hba_file=/run/old-socket/hba.conf"
server start -l /tmp/old.log -o "$options -c unix_socket_directories=/run/old-socket"
rows -h /run/old-socket >/tmp/old
server stop
umount /run/old && lvremove -y vg00/look && lvchange -an vg00/dat
wc -l </tmp/old >"$OUT/old-rows"
wc -l </tmp/new >"$OUT/new-rows"
comm -23 /tmp/old /tmp/new >"$OUT/only-old"
