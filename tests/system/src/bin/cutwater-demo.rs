//! `make demo`: the main job for real, on this terminal, with a report and a picture at the end.

#![expect(clippy::print_stdout, reason = "it is a command")]

use anyhow::{Context, Result, bail};
use cutwater_system::{MainJob, report};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match demo() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<ExitCode> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/demo");
    let folder = target.join("machine");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("remove the machine of the last demo")?;
    }
    println!("A machine with PostgreSQL 15 on XFS on LVM boots, is written to all the time, and is moved.\n");
    let mut job = MainJob::new(&folder)?;
    if std::io::stdout().is_terminal() {
        job = job.on_terminal();
    }
    let moved = job.run()?;
    if !std::io::stdout().is_terminal() {
        println!("{}", moved.read("job.log").unwrap_or_default());
    }
    let mut report = report(&moved)?;
    std::fs::copy(moved.share.join("run.svg"), target.join("run.svg")).context("keep the picture")?;

    println!("\nThe machine reboots, twice.");
    let mut after = Vec::new();
    for _ in 0..2 {
        after.push(job.reboot_and_look()?);
    }
    report["after_reboots"] = after.clone().into();
    if moved.exit == 0 {
        let (old, new, only_old) = job.compare_old_and_new()?;
        report["rows"] =
            serde_json::json!({ "old": old, "new": new, "only_in_old": only_old.lines().count() });
    }
    let text = serde_json::to_string_pretty(&report)?;
    std::fs::write(target.join("report.json"), format!("{text}\n")).context("write the report")?;
    println!("{text}\n\ntarget/demo/report.json and target/demo/run.svg hold this and a picture of it.");

    let clean = moved.read("left")?;
    let moved_for_good = after.iter().all(|device| device == "/dev/mapper/vg01-new");
    if moved.exit != 0 || moved.status != 0 || !clean.is_empty() || !moved_for_good {
        bail!("exit {}, status {}, left behind: [{clean}], database on {after:?}", moved.exit, moved.status);
    }
    Ok(ExitCode::SUCCESS)
}
