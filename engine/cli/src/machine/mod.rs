//! This machine as a run finds it: policy, plugins, runner, guard, journal. It must not know commands.

pub mod faults;
pub mod journal;
pub mod ownership;
pub mod previewer;
pub mod shipped;
pub mod signals;

use crate::args::Global;
use crate::exit::{Failure, Kind};
use crate::paths::Paths;
use crate::text_file;
use cutwater_core::policy::Policy;
use cutwater_driver::faults::Fault;
use cutwater_host::cache::{Cache, CacheFault};
use cutwater_host::capability::connect::streams::Streams;
use cutwater_host::capability::run::child;
use cutwater_host::ground::{Ground, SystemClock, system_random};
use cutwater_host::guard::client::{ProcessGuard, Settings as GuardSettings};
use cutwater_host::registry::{Registry, Rejected};
use cutwater_host::runner::{Runner, Settings};
use cutwater_host::runtime::Runtime;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Added to each limit before the guard acts alone: what an engine under load may need to begin the release itself.
const GUARD_MARGIN: Duration = Duration::from_secs(5);

/// Everything but the journal.
pub struct Machine {
    /// Where things are.
    pub paths: Paths,
    /// The host's policy.
    pub policy: Arc<Policy>,
    /// The sandbox.
    pub runtime: Arc<Runtime>,
    /// The plugins that were taken.
    pub registry: Arc<Registry>,
    /// Those that were not.
    pub rejected: Vec<Rejected>,
    /// Why compiled plugins are not kept, if so.
    pub cache_fault: Option<CacheFault>,
    /// Runs steps.
    pub runner: Arc<Runner>,
    /// Gives back what a dead engine holds.
    pub guard: Arc<ProcessGuard>,
    /// What strikes the run of this process.
    pub faults: Vec<Fault>,
}

impl Machine {
    /// Reads the policy and loads the plugins. Plugins that are not taken are no fault until a workflow names them.
    pub fn open(paths: &Paths, global: &Global) -> Result<Self, Failure> {
        let policy = Arc::new(policy(paths)?);
        let binary = std::env::current_exe().map_err(|error| Failure::new(Kind::Defect, error))?;
        let streams = Streams::default();
        let guard =
            Arc::new(ProcessGuard::new(guard_settings(paths, global, &policy, &binary), streams.clone()));
        let ground = Arc::new(ground(paths, &policy, &binary, streams, &guard));
        let runtime = Arc::new(Runtime::new().map_err(|error| Failure::new(Kind::Defect, error))?);
        let (cache, cache_fault) = cache(paths);
        let folders = plugin_folders(paths, global, &policy);
        let (registry, rejected) = Registry::load(&runtime, &cache, &ground, shipped::COMPONENTS, &folders);
        let registry = Arc::new(registry);
        let runner = Arc::new(Runner::new(runtime.clone(), registry.clone(), ground, Settings::default()));
        Ok(Self {
            paths: paths.clone(),
            policy,
            runtime,
            registry,
            rejected,
            cache_fault,
            runner,
            guard,
            faults: Vec::new(),
        })
    }
}

/// The machine's cache; for a user who may not write there, their own.
pub fn cache(paths: &Paths) -> (Cache, Option<CacheFault>) {
    let (cache, fault) = Cache::open(&paths.cache());
    let own = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .filter(|folder| folder.is_absolute() && !rustix::process::geteuid().is_root());
    match (fault, own) {
        (Some(_), Some(own)) => Cache::open(&own.join("cutwater")),
        (fault, _) => (cache, fault),
    }
}

/// The host's policy; what holds without a file where there is none.
pub fn policy(paths: &Paths) -> Result<Policy, Failure> {
    let path = paths.policy();
    if !path.exists() {
        return Ok(Policy::default());
    }
    safe(&path)?;
    let text = text_file::read(&path)?;
    Policy::parse(&path.display().to_string(), &text).map_err(|fault| Failure::new(Kind::Invalid, fault))
}

/// Whoever can write the policy can have anything done.
fn safe(path: &PathBuf) -> Result<(), Failure> {
    let facts = std::fs::metadata(path).map_err(|error| Failure::new(Kind::Invalid, error))?;
    let owned = facts.uid() == 0 || facts.uid() == rustix::process::geteuid().as_raw();
    if owned && facts.mode() & 0o022 == 0 {
        return Ok(());
    }
    let name = path.display();
    let text =
        format!("{name} can be written by others: chown root and chmod go-w it, then look at what it says");
    Err(Failure::words(Kind::Invalid, text))
}

/// Where plugins are looked for, in order.
pub fn plugin_folders(paths: &Paths, global: &Global, policy: &Policy) -> Vec<PathBuf> {
    let by_policy = policy.plugins.iter().map(PathBuf::from);
    global.plugins.iter().cloned().chain(by_policy).chain([paths.plugins()]).collect()
}

fn guard_settings(
    paths: &Paths,
    global: &Global,
    policy: &Policy,
    binary: &std::path::Path,
) -> GuardSettings {
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let absolute = |path: &std::path::Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut engine = vec![text(binary), "--root".to_owned(), text(&absolute(paths.root()))];
    for folder in &global.plugins {
        engine.extend(["--plugins".to_owned(), text(&absolute(folder))]);
    }
    GuardSettings {
        guard: vec![binary.into(), cutwater_host::guard::process::COMMAND.into()],
        engine,
        folder: paths.run(),
        margin: GUARD_MARGIN,
        without_scope: policy.holds_without_scope,
    }
}

/// What every call on this machine stands on.
pub fn ground(
    paths: &Paths,
    policy: &Arc<Policy>,
    binary: &std::path::Path,
    streams: Streams,
    guard: &Arc<ProcessGuard>,
) -> Ground {
    let mut programs = child::Rules::usual();
    programs.path = policy.path.iter().map(PathBuf::from).collect();
    programs.env = policy.environment.clone();
    programs.critical = policy.critical.clone();
    Ground {
        policy: policy.clone(),
        programs,
        clock: Arc::new(SystemClock),
        random: system_random,
        streams,
        carried: vec![paths.state(), paths.cache(), paths.run(), paths.policy(), binary.to_owned()],
        runs: paths.run(),
        keeper: Some(guard.clone()),
        at_call: None,
    }
}
