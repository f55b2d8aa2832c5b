//! Copies between names of one storage, and onto what somebody else writes to, on loop devices. Needs root.

#![expect(clippy::unwrap_used, reason = "a test")]

use cutwater_host::capability::block::error::BlockError;
use cutwater_host::capability::block::request::Copy;
use cutwater_host::capability::block::transfer::Watch;
use cutwater_host::capability::block::verbs;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

const MIB: u64 = 1 << 20;

/// Loop devices on files of one folder, detached with it.
struct Loops {
    folder: tempfile::TempDir,
    devices: Vec<String>,
    _alone: MutexGuard<'static, ()>,
}

/// The kernel hands a number out again as soon as it is free: one test at a time attaches and detaches.
static ALONE: Mutex<()> = Mutex::new(());

impl Loops {
    fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self { folder: tempfile::tempdir().unwrap(), devices: Vec::new(), _alone: alone }
    }

    fn file(&self, name: &str, bytes: Vec<u8>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn attach(&mut self, file: &Path, offset: u64, bytes: u64) -> String {
        let window = ["-o", &offset.to_string(), "--sizelimit", &bytes.to_string()];
        let output = Command::new("losetup").args(["-f", "--show"]).args(window).arg(file).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let device = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        self.devices.push(device.clone());
        device
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        for device in &self.devices {
            let _ = Command::new("losetup").args(["-d", device]).status();
        }
    }
}

fn copy(from: &str, to: &str) -> Result<(), BlockError> {
    let request: Copy = serde_json::from_value(json!({ "from": from, "to": to })).unwrap();
    let watch = Watch { stop: &|| false, progress: &|_, _| {}, loses_a_piece: false };
    verbs::copy(&request, watch).map(drop)
}

/// Sabotage: sources told from targets by their names or numbers (the undo of such a copy erases the source).
#[test]
fn two_names_of_one_storage_are_not_source_and_target() {
    let mut loops = Loops::new();
    let source = vec![7; 16 << 20];
    let file = loops.file("disk", source.clone());
    let (whole, again) = (loops.attach(&file, 0, 16 * MIB), loops.attach(&file, 0, 16 * MIB));
    let behind = loops.attach(&file, 8 * MIB, 8 * MIB);
    let names = [whole.as_str(), again.as_str(), behind.as_str(), file.to_str().unwrap()];
    for (from, to) in names.iter().flat_map(|from| names.map(|to| (*from, to))) {
        let refused = copy(from, to).unwrap_err();
        assert!(
            matches!(refused, BlockError::SameDevice(_) | BlockError::TooSmall { .. }),
            "{from} {to}: {refused}"
        );
    }
    assert_eq!(std::fs::read(&file).unwrap(), source);
}

#[test]
fn two_windows_of_one_file_that_do_not_meet_are_two_disks() {
    let mut loops = Loops::new();
    let file = loops.file("disk", [vec![7; 8 << 20], vec![0; 8 << 20]].concat());
    let (first, second) = (loops.attach(&file, 0, 8 * MIB), loops.attach(&file, 8 * MIB, 8 * MIB));
    copy(&first, &second).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), vec![7; 16 << 20]);
}

/// Sabotage: a target believed free because this name of it is.
#[test]
fn a_target_that_another_name_shows_too_is_in_use() {
    let mut loops = Loops::new();
    let (source, target) = (loops.file("source", vec![7; 8 << 20]), loops.file("target", vec![0; 8 << 20]));
    let (from, to) = (loops.attach(&source, 0, 8 * MIB), loops.attach(&target, 0, 8 * MIB));
    let other = loops.attach(&target, 4 * MIB, 4 * MIB);
    let refused = copy(&from, &to).unwrap_err().to_string();
    assert!(refused.contains("is in use") && refused.contains(&other), "{refused}");
    let refused = copy(&from, target.to_str().unwrap()).unwrap_err().to_string();
    assert!(refused.contains(&to), "{refused}");
    assert_eq!(std::fs::read(&target).unwrap(), vec![0; 8 << 20]);
    // Nor is it erased, by the undo of a copy that was made before the other name was.
    std::fs::write(&target, vec![7; 8 << 20]).unwrap();
    let refused =
        verbs::erase(&serde_json::from_value(json!({ "to": to })).unwrap()).unwrap_err().to_string();
    assert!(refused.contains(&other), "{refused}");
    assert_eq!(std::fs::read(&target).unwrap(), vec![7; 8 << 20]);
}

/// Sabotage: what no table of signatures knows taken for nothing.
#[test]
fn a_target_with_data_that_nothing_recognises_is_refused_unless_it_is_named() {
    let mut loops = Loops::new();
    let source = loops.file("source", vec![7; 8 << 20]);
    let from = loops.attach(&source, 0, 8 * MIB);
    for at in [4096, (8 << 20) - 1] {
        let mut raw = vec![0; 8 << 20];
        raw[at] = 1;
        let target = loops.file(&format!("target-{at}"), raw.clone());
        let to = loops.attach(&target, 0, 8 * MIB);
        let refused = copy(&from, &to).unwrap_err();
        let BlockError::CarriesData { what, identity, .. } = refused else { unreachable!("{refused}") };
        assert!(what.contains("nothing here recognises"), "{what}");
        assert_eq!(std::fs::read(&target).unwrap(), raw);
        let named = json!({ "from": from, "to": to, "replaces": identity });
        let watch = Watch { stop: &|| false, progress: &|_, _| {}, loses_a_piece: false };
        verbs::copy(&serde_json::from_value(named).unwrap(), watch).unwrap();
    }
}

/// A program that has the target open, as a virtual machine has its disk; nothing is mounted and nobody has claimed it.
fn holding(device: &str, how: &str) -> std::process::Child {
    let mut holder = Command::new("sh")
        .args(["-c", &format!("exec 3{how}{device}; echo there; exec cat")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut there = [0; 6];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut there).unwrap();
    holder
}

/// Sabotage: only mounts, holders and claims asked for; a reader taken for a writer.
#[test]
fn a_target_that_somebody_has_open_for_writing_is_refused_and_one_that_is_read_is_not() {
    let mut loops = Loops::new();
    let from = loops.file("from", vec![7; MIB as usize]);
    let (from, to) = (from.display().to_string(), loops.file("to", vec![0; MIB as usize]));
    let device = loops.attach(&to, 0, MIB);
    for (how, refused) in [("<>", true), ("<", false)] {
        let mut holder = holding(&device, how);
        let copied = copy(&from, &device);
        drop(holder.stdin.take());
        holder.wait().unwrap();
        match copied {
            Err(BlockError::Busy { by, .. }) if refused => {
                assert!(
                    by.contains(&format!("process {} (cat) has it open for writing", holder.id())),
                    "{by}"
                );
                assert!(std::fs::read(&to).unwrap().iter().all(|&byte| byte == 0));
            }
            other => assert!(!refused && other.is_ok(), "{other:?}"),
        }
    }
}
