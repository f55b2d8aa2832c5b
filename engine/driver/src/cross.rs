//! Crossing the point of no return: what is asked, looked at and refused in the last moment before it is written down.
//! The append itself is the last question of ownership: it names the sequence number that it expects, so whoever has lost
//! the run cannot cross. It must not know what the mark's step does.

use crate::engine::{Engine, EngineError, limit_of};
use crate::prepare::Prepared;
use cutwater_core::names::StepName;
use cutwater_core::state::{Gate, Status, StepState};
use std::collections::BTreeSet;

/// The mark between its last look and its crossing.
pub(crate) struct Crossing {
    prepared: Prepared,
    /// The live holds that have not said yet that they are unbroken.
    asked: BTreeSet<StepName>,
}

impl Engine {
    fn live_holds(&self) -> BTreeSet<StepName> {
        let held = |s: &StepState| matches!(s.status, Status::Taken | Status::Confirmed);
        let steps = self.state.plan.steps.iter().zip(&self.state.steps);
        steps.filter(|(_, s)| held(s)).map(|(planned, _)| planned.name.clone()).collect()
    }

    /// Whether some hold is held anywhere: the mark waits for its word.
    pub(crate) fn asks_the_live_holds(&self) -> bool {
        !self.live_holds().is_empty()
    }

    /// Asks every live hold, in one round, and crosses once each has said that it is unbroken.
    pub(crate) fn cross_when_confirmed(&mut self, prepared: Prepared) -> Result<(), EngineError> {
        let asked = self.live_holds();
        self.busy.insert(prepared.step.clone());
        self.crossing = Some(Crossing { prepared, asked: asked.clone() });
        for hold in asked {
            match self.live_hold(&hold) {
                Some(call) => self.ports.runner.intact(call),
                None => self.intact(hold, Err("its holder is gone".into()))?,
            }
        }
        Ok(())
    }

    /// One of the holds has answered, or is no longer there to answer.
    pub(crate) fn confirmed_before_crossing(
        &mut self,
        hold: &StepName,
        unbroken: bool,
    ) -> Result<(), EngineError> {
        let Some(crossing) = &mut self.crossing else { return Ok(()) };
        if !crossing.asked.remove(hold) {
            return Ok(());
        }
        if !unbroken {
            self.do_not_cross();
            return Ok(());
        }
        match self.crossing.take_if(|crossing| crossing.asked.is_empty()) {
            Some(crossing) => self.go(crossing.prepared),
            None => Ok(()),
        }
    }

    /// The mark is looked at anew, if at all.
    pub(crate) fn do_not_cross(&mut self) {
        if let Some(crossing) = self.crossing.take() {
            self.busy.remove(&crossing.prepared.step);
        }
    }

    /// Why the mark may not be crossed now, if so.
    pub(crate) fn must_not_cross(&self, index: usize) -> Option<String> {
        for group in self.state.around(index) {
            let name = &self.state.plan.steps[group].name;
            let began = self.state.steps[group].began.unwrap_or_else(|| self.now());
            if self.now() - began >= limit_of(&self.state.plan.steps[group].body) as i64 {
                return Some(format!("the limit of `{name}` has passed"));
            }
        }
        if self.armed && !self.ports.guard.alive() {
            return Some("the guard is dead".into());
        }
        match self.state.gate(&self.state.plan.steps[index].name, self.now()) {
            Gate::Open => {}
            Gate::Early(_) => return Some("the window is not open yet".into()),
            Gate::Late(why) => return Some(why),
        }
        let broken =
            |s: &StepState| matches!(s.status, Status::Orphaned { .. } | Status::ReleaseDoubtful { .. });
        self.state.steps.iter().any(broken).then(|| "a hold is broken".into())
    }
}
