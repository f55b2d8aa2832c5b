//! What this machine has and what it lacks, each with the way out. It must not change anything.

use crate::args::Global;
use crate::exit::{Failure, Kind};
use crate::machine::{self, Machine, ownership, shipped};
use crate::paths::Paths;
use crate::screen;
use cutwater_core::fault::escaped;
use cutwater_host::capability::run::path;
use cutwater_host::guard::scope::Scope;
use cutwater_store::Store;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Mark {
    Good,
    Note,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    mark: Mark,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    way_out: Option<String>,
}

fn good(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { what, mark: Mark::Good, text: text.into(), way_out: None }
}

fn note(what: &'static str, text: impl Into<String>, way_out: impl Into<String>) -> Finding {
    Finding { what, mark: Mark::Note, text: text.into(), way_out: Some(way_out.into()) }
}

fn bad(what: &'static str, text: impl Into<String>, way_out: impl Into<String>) -> Finding {
    Finding { what, mark: Mark::Bad, text: text.into(), way_out: Some(way_out.into()) }
}

/// Looks at everything; fails where something is bad.
pub fn run(paths: &Paths, global: &Global) -> Result<(), Failure> {
    let mut found = vec![user(), policy(paths)];
    // Without a readable policy nothing that stands on it can be looked at.
    if found.iter().all(|finding| finding.mark != Mark::Bad) {
        let machine = Machine::open(paths, global)?;
        found.extend(plugins(&machine));
        found.push(sandbox(&machine));
        found.push(guard(&machine));
        found.extend(programs(&machine));
        if machine.policy.faults {
            found.push(note(
                "faults",
                "fault hooks work on this machine",
                "remove `faults: allow` from the policy outside tests",
            ));
        }
    }
    found.push(journal(paths));
    found.extend(kernel());
    found.push(toolchain());
    let is_bad = found.iter().any(|finding| finding.mark == Mark::Bad);
    match global.json {
        true => screen::print_json(&found),
        false => found.iter().for_each(print),
    }
    if is_bad { Err(Failure::said(Kind::Invalid)) } else { Ok(()) }
}

fn print(finding: &Finding) {
    let (sign, colour) = match finding.mark {
        Mark::Good => ("ok  ", "32"),
        Mark::Note => ("note", "33"),
        Mark::Bad => ("BAD ", "31"),
    };
    let sign = if screen::colours() { format!("\x1b[{colour}m{sign}\x1b[0m") } else { sign.to_owned() };
    screen::print(&format!("{sign}  {:<9}  {}\n", finding.what, escaped(&finding.text)));
    if let Some(way_out) = &finding.way_out {
        screen::print(&format!("                 -> {}\n", escaped(way_out)));
    }
}

fn user() -> Finding {
    match rustix::process::geteuid().is_root() {
        true => good("user", ownership::user()),
        false => note(
            "user",
            format!("{} is not root", ownership::user()),
            "most steps need root; run it with sudo",
        ),
    }
}

fn policy(paths: &Paths) -> Finding {
    let name = paths.policy().display().to_string();
    match machine::policy(paths) {
        Ok(_) if !paths.policy().exists() => {
            good("policy", format!("{name} is not there: what is usual holds"))
        }
        Ok(policy) => {
            good("policy", format!("{name}, {} roles, {} secrets", policy.roles.len(), policy.secrets.len()))
        }
        Err(failure) => {
            bad("policy", failure.text(false).trim_end().to_owned(), "mend the file; nothing runs until then")
        }
    }
}

fn plugins(machine: &Machine) -> Vec<Finding> {
    let names: Vec<&str> = machine.registry.all().map(|loaded| loaded.plugin.name.as_str()).collect();
    let mut found = vec![match names.as_slice() {
        [] => bad(
            "plugins",
            "there are none",
            "`make build` puts the shipped ones into the binary; --plugins DIR finds others",
        ),
        names if shipped::COMPONENTS.is_empty() => note(
            "plugins",
            names.join(", "),
            "the shipped ones are not in this binary: build it with `make build`",
        ),
        names => good("plugins", names.join(", ")),
    }];
    found.extend(
        machine.rejected.iter().map(|r| bad("plugins", r.to_string(), "remove it or build it again")),
    );
    found.push(match &machine.cache_fault {
        None => good("cache", machine.paths.cache().display().to_string()),
        Some(fault) => note(
            "cache",
            fault.to_string(),
            "plugins are compiled at each start, which takes a second or more",
        ),
    });
    found
}

fn sandbox(machine: &Machine) -> Finding {
    match machine.runtime.is_pooled() {
        true => good("sandbox", "instances come from a pool"),
        false => note(
            "sandbox",
            "no address space for a pool of instances",
            "raise `ulimit -v`; it only costs microseconds",
        ),
    }
}

