//! The plugin's calls against a server of its own, each with a plan of its own. It must not know the engine.

use super::{Cluster, Machine};
use cutwater_plugin_postgres::Plugin;
use cutwater_sdk::call::{Reply, TakenHold};
use cutwater_sdk::{Context, Partial, Plugin as _, Story, Value, json};

/// A server, the machine that it runs on, and the plugin's calls.
pub struct Bench {
    pub cluster: Cluster,
    pub machine: Machine,
}

impl Bench {
    pub fn new() -> Self {
        let cluster = Cluster::new();
        let machine = Machine::of(&cluster);
        Self { cluster, machine }
    }

    pub fn address(&self) -> Value {
        json!({ "unix": self.cluster.socket(), "as": self.cluster.user })
    }

    pub fn ctx(&self, action: &str) -> Context<'_> {
        Context::over(&self.machine, action)
    }

    /// Shows what a step would do, and lets it do just that.
    pub fn plan(&self, action: &str, input: &Value, undo: bool) -> cutwater_sdk::call::Preview {
        self.machine.plan.borrow_mut().clear();
        let shown = Plugin::preview(&self.ctx(action), &Partial::known(input.clone()), undo).unwrap();
        *self.machine.plan.borrow_mut() = shown.effects.clone();
        shown
    }

    pub fn apply(&self, action: &str, input: &Value) -> Reply {
        self.plan(action, input, false);
        Plugin::apply(&self.ctx(action), input.clone(), None)
    }

    pub fn undo(&self, action: &str, input: &Value) -> Reply {
        self.undo_from(action, input, &Story::default())
    }

    pub fn undo_from(&self, action: &str, input: &Value, story: &Story) -> Reply {
        self.plan(action, input, true);
        Plugin::undo(&self.ctx(action), input.clone(), story)
    }

    pub fn take(&self, hold: &str, input: &Value) -> TakenHold<'_> {
        self.plan(hold, input, false);
        Plugin::take(self.ctx(hold), input.clone()).map_err(|refusal| refusal.message).unwrap()
    }

    pub fn app(&self) -> std::process::Output {
        self.cluster.client("app", "select 1").output().unwrap()
    }
}

#[track_caller]
pub fn changed(reply: Reply) -> Value {
    match reply {
        Reply::Changed(output) => output,
        other => panic!("not changed: {other:?}"),
    }
}

#[track_caller]
pub fn refused(reply: Reply) -> (String, String) {
    match reply {
        Reply::Refused(refusal) => (refusal.code, refusal.message),
        other => panic!("not refused: {other:?}"),
    }
}
