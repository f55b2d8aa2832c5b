//! Programs that outlived the call that started them: they may still act, and so nothing else is done to their step. It
//! must not know what they do.

use crate::engine::{Engine, EngineError};
use cutwater_core::event::Event;
use cutwater_core::state::Phase;
use serde_json::Value;

impl Engine {
    /// A program of an earlier attempt at the step that still runs.
    pub(crate) fn orphan(&self, index: usize) -> Option<&Value> {
        self.state.steps[index].unended().find(|program| self.ports.runner.still_running(program))
    }

    /// Whether such a program is waited for; it is told once. Where the run has only one way to go, the guard is told that
    /// this engine waits: whoever took the run over could do nothing but wait, too.
    pub(crate) fn orphan_acts(&mut self, index: usize) -> Result<bool, EngineError> {
        let Some(program) = self.orphan(index).cloned() else { return Ok(false) };
        self.orphans = true;
        if matches!(self.state.phase, Phase::Back { .. }) || self.state.crossed.is_some() {
            self.give_the_way_back_time();
        }
        if !self.told_orphans.contains(&program) {
            let step = self.state.plan.steps[index].name.clone();
            let text = format!("{}; nothing else is done to `{step}` meanwhile", in_words(&program));
            self.told_orphans.push(program);
            self.append(vec![Event::Said { step, level: "warn".into(), text }], false)?;
        }
        Ok(true)
    }
}

/// Which program, and the way out.
pub fn in_words(program: &Value) -> String {
    let name = program["program"].as_str().unwrap_or("a program");
    let pid = &program["pid"];
    format!(
        "`{name}`, process {pid}, which an earlier attempt started, is still running and is waited for: if it hangs, \
         see with `ps -fp {pid}` what it does, and end it with `kill {pid}`"
    )
}