fn guard(machine: &Machine) -> Finding {
    match Scope::choices("doctor", machine.policy.holds_without_scope).first() {
        Some(Scope::Systemd(_)) => good("guard", "a scope of systemd's own"),
        Some(Scope::Group(folder)) => {
            let root = folder.parent().unwrap_or(Path::new("/")).display().to_string();
            good("guard", format!("a control group below {root}"))
        }
        Some(Scope::None) => note(
            "guard",
            "no scope of its own: what ends Cutwater's session may end the guard too",
            "the policy allows that (`holds-without-scope`); systemd or cgroup v2 would be better",
        ),
        None => bad(
            "guard",
            "neither systemd nor cgroup v2: holds and outages are refused",
            "mount cgroup2, or let the policy say `holds-without-scope: true`",
        ),
    }
}

/// The programs that the plugins' steps name, by where they are missing.
fn programs(machine: &Machine) -> Vec<Finding> {
    let folders: Vec<PathBuf> = machine.policy.path.iter().map(PathBuf::from).collect();
    let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for loaded in machine.registry.all() {
        for program in loaded.plugin.steps.values().flat_map(|step| &step.needs.run) {
            let plugins = wanted.entry(program).or_default();
            if plugins.last() != Some(&loaded.plugin.name.as_str()) {
                plugins.push(&loaded.plugin.name);
            }
        }
    }
    wanted.retain(|program, _| !program.starts_with("with:"));
    let missing: Vec<Finding> = wanted
        .iter()
        .filter_map(|(program, plugins)| {
            let fault = path::find(program, &folders).err()?;
            let way_out = package(program).map_or_else(
                || "install it, or do without these plugins' steps that use it".to_owned(),
                |package| format!("apt-get install {package}"),
            );
            Some(note("programs", format!("{} (for {})", fault.message, plugins.join(", ")), way_out))
        })
        .collect();
    if missing.is_empty() {
        return vec![good("programs", format!("all {} that the plugins name are there", wanted.len()))];
    }
    missing
}

/// The Debian package of a program.
fn package(program: &str) -> Option<&'static str> {
    Some(match program {
        "dmsetup" => "dmsetup",
        "xfs_admin" | "xfs_repair" | "xfs_growfs" | "mkfs.xfs" => "xfsprogs",
        "pg_ctlcluster" | "pg_lsclusters" => "postgresql-common",
        "psql" | "pg_controldata" => "postgresql",
        "mount" | "umount" | "findmnt" | "blkid" | "wipefs" => "util-linux",
        "systemctl" => "systemd",
        _ if program.starts_with("lv") || program.starts_with("vg") || program.starts_with("pv") => "lvm2",
        _ => return None,
    })
}

fn journal(paths: &Paths) -> Finding {
    let name = paths.journal().display().to_string();
    let opened = Store::open_to_read(&paths.journal());
    let store = match opened {
        Ok(Some(store)) => store,
        Ok(None) => return good("journal", format!("{name} is not there yet")),
        Err(error) => {
            return bad(
                "journal",
                Failure::from(error).text(false).trim_end().to_owned(),
                "see the cause; nothing runs until then",
            );
        }
    };
    match (store.unfinished(), store.locks()) {
        (Ok(unfinished), Ok(locks)) if unfinished.is_empty() && locks.is_empty() => good("journal", name),
        (Ok(unfinished), Ok(locks)) => note(
            "journal",
            format!("{name}: {} runs are not over, {} locks are held", unfinished.len(), locks.len()),
            "cutwater runs --unfinished",
        ),
        (Err(error), _) | (_, Err(error)) => bad(
            "journal",
            Failure::from(error).text(false).trim_end().to_owned(),
            "see the cause; nothing runs until then",
        ),
    }
}

fn kernel() -> Vec<Finding> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let devices = std::fs::read_to_string("/proc/devices").unwrap_or_default();
    let mapper = match devices.contains("device-mapper") {
        true => good("kernel", format!("{}, with device mapper", release.trim())),
        false => note(
            "kernel",
            format!("{}, without device mapper", release.trim()),
            "modprobe dm_mod dm_snapshot, if steps of lvm are to run here",
        ),
    };
    let pidfd = rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty());
    match pidfd {
        Ok(_) => vec![mapper],
        Err(error) => {
            let text = format!("no pidfd ({error}): the guard cannot watch, holds and outages are refused");
            vec![mapper, bad("kernel", text, "a kernel of 5.3 or newer")]
        }
    }
}

fn toolchain() -> Finding {
    match cutwater_build::find_toolchain() {
        Ok(toolchain) => good("build", format!("plugins can be built with {}", toolchain.cargo.display())),
        Err(error) => note("build", "plugins cannot be built here", error.to_string()),
    }
}
