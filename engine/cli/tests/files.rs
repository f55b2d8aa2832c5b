//! The shipped workflow that moves a service's files, on two real file systems in a mount namespace of its own: rehearsed,
//! then run. Needs root and loop devices. It must not know how a copy is made.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Place, Said};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The service runs while the file `up` is there; each start notes what lies under it.
const POLICY: &str = "cutwater-policy: 1
holds-without-scope: true
services:
  app:
    start: [sh, HERE/start]
    stop: [rm, -f, HERE/up]
    status: [test, -e, HERE/up]
    fence-file: HERE/fence
";

/// `cutwater` answers with its words in `said`; what `expect` is told is its status.
const SCRIPT: &str = r#"
cp -a /etc etc
mount --bind etc /etc
for name in old new; do
  truncate -s 32M $name.img
  mkfs.ext4 -q -F $name.img
done
old=$(losetup -f --show old.img) new=$(losetup -f --show new.img)
trap 'status=$?; umount -q srv || true; umount -q aside || true; umount /etc; losetup -d $old $new; exit $status' EXIT
mkdir srv aside
mount $old srv
echo "$old $PWD/srv ext4 defaults,nofail 0 0" >>/etc/fstab
mkdir srv/deep
echo one >srv/log
echo two >srv/deep/goes
printf 'touch "%s/up"\nfindmnt -n -o SOURCE "%s/srv" >>"%s/started"\n' "$PWD" "$PWD" "$PWD" >start
touch up

expect() {
  wanted=$1
  shift
  status=0
  "$CUTWATER" --root root "$@" >said 2>&1 || status=$?
  [ $status = $wanted ] || { echo "$*: $status"; cat said; exit 1; }
}
go() {
  expect 7 "$@" "$WORKFLOW" --no-wait --input folder="$PWD/srv" --input aside="$PWD/aside" --input old=$old --input new=$new \
    --input answers=anna --input because="there are no free extents"
  run=$(grep -o 'files-move-folder-[0-9]*-[0-9]*-[0-9a-f]*' said | head -1)
}
look() {
  findmnt -n -o SOURCE srv
  cat srv/log
  ls -A srv srv/deep
  ls up
}

look >before
go rehearse --with-outage
[ "$(sed -n 2p aside/.cutwater-held)" = unfinished ]
expect 0 approve $run
expect 0 resume $run
look | diff before -
! mountpoint -q aside
mount $new aside
ls -A aside | diff - <(echo lost+found)
umount aside
echo "rehearsed and undone"

go run
echo more >>srv/log
rm srv/deep/goes
expect 0 approve $run
expect 0 resume $run
sed -i "s,^$old,$new," before
sed -i 's/^one$/one\nmore/; /^goes$/d' before
look | diff before -
! mountpoint -q aside
grep -q "^$new $PWD/srv" /etc/fstab
tail -1 started | diff - <(echo $new)
mount $old aside
cat aside/log | diff - <(printf 'one\nmore\n')
echo "moved"
"#;

/// Sabotage: a last pass that is not told to delete; a mark that is not taken back before the first pass is; `service.start` that
/// looks for no mark while the workflow releases none.
#[test]
fn a_service_s_files_move_to_another_file_system_and_are_where_they_were_after_a_rehearsal() {
    let place = Place::new();
    let here = place.path("").canonicalize().unwrap();
    std::fs::create_dir_all(place.path("root/etc/cutwater")).unwrap();
    let policy = POLICY.replace("HERE", here.to_str().unwrap());
    let file = place.file("root/etc/cutwater/policy.yaml", policy);
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
    let workflow = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/files/move-folder.yaml");
    let output = Command::new("unshare")
        .args(["-m", "bash", "-euc", SCRIPT])
        .current_dir(&here)
        .env("CUTWATER", env!("CARGO_BIN_EXE_cutwater"))
        .env("WORKFLOW", workflow.canonicalize().unwrap())
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let said = Said::of(&output, &here);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "rehearsed and undone\nmoved\n"),
        "{}{}",
        said.out,
        said.err
    );
}
