//! Runs plugins for the driver: each call on a thread of its own, with a fresh instance, told to stop in time and ended when
//! it does not. It must not know what comes before or after a call.

mod call;
mod hold;
mod preview;
mod under;

use crate::admission::{Phase, Rules};
use crate::capability::run::life;
use crate::ground::Ground;
use crate::registry::{Loaded, Registry};
use crate::runtime::Runtime;
use crate::state::{CallState, Caller};
use cutwater_core::answer::{Ending, Refusal};
use cutwater_core::describe::Kind;
use cutwater_core::effect::{Effect, Shown};
use cutwater_core::grant::Grants;
use cutwater_driver::ports::{AtChange, Call, CallId, PreviewCall, Remains, Report, StepRunner, Verb};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;
use std::time::Duration;
use under::{Order, Under};

/// The stack of a call's thread: the guest has half a MiB of it, JSON and host calls the rest.
const STACK: usize = 4 << 20;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// From the word to stop until the guest is ended.
    pub grace: Duration,
    /// A preview.
    pub preview: Duration,
    /// One look at a hold.
    pub intact: Duration,
    /// Giving a hold back: then it is told to stop.
    pub release: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(10),
            preview: Duration::from_secs(60),
            intact: Duration::from_secs(10),
            release: Duration::from_secs(120),
        }
    }
}

/// The step runner of one machine.
pub struct Runner {
    shared: Arc<Shared>,
}

/// What every call's thread has of it.
struct Shared {
    runtime: Arc<Runtime>,
    registry: Arc<Registry>,
    ground: Arc<Ground>,
    settings: Settings,
    under: Under,
}

impl Runner {
    /// A runner of these plugins. Ends its own watch when it and all its calls are gone.
    pub fn new(
        runtime: Arc<Runtime>,
        registry: Arc<Registry>,
        ground: Arc<Ground>,
        settings: Settings,
    ) -> Self {
        let under = Under::new(settings.grace);
        Self { shared: Arc::new(Shared { runtime, registry, ground, settings, under }) }
    }

    /// The plugins.
    pub fn registry(&self) -> &Registry {
        &self.shared.registry
    }
}

impl StepRunner for Runner {
    fn start(&self, call: Call, reports: Sender<Report>) {
        call::start(&self.shared, call, reports);
    }

    fn stop(&self, call: CallId) {
        self.shared.under.stop(call);
    }

    fn intact(&self, hold: CallId) {
        self.shared.under.order(hold, Order::Intact);
    }

    fn release(&self, hold: CallId, how: Ending) {
        self.shared.under.order(hold, Order::Release(how));
    }

    fn preview(&self, call: PreviewCall) -> Result<Shown, Refusal> {
        preview::preview(&self.shared, call)
    }

    fn remains(&self, used: &Value) -> Remains {
        life::remains(used)
    }
}

/// Who is called, for what, and what it may do: all that makes a state.
struct Ask {
    id: CallId,
    caller: Caller,
    phase: Phase,
    grants: Grants,
    admitted: Vec<Effect>,
    input: Value,
    deadline: Option<Duration>,
    at_change: Option<AtChange>,
}

impl Shared {
    /// The plugin, if it is the very one that the plan knows.
    fn plugin(&self, name: &str, digest: &str) -> Result<Arc<Loaded>, Refusal> {
        let refused =
            |code: &str, message| Refusal { code: code.into(), message, again: false, details: Value::Null };
        let loaded = self.registry.get(name).ok_or_else(|| {
            refused(
                "no-such-plugin",
                format!("there is no plugin `{name}` on this machine (`cutwater plugin list`)"),
            )
        })?;
        if !digest.is_empty() && loaded.plugin.digest != digest {
            let message = format!("the plugin `{name}` is not the one that was planned with; plan again");
            return Err(refused("drifted", message));
        }
        Ok(loaded.clone())
    }

    /// The state of a call, and its context as the guest sees it.
    fn state(&self, ask: Ask, stop: Arc<AtomicBool>, reports: Sender<Report>) -> (CallState, Context) {
        let folder = self.ground.runs.join(&ask.caller.run).to_string_lossy().into_owned();
        let deadline = ask.deadline.map(|time| {
            self.ground.clock.monotonic().saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        });
        let context = Context {
            run: ask.caller.run.clone(),
            step: ask.caller.step.clone(),
            action: ask.caller.action.clone(),
            attempt: ask.caller.attempt,
            mark: ask.caller.mark.clone(),
            more: json!({ "folder": folder, "deadline-ms": deadline, "phase": word(ask.phase) }).to_string(),
        };
        let rules = Rules {
            phase: ask.phase,
            grants: ask.grants,
            admitted: ask.admitted,
            input: ask.input,
            folder,
            policy: self.ground.policy.clone(),
        };
        let mut state = CallState::new(ask.id, ask.caller, rules, self.ground.clone(), stop, reports);
        state.at_change = ask.at_change;
        (state, context)
    }
}

type Context = crate::bindings::types::Context;

fn phase(verb: &Verb, kind: Option<Kind>) -> Phase {
    match verb {
        Verb::Apply { .. } if kind == Some(Kind::Check) => Phase::Check,
        Verb::Apply { .. } => Phase::Apply,
        Verb::Probe(_) => Phase::Probe,
        Verb::Undo(_) => Phase::Undo,
        Verb::Take | Verb::ReleaseOrphan => Phase::Hold,
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Preview => "preview",
        Phase::Check => "check",
        Phase::Probe => "probe",
        Phase::Apply => "apply",
        Phase::Undo => "undo",
        Phase::Hold => "hold",
    }
}

/// `cutwater.RUN.STEP`, in the letters that an LVM tag takes.
fn mark(run: &str, step: &str) -> String {
    let legal =
        |c: char| if c.is_ascii_alphanumeric() || "_+.-\u{e000}\u{e001}".contains(c) { c } else { '_' };
    format!("cutwater.{run}.{step}").chars().map(legal).collect()
}
