//! Everything that can be wrong with a restored tree, one at a time.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

type Harm = (fn(&Path), &'static str);

/// What is done to the tree, and what the comparison says of it.
pub const ALL: [Harm; 8] = [
    (more, "`more` is not in the backup"),
    (missing, "`deep/er/removed` is missing"),
    (longer, "`changed` is not as the backup has it"),
    (rewritten, "`changed` is not as the backup has it"),
    (mode, "`tool` is not as the backup has it"),
    (kind, "`empty` is not as the backup has it"),
    (root, "`` is not as the backup has it"),
    (owner, "`large` is not as the backup has it"),
];

/// Everything but the tree's own time, which each change inside moves, is put back.
fn keeping_times(tree: &Path, change: impl FnOnce()) {
    let before = std::fs::metadata(tree).unwrap().modified().unwrap();
    change();
    std::fs::File::open(tree).unwrap().set_modified(before).unwrap();
}

fn more(tree: &Path) {
    keeping_times(tree, || std::fs::write(tree.join("more"), "").unwrap());
}

fn missing(tree: &Path) {
    std::fs::remove_file(tree.join("deep/er/removed")).unwrap();
}

/// Longer, and with the time that it had.
fn longer(tree: &Path) {
    let file = tree.join("changed");
    let before = std::fs::metadata(&file).unwrap().modified().unwrap();
    std::fs::write(&file, "before, and more").unwrap();
    std::fs::File::open(&file).unwrap().set_modified(before).unwrap();
}

/// Of the same length.
fn rewritten(tree: &Path) {
    std::fs::write(tree.join("changed"), "behind").unwrap();
}

fn mode(tree: &Path) {
    std::fs::set_permissions(tree.join("tool"), PermissionsExt::from_mode(0o755)).unwrap();
}

fn kind(tree: &Path) {
    keeping_times(tree, || {
        std::fs::remove_file(tree.join("empty")).unwrap();
        symlink("changed", tree.join("empty")).unwrap();
    });
}

fn root(tree: &Path) {
    std::fs::set_permissions(tree, PermissionsExt::from_mode(0o700)).unwrap();
}

fn owner(tree: &Path) {
    std::os::unix::fs::chown(tree.join("large"), Some(1), Some(2)).unwrap();
}
