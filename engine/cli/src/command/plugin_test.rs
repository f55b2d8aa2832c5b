//! `cutwater plugin test`: the conformance run of one plugin, through the real host. Here are its arguments, the component, the
//! file of cases and the report. It must not know what is tried.

mod perform;
mod stand;
mod subject;
pub mod victim;

use crate::args::{Global, PluginTest};
use crate::exit::{Failure, Kind};
use crate::machine;
use crate::paths::Paths;
use crate::screen;
use crate::text_file;
use cutwater_core::fault::escaped;
use cutwater_core::policy::Policy;
use cutwater_testkit::{Cases, Report};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use subject::Subject;

/// The file of cases, beside the plugin.
const CASES: &str = "conformance.yaml";

/// Tries the plugin; status 3 where something does not hold.
pub fn run(paths: &Paths, global: &Global, args: &PluginTest) -> Result<(), Failure> {
    let place = Place::new()?;
    let component = component(&args.plugin, &place)?;
    let cases = cases(args)?;
    let policy = match &cases.policy {
        Some(text) => {
            let scratch = cutwater_testkit::scratch(&place.0);
            let text = text.replace("${SCRATCH}", &scratch.to_string_lossy());
            // The text that the processes to be killed read is the one that is used here.
            Policy::parse("policy", &text).map_err(|fault| Failure::new(Kind::Invalid, fault))?;
            Some(text)
        }
        None => None,
    };
    let policy = match policy {
        Some(text) => text,
        None => policy_text(paths)?,
    };
    let subject = Subject::new(stand::Needs {
        root: paths.root().to_owned(),
        place: place.0.clone(),
        component,
        policy,
    })?;
    if let Some(case) = args.case.as_deref().filter(|case| !cases.cases.iter().any(|c| c.name == *case)) {
        let names: Vec<&str> = cases.cases.iter().map(|case| case.name.as_str()).collect();
        return Err(Failure::words(
            Kind::Usage,
            format!("there is no case `{case}`; there are {}", names.join(", ")),
        ));
    }
    let report = cutwater_testkit::run(&subject, &cases, args.case.as_deref(), &place.0);
    said(&subject, global, &report);
    match report.holds() {
        true => Ok(()),
        false => Err(Failure::said(Kind::Invalid)),
    }
}

fn said(subject: &Subject, global: &Global, report: &Report) {
    let (name, version) = subject.name();
    if global.json {
        screen::print_json(&json!({
            "plugin": name, "version": version, "holds": report.holds(), "trials": report.trials
        }));
        return;
    }
    let text: Vec<String> = report.text().lines().map(escaped).collect();
    let broken = report.trials.iter().filter(|trial| trial.broken.is_some()).count();
    let end = match broken {
        0 => format!("{name} {version}: everything held"),
        1 => format!("{name} {version}: one thing did not hold"),
        more => format!("{name} {version}: {more} things did not hold"),
    };
    screen::print(&format!("{}\n\n{}\n", text.join("\n"), escaped(&end)));
}

/// The component of what was named: a folder is built.
fn component(named: &Path, place: &Place) -> Result<PathBuf, Failure> {
    let invalid = |error: std::io::Error| {
        let error = anyhow::Error::new(error).context(format!("cannot read {}", named.display()));
        Failure::new(Kind::Invalid, error)
    };
    let named_as = named.canonicalize().map_err(invalid)?;
    if named_as.is_dir() {
        let out = place.0.join("plugin.wasm");
        let built = cutwater_build::build(&named_as, &out);
        return built.map(|_| out).map_err(|error| Failure::new(Kind::Invalid, error));
    }
    Ok(named_as)
}

/// The cases: where it was said, else beside the plugin.
fn cases(args: &PluginTest) -> Result<Cases, Failure> {
    let beside = match args.plugin.is_dir() {
        true => args.plugin.join(CASES),
        false => args.plugin.with_file_name(CASES),
    };
    let file = args.cases.clone().unwrap_or(beside);
    if !file.exists() {
        let text = format!(
            "there is no {}: the cases of a conformance run lie there, or are named with --cases",
            file.display()
        );
        return Err(Failure::words(Kind::Invalid, text));
    }
    let text = text_file::read(&file)?;
    Cases::parse(&file.display().to_string(), &text).map_err(|fault| Failure::new(Kind::Invalid, fault))
}

/// The machine's own policy, where the cases bring none.
fn policy_text(paths: &Paths) -> Result<String, Failure> {
    let file = paths.policy();
    if !file.exists() {
        return Ok(String::new());
    }
    machine::policy(paths)?;
    text_file::read(&file)
}

/// A folder for the run, removed at its end.
struct Place(PathBuf);

impl Place {
    fn new() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("cutwater-test-{}", std::process::id()));
        let invalid = |error: std::io::Error| {
            let error = anyhow::Error::new(error).context(format!("cannot make {}", folder.display()));
            Failure::new(Kind::Invalid, error)
        };
        // Fails where somebody else has made it: the folder is ours, and others may only look into it.
        fs::create_dir(&folder).map_err(invalid)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(invalid)?;
        folder.canonicalize().map(Self).map_err(invalid)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What a case could not take apart stays, and is named in the report.
        if !cutwater_testkit::scratch(&self.0).exists() {
            let _gone = fs::remove_dir_all(&self.0);
        }
    }
}
