#!/bin/sh
# A resource agent for Pacemaker: a service on a volume of a group that only one host may use at a time. An example; it lies in
# /usr/lib/ocf/resource.d/cutwater/failover. `start` runs failover.yaml, `monitor` asks, `stop` takes the service away and leaves the
# group this host's. With Pacemaker, set stonith-action=off, and let fencing-record.sh be an alert agent.
#
# What cutwater leaves with, and what the cluster is told:
#   0      done                                   OCF_SUCCESS (0)
#   2, 3   the call or the workflow is wrong      OCF_ERR_CONFIGURED (6): nowhere
#   4      refused or failed, and taken back      OCF_ERR_GENERIC (1): elsewhere, if at all
#   5 …    stuck: a person looks                  OCF_ERR_GENERIC (1); `stop` fails then, too, and this host is fenced
# A planned move is no failover: nobody is fenced. Stop the resource, then `vgchange -y --systemid OTHER-HOST VG`.
set -u
ok=0 generic=1 unimplemented=3 installed=5 configured=6 not_running=7

vg=${OCF_RESKEY_vg-} volume=${OCF_RESKEY_volume-data} devices=${OCF_RESKEY_devices-}
mount=${OCF_RESKEY_mount-/srv/app} unit=${OCF_RESKEY_unit-app} records=${OCF_RESKEY_records-/run/cutwater-fencing}
workflow=${OCF_RESKEY_workflow-/etc/cutwater/failover.yaml}

parameter() { # NAME DEFAULT WORDS
  printf '<parameter name="%s" required="%d"><longdesc lang="en">%s</longdesc><shortdesc lang="en">%s</shortdesc>' \
    "$1" "$([ -n "$2" ]; echo $?)" "$3" "$3"
  printf '<content type="string" default="%s"/></parameter>\n' "$2"
}

meta_data() {
  cat <<XML
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="failover" version="1.0">
<version>1.0</version>
<longdesc lang="en">A service on a volume group with a system ID. The group of a host that failed is taken over only with the record
of its fencing.</longdesc>
<shortdesc lang="en">A service on a volume group that fails over</shortdesc>
<parameters>
XML
  parameter vg '' 'The volume group'
  parameter devices '' 'All devices that it lies on, separated by spaces'
  parameter volume data 'The volume that the service uses'
  parameter mount /srv/app 'Where it is mounted'
  parameter unit app 'The service'
  parameter records /run/cutwater-fencing 'The folder in which the fencing agent leaves HOST.json'
  parameter workflow /etc/cutwater/failover.yaml 'The workflow'
  cat <<XML
</parameters>
<actions>
<action name="start" timeout="300s"/>
<action name="stop" timeout="120s"/>
<action name="monitor" timeout="60s" interval="30s" depth="0"/>
<action name="validate-all" timeout="20s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>
XML
}

say() { echo "cutwater-failover: $*" >&2; }

listed() { # a JSON list of the devices
  for device in $devices; do printf '"%s"\n' "$device"; done | paste -sd, - | sed 's/.*/[&]/'
}

validate() {
  command -v cutwater >/dev/null || { say 'there is no cutwater'; return $installed; }
  [ -n "$vg" ] && [ -n "$devices" ] || { say 'vg and devices are needed'; return $configured; }
  [ -r "$workflow" ] || { say "there is no $workflow"; return $installed; }
}

mounted() { findmnt -rn --source "/dev/$vg/$volume" --mountpoint "$mount" >/dev/null; }

runs() {
  cutwater step service.status --with "unit=$unit" --exit-code "steps.step.state == 'running' ? 0 : 10" >/dev/null
}

monitor() {
  runs
  case $? in
    0) mounted && return $ok || { say "$unit runs, and its volume is not mounted"; return $generic; } ;;
    10) ! mounted && return $not_running || { say "$unit does not run, and its volume is mounted"; return $generic; } ;;
    *) return $generic ;;
  esac
}

# Whose the group is. What stands against using it is said, and has a status of its own: 14 is another host's, which is no
# hindrance; with 13 and from 15 on a person looks first.
owner() {
  found=$(cutwater step lvm.metadata-check --json --with "{\"vg\":\"$vg\",\"devices\":$(listed)}" --exit-code steps.step.code)
  case $? in
    0 | 10 | 11 | 12 | 14) printf '%s\n' "$found" | sed -n 's/.*"system-id": *"\([^"]*\)".*/\1/p' ;;
    *) say "$vg cannot be used: $found" ;;
  esac
}

start() {
  monitor && return $ok
  from=$(owner)
  [ -n "$from" ] || { say "$vg has no owner that could be told"; return $generic; }
  cutwater run "$workflow" --input "vg=$vg" --input "from=$from" --input "volume=$volume" --input "devices=$(listed)" \
    --input "proof=$records/$from.json" --input "mount=$mount" --input "unit=$unit" </dev/null >&2
  case $? in
    0) monitor ;;
    2 | 3) return $configured ;;
    *) return $generic ;;
  esac
}

stop() {
  runs
  case $? in 0) cutwater step service.stop --with "unit=$unit" --yes >&2 || return $generic ;; 10) ;; *) return $generic ;; esac
  grant="{run: [mount, umount], mount: [\"$mount\"], write: [\"/dev/mapper/*\"]}"
  ! mounted || cutwater step fs.unmount --with "at=$mount" --grant "$grant" --yes >&2 || return $generic
  [ ! -b "/dev/$vg/$volume" ] || cutwater step lvm.deactivate --with "volume=$vg/$volume" --yes >&2 || return $generic
}

case ${1-} in
  meta-data) meta_data ;;
  validate-all) validate ;;
  start | stop | monitor) validate && "$1" ;;
  *) echo "usage: $0 start|stop|monitor|validate-all|meta-data" >&2; exit $unimplemented ;;
esac
