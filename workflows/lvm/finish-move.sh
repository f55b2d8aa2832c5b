#!/bin/sh
# Finishes a pvmove that was cut off while it took its finished mirror apart, which no command of LVM does.
#
#   finish-move.sh VG    shows what is to change in the group's metadata, and changes it once it reads `yes`
#
# In such a group volumes lie on a linear `pvmove0`, which lies on one physical volume alone and has all of their data. They are written
# down as what they are: they lie on that physical volume. Then the rest of the mirror is removed. The volumes may be in use or not; nobody
# else may change the group meanwhile. It leaves with
#   0  finished                             2  called wrongly, or LVM does not answer; nothing was changed
#   1  something failed, and what is said   3  the group is in another state, or `yes` was not said; nothing was changed
# The metadata as it was is kept in a folder that is named, below TMPDIR (/var/tmp).
set -u
usage() { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
case ${1--} in -* | */*) usage ;; esac
[ $# = 1 ] || usage
vg=$1
folder=$(mktemp -d "${TMPDIR:-/var/tmp}/finish-move.XXXXXX") && vgcfgbackup -f "$folder/before" "$vg" >/dev/null || exit 2

# Read twice: what there is, then what is to be. Of another state it says so and leaves with 3.
awk -v folder="$folder" '
  function other(why) { print "finish-move: " why "; nothing was changed" >"/dev/stderr"; exit 3 }
  # Where extents of the cut-off volume are, which are consecutive there.
  function there(first, count, n) {
    for (n = 1; n <= pieces; n++)
      if (start[n] <= first && first + count <= start[n] + extents[n])
        return "\"" disk "\", " at[n] + first - start[n]
    other("`" lv "` lies on `" cut "` in a way that is not understood")
  }
  FNR == 1 { depth = 0; pass++ }
  pass == 2 && FNR == 1 {
    if (cut == "") other("no move in this group was cut off while it was ended")
    if (uses == "") other("nothing lies on `" cut "`")
    printf "%s", uses >(folder "/volumes")
    printf "%s", left >(folder "/left")
  }
  /[{]$/ {
    if (++depth == 2) volumes = $1 == "logical_volumes"
    if (depth == 3 && volumes) { lv = $1; moved = 0 }
    kind = ""; stripes = 1
  }
  depth < 3 || !volumes { if (pass == 2) print; if (/^[ \t]*[}]$/) depth--; next }
  $1 == "start_extent" { first = $3 }
  $1 == "extent_count" { count = $3 }
  $1 == "type" { kind = $3 }
  $1 == "stripe_count" { stripes = $3 }
  { area = /^[ \t]*"[^"]*", [0-9]+,?$/; split($0, part, "\""); number = part[3]; gsub(/[^0-9]/, "", number) }

  pass == 1 && depth == 3 && $1 == "status" && /"PVMOVE"/ {
    if (cut != "") other("it has several moves")
    cut = lv
  }
  pass == 1 && lv == cut && kind != "" && kind != "\"striped\"" { other("`" lv "` is of type " kind ": the move is under way, or over") }
  pass == 1 && lv == cut && area {
    if (stripes != 1 || part[2] !~ /^pv[0-9]+$/ || disk != "" && part[2] != disk) other("`" lv "` does not lie on one physical volume")
    disk = part[2]
    if (pieces && start[pieces] + extents[pieces] == first && at[pieces] + extents[pieces] == number) extents[pieces] += count
    else { start[++pieces] = first; extents[pieces] = count; at[pieces] = number }
  }
  pass == 1 && area && part[2] ~ /^pvmove[0-9]+$/ {
    if (kind != "\"striped\"") other("`" lv "` is of type " kind)
    if (!moved) uses = uses lv "\n"
    moved = 1; on[lv] = part[2]
  }
  pass == 1 && depth == 3 && /[{]$/ && lv ~ /^pvmove[0-9]+_mimage_[0-9]+$/ { left = left lv "\n" }

  # The cut-off volume keeps its name, so that LVM knows whose device that is when it removes it.
  pass == 2 && lv == cut {
    if (depth == 4) { if (/^[ \t]*[}]$/) { depth--; size = first + count > size ? first + count : size } ; next }
    if ($1 == "status") { sub(/=.*/, "= [\"READ\", \"WRITE\", \"VISIBLE\"]") }
    if ($1 == "segment_count") { sub(/=.*/, "= 1") }
    if (/^[ \t]*[}]$/)
      printf "\t\t\tsegment1 {\n\t\t\t\tstart_extent = 0\n\t\t\t\textent_count = %d\n\t\t\t\ttype = \"error\"\n\t\t\t}\n", size
  }
  pass == 2 && lv in on {
    if (depth == 3 && $1 == "status") sub(/, "LOCKED"/, "")
    if (area && part[2] == cut) sub(/"[^"]*", [0-9]+/, there(number, count / stripes))
  }
  pass == 2 { print }
  /^[ \t]*[}]$/ { depth-- }
' "$folder/before" "$folder/before" >"$folder/after"
status=$?
if [ "$status" != 0 ]; then rm -r "$folder"; exit "$status"; fi

diff -u "$folder/before" "$folder/after"
printf 'Is this to be the metadata of %s? What it is now stays in %s/before. ' "$vg" "$folder"
read -r answer && [ "$answer" = yes ] || { rm -r "$folder"; echo "finish-move: nothing was changed" >&2; exit 3; }

failed() { echo "finish-move: $1" >&2; exit 1; }
# Loads what the metadata says: a volume that hangs goes on.
refresh() {
  for name in $active; do
    lvchange --refresh "$vg/$name" || failed "\`lvchange --refresh $vg/$name\` did not end well"
  done
}
# A name of a volume has no blanks.
active=$(while read -r name; do lvs --noheadings -o lv_name -S lv_active=active "$vg/$name"; done <"$folder/volumes")
refresh
changes=$(vgs --noheadings -o vg_seqno "$vg") && [ $changes = "$(sed -n 's/^\tseqno = //p' "$folder/before")" ] ||
  failed "somebody else has changed $vg; nothing was changed"
vgcfgrestore -q -y -f "$folder/after" "$vg" ||
  failed "\`vgcfgrestore -f $folder/after $vg\` did not end well; the metadata as it was is in $folder/before"
refresh
for name in $(sed -n 's/^\t\t\(pvmove[0-9]*\) {$/\1/p' "$folder/after") $(cat "$folder/left"); do
  lvremove -q -y "$vg/$name" || failed "\`lvremove $vg/$name\` did not end well; the volumes are finished, and this can be done later"
done
echo "$(paste -sd' ' "$folder/volumes"): finished"
