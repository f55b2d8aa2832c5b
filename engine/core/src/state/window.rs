//! Whether the window lets an outage begin, or the mark be crossed, at this moment. It must not know time zones, nor
//! where the expected times come from.

use super::fold::RunState;
use crate::event::Need;
use crate::figures::time;
use crate::names::StepName;
use std::collections::BTreeMap;

/// The opening of the window that the run's owner keeps to, and what each outage and the mark are expected to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Milliseconds since 1970.
    pub opens: i64,
    /// Likewise; nothing may begin from which there is no way back by then.
    pub closes: i64,
    /// For each outage, and for the step that crosses the point of no return.
    pub needs: BTreeMap<StepName, Need>,
}

/// What the window says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Go on.
    Open,
    /// Not yet: wait until then.
    Early(i64),
    /// Not any more, and why.
    Late(String),
}

impl Schedule {
    /// The latest moment at which an outage may begin, or the mark be crossed.
    pub fn latest(&self, step: &StepName) -> i64 {
        self.closes.saturating_sub(ms(self.needs.get(step).map_or(0, Need::within_ms)))
    }

    /// The latest moment at which a run may begin so that each of its outages still can.
    pub fn start_by(&self) -> i64 {
        let latest = |(step, need): (&StepName, &Need)| self.latest(step).saturating_sub(ms(need.lead_ms));
        self.needs.iter().map(latest).min().unwrap_or(self.closes)
    }

    /// Whether this step may begin now.
    pub fn gate(&self, step: &StepName, now: i64) -> Gate {
        let need = self.needs.get(step).copied().unwrap_or_default();
        if now.max(self.opens) > self.latest(step) {
            let room = self.closes.saturating_sub(now.max(self.opens));
            let left = match u64::try_from(room) {
                Ok(room) if room > 0 => format!("only {} of the window are left", time(room)),
                _ => "the window has closed".to_owned(),
            };
            return Gate::Late(format!(
                "{left}, and `{step}` is expected to take {} and its way back {}",
                time(need.forward_ms),
                time(need.back_ms)
            ));
        }
        if now < self.opens { Gate::Early(self.opens) } else { Gate::Open }
    }
}

impl RunState {
    /// Whether an outage may begin, or the mark be crossed, now. Behind the mark there is only forward.
    pub fn gate(&self, step: &StepName, now: i64) -> Gate {
        match (&self.plan.window, &self.schedule) {
            (None, _) => Gate::Open,
            _ if self.crossed.is_some() => Gate::Open,
            (Some(_), Some(schedule)) => schedule.gate(step, now),
            (Some(window), None) => Gate::Late(format!(
                "when the window opens is not known: this machine knows no time zone `{}`",
                window.timezone
            )),
        }
    }
}

fn ms(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
