//! Which other process has a device open for writing: neither mounted nor claimed by anybody, and yet about to be written to, as
//! a virtual machine's disk is. It must not know who asks.

use super::device::{Device, Number};
use std::fs;
use std::path::Path;

/// The first one found, `process 42 (qemu)`; only root sees other users' processes.
pub fn other(device: &Device) -> Option<String> {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let name = |process: &Path| fs::read_to_string(process.join("comm")).unwrap_or_default();
    processes
        .filter(|entry| {
            let number = entry.file_name();
            let number = number.to_string_lossy();
            number.bytes().all(|letter| letter.is_ascii_digit()) && *number != *own
        })
        .map(|entry| entry.path())
        .find(|process| writes(process, device.number()))
        .map(|process| {
            let number = process.file_name().unwrap_or_default().to_string_lossy();
            format!("process {number} ({})", name(&process).trim_end())
        })
}

fn writes(process: &Path, device: Number) -> bool {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    open.filter(|file| fs::metadata(file.path()).is_ok_and(|meta| Number::of(&meta) == device)).any(|file| {
        let info = fs::read_to_string(process.join("fdinfo").join(file.file_name())).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        // The lowest two bits: 0 reads, 1 writes, 2 both.
        flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 3 != 0)
    })
}
