//! Programs that outlived the call that started them: they may still act, and so nothing else is done to their step. It
//! must not know what they do.

use crate::engine::{Engine, EngineError, Purpose};
use crate::ports::Remains;
use cutwater_core::event::Event;
use cutwater_core::names::StepName;
use serde_json::Value;

impl Engine {
    /// A program of an earlier attempt at the step of which something still runs.
    pub(crate) fn orphan(&self, index: usize) -> Option<Orphan> {
        let runs = |program: &Value| orphan(program, self.ports.runner.remains(program));
        self.state.steps[index].unended().find_map(runs)
    }

    /// Whether such a program is waited for; each state of it is told once.
    pub(crate) fn orphan_acts(&mut self, index: usize) -> Result<bool, EngineError> {
        let Some(orphan) = self.orphan(index) else { return Ok(false) };
        self.orphans = true;
        if !self.told_orphans.contains(&orphan.words) {
            let step = self.state.plan.steps[index].name.clone();
            let text = format!("{}; nothing else is done to `{step}` meanwhile", orphan.words);
            self.told_orphans.insert(orphan.words);
            self.append(vec![Event::Said { step, level: "warn".into(), text }], false)?;
        }
        Ok(true)
    }
}

/// How long a call of a run with only one way to go may last before its program is named.
const SLOW_MS: i64 = 60_000;

impl Engine {
    /// Nobody is to wait in the dark for a program that hangs on the way back or behind the mark.
    pub(crate) fn name_slow_programs(&mut self) -> Result<(), EngineError> {
        let flights: Vec<_> = self.calls.values().filter(|flight| flight.purpose != Purpose::Hold).collect();
        let slow: Vec<(StepName, String)> = flights
            .iter()
            .filter_map(|flight| {
                let step = self.state.step(&flight.step).filter(|step| self.now() - step.since > SLOW_MS)?;
                let program = step.unended().next()?;
                let (name, pid) = (program["program"].as_str().unwrap_or("a program"), &program["pid"]);
                let text = format!(
                    "`{name}`, process {pid}, has been running for more than a minute: see with `ps -o \
                     pid,stat,wchan,args -s {pid}` what it does, and if it hangs, end it with `kill -- -{pid}`"
                );
                (!self.told_orphans.contains(&text)).then(|| (flight.step.clone(), text))
            })
            .collect();
        for (step, text) in slow {
            self.told_orphans.insert(text.clone());
            self.append(vec![Event::Said { step, level: "warn".into(), text }], false)?;
        }
        Ok(())
    }
}

/// A program that outlived the call that started it.
pub struct Orphan {
    /// Whether the program itself runs; else only what it started, which may be meant to.
    pub itself: bool,
    /// Which it is, and the way out.
    pub words: String,
}

/// The program as an orphan, if something of it still runs.
pub fn orphan(program: &Value, remains: Remains) -> Option<Orphan> {
    let name = program["program"].as_str().unwrap_or("a program");
    let pid = &program["pid"];
    Some(match remains {
        Remains::Nothing => return None,
        Remains::Itself => Orphan {
            itself: true,
            words: format!(
                "`{name}`, process {pid}, which an earlier attempt started, is still running and is waited for: if it \
                 hangs, see with `ps -o pid,stat,wchan,args -s {pid}` what it does, and end it with `kill -- -{pid}` (where \
                 it is stopped, T, with `kill -KILL -- -{pid}`)"
            ),
        },
        Remains::Others(others) => {
            let others: Vec<String> = others.iter().map(u32::to_string).collect();
            Orphan {
                itself: false,
                words: format!(
                    "`{name}`, process {pid}, which an earlier attempt started, has ended, and what it started is still \
                     running and is waited for ({}): see with `ps -o pid,stat,wchan,args -s {pid}` what it does, and end \
                     it with `kill -- -{pid}`; if it is to live on, as a service is, decide with `cutwater settle`",
                    others.join(", ")
                ),
            }
        }
    })
}
