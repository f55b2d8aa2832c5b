//! What one plugin under test stands on: a runner with it alone, under the policy of its cases, and a guard. It must not know
//! which calls are made.

use crate::exit::{Failure, Kind};
use crate::machine;
use crate::paths::Paths;
use cutwater_core::policy::Policy;
use cutwater_host::capability::connect::streams::Streams;
use cutwater_host::ground::{AtCall, Ground};
use cutwater_host::guard::client::{ProcessGuard, Settings as GuardSettings};
use cutwater_host::registry::{Loaded, Registry};
use cutwater_host::runner::{Runner, Settings};
use cutwater_host::runtime::Runtime;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Of what a stand is made; the same in the process that tests and in those that die.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Needs {
    /// `--root`: compiled plugins are kept below it, and nothing else is touched there.
    pub root: PathBuf,
    /// The folder of this test: what a run keeps under `/run/cutwater` is below it.
    pub place: PathBuf,
    /// The component.
    pub component: PathBuf,
    /// Text of the policy; the one that holds without a file if empty.
    pub policy: String,
}

/// It.
pub struct Stand {
    /// Runs the plugin.
    pub runner: Arc<Runner>,
    /// Gives back what a killed process holds.
    pub guard: Arc<ProcessGuard>,
    /// The plugin.
    pub plugin: Arc<Loaded>,
    /// The policy.
    pub policy: Arc<Policy>,
}

impl Stand {
    /// Makes it.
    pub fn new(needs: &Needs, at_call: Option<AtCall>) -> Result<Self, Failure> {
        let invalid = |error: anyhow::Error| Failure::new(Kind::Invalid, error);
        let policy = match needs.policy.as_str() {
            "" => Policy::default(),
            text => Policy::parse("policy", text).map_err(|fault| invalid(fault.into()))?,
        };
        let policy = Arc::new(policy);
        let binary = std::env::current_exe().map_err(|error| Failure::new(Kind::Defect, error))?;
        let paths = Paths::below(&needs.place);
        let streams = Streams::default();
        let guard = Arc::new(ProcessGuard::new(
            GuardSettings {
                guard: vec![binary.clone().into(), cutwater_host::guard::process::COMMAND.into()],
                // The test itself takes over from a process that it killed.
                engine: vec!["true".to_owned()],
                folder: paths.run(),
                margin: Duration::from_secs(5),
                without_scope: true,
            },
            streams.clone(),
        ));
        let ground = machine::ground(&paths, &policy, &binary, streams, &guard);
        let ground = Arc::new(Ground { at_call, ..ground });
        let runtime = Arc::new(Runtime::new().map_err(|error| Failure::new(Kind::Defect, error))?);
        let (cache, _) = machine::cache(&Paths::below(&needs.root));
        let read = std::fs::read(&needs.component);
        let bytes = read.map_err(|error| {
            invalid(anyhow::Error::new(error).context(format!("cannot read {}", needs.component.display())))
        })?;
        let (registry, rejected) = Registry::load(&runtime, &cache, &ground, &[("under test", &bytes)], &[]);
        if let Some(rejected) = rejected.into_iter().next() {
            return Err(invalid(rejected.into()));
        }
        let plugin = registry.all().next().cloned();
        let plugin =
            plugin.ok_or_else(|| Failure::words(Kind::Defect, "the plugin was neither taken nor not"))?;
        let runner = Arc::new(Runner::new(runtime, Arc::new(registry), ground, Settings::default()));
        Ok(Self { runner, guard, plugin, policy })
    }
}
