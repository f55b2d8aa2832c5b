#!/bin/sh
# Leaves the record that `lvm.take-over` demands: that HOST is off.
#
#   fencing-record.sh HOST AGENT [ARGUMENT…]    runs a fencing agent that switches HOST off, and leaves the record once it has
#                                               ended with 0: fencing-record.sh node-a fence_ipmilan -a bmc-a -l admin -o off
#   fencing-record.sh                           as an alert agent of Pacemaker: leaves it of each host that was fenced with `off`
#                                               (stonith-action=off). Alerts run as hacluster, who needs for it in sudoers:
#                                               hacluster ALL=(root) NOPASSWD: /path/to/fencing-record.sh * pacemaker
#
# HOST is the host's system ID (`lvm systemid` there; with system_id_source = "uname" its name). The record is
# $RECORDS/HOST.json; RECORDS (/run/cutwater-fencing) is a folder of root's that is empty after a boot.
set -eu
records=${RECORDS:-/run/cutwater-fencing}
usage() { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }

if [ $# = 0 ]; then
  [ -n "${CRM_alert_kind-}" ] || usage
  [ "$CRM_alert_kind ${CRM_alert_task-} ${CRM_alert_rc-}" = 'fencing off 0' ] || exit 0
  [ "$(id -u)" = 0 ] || exec sudo -n "$0" "$CRM_alert_node" pacemaker
  set -- "$CRM_alert_node" pacemaker
fi
[ $# -ge 2 ] || usage
host=$1 agent=$2
shift
case $host in '' | -* | .* | *[!A-Za-z0-9_.+:-]*) echo "$host is no system ID" >&2; exit 2 ;; esac

umask 022
mkdir -p "$records"
rm -f "$records/$host.json"
[ "$agent" = pacemaker ] || "$@" >&2
agent=$(basename -- "$agent" | tr -cd 'A-Za-z0-9_.+-')
new=$(mktemp "$records/.$host.XXXXXX")
printf '{ "cutwater-fencing": 1, "host": "%s", "action": "off", "at": %s, "by": "%s" }\n' "$host" "$(date +%s)" "$agent" >"$new"
chmod 644 "$new"
mv "$new" "$records/$host.json"
