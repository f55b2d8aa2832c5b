//! The guard, that a fault may have killed. It must not know what it covers.

use super::{Life, Strike, What, held};
use crate::ports::{CallId, Guard, GuardError};
use cutwater_core::answer::GiveBack;
use cutwater_core::names::{RunId, StepName};
use std::sync::Arc;

pub(super) struct Hooked {
    pub inner: Arc<dyn Guard>,
    pub life: Arc<Life>,
}

impl Guard for Hooked {
    fn arm(&self, run: &RunId) -> Result<u32, GuardError> {
        if let Some(Strike::Refused { .. }) = self.life.strikes(What::Arm, None) {
            return Err(GuardError("refused".into()));
        }
        // A guard that is armed anew is another one.
        *held(&self.life.guard_dead) = false;
        self.inner.arm(run)
    }

    fn cover(
        &self,
        step: &StepName,
        hold: Option<CallId>,
        limit_ms: u64,
        give_backs: &[GiveBack],
    ) -> Result<(), GuardError> {
        if self.life.strikes(What::Cover, Some(step)) == Some(Strike::Claimed) {
            return Ok(());
        }
        match self.alive() {
            true => self.inner.cover(step, hold, limit_ms, give_backs),
            false => Err(GuardError("it died".into())),
        }
    }

    fn renew(&self, step: &StepName, limit_ms: u64) {
        if self.life.strikes(What::Cover, Some(step)) != Some(Strike::Claimed) && self.alive() {
            self.inner.renew(step, limit_ms);
        }
    }

    fn uncover(&self, step: &StepName) {
        self.inner.uncover(step);
    }

    fn alive(&self) -> bool {
        !*held(&self.life.guard_dead) && self.inner.alive()
    }

    fn disarm(&self) {
        self.inner.disarm();
    }
}
