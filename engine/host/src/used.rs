//! How a capability tells the run what it does: into the journal, with secrets taken out. It must not know what is
//! told.

use crate::capability::secret::redact::Redactor;
use crate::fault::Fault;
use cutwater_driver::ports::{CallId, Report};
use serde_json::Value;
use std::sync::mpsc::{Sender, channel};

/// The way from one call to its run's journal. Clones tell the same call's uses.
#[derive(Debug, Clone)]
pub struct Uses {
    call: CallId,
    reports: Sender<Report>,
    redactor: Redactor,
}

impl Uses {
    /// Uses of `call`, told through `reports`, without what `redactor` knows.
    pub fn new(call: CallId, reports: Sender<Report>, redactor: Redactor) -> Self {
        Self { call, reports, redactor }
    }

    /// The call whose uses these are.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// What is kept out of what is told.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Tells it; it is durable with the next durable event at the latest.
    pub fn tell(&self, what: Value) {
        let what = self.redactor.clean_value(what);
        let _ = self.reports.send(Report::Used { call: self.call, what, reply: None });
    }

    /// Tells it and returns once it is durable. On a fault nothing may be done: this owner has lost the run, or the
    /// journal cannot be written.
    pub fn tell_durably(&self, what: Value) -> Result<(), Fault> {
        let what = self.redactor.clean_value(what);
        let (reply, durable) = channel();
        let told = self.reports.send(Report::Used { call: self.call, what, reply: Some(reply) });
        match told.ok().and_then(|()| durable.recv().ok()) {
            Some(true) => Ok(()),
            _ => Err(Fault::stopping()),
        }
    }
}
