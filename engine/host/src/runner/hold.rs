//! A hold on its own thread: taken, asked now and then, given back. The instance lives as long as the hold; if it dies, the
//! hold is broken, which is told, and giving it back is `Unknown`. It must not know what is held.

use super::call::{cleaned, lost};
use super::under::{Order, Reply};
use super::{Context, Shared};
use crate::bindings::hold::Guest;
use crate::bindings::types;
use crate::convert;
use crate::instance::{COMPUTING, Instance, Trapped};
use crate::limits::{OUTPUT, json};
use crate::waiting;
use cutwater_core::answer::{Answer, Ending, GiveBack};
use cutwater_driver::ports::{CallId, Outcome, Report, Taken, Verb};
use rustix::event::{PollFd, PollFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use wasmtime::component::ResourceAny;

/// How often the sockets of a resting hold are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A hold that is taken.
struct Held<'a> {
    shared: &'a Arc<Shared>,
    id: CallId,
    instance: Instance,
    guest: Guest,
    held: ResourceAny,
    reports: Sender<Report>,
    /// Why the instance is dead.
    dead: Option<String>,
}

/// Takes it, answers, and stays until it is given back.
pub fn take(
    shared: &Arc<Shared>,
    id: CallId,
    mut instance: Instance,
    context: &Context,
    input: &types::Json,
    reports: Sender<Report>,
    reply: Reply,
) {
    let (guest, held, taken) = match taken(&mut instance, context, input) {
        Ok(Ok(taken)) => taken,
        Ok(Err(outcome)) => {
            let outcome = cleaned(&instance, outcome);
            drop(instance);
            shared.under.end(id);
            reply.give(outcome);
            return;
        }
        Err(trapped) => {
            drop(instance);
            shared.under.end(id);
            reply.give(lost(&Verb::Take, &trapped.0));
            return;
        }
    };
    let (orders, inbox) = channel();
    shared.under.rest(id, Some(orders));
    let sockets = sockets(shared, &taken.give_backs);
    let outcome = cleaned(&instance, Outcome::Taken(Ok(taken)));
    let mut held = Held { shared, id, instance, guest, held, reports, dead: None };
    if reply.give(outcome) {
        held.stay(&inbox, &sockets);
    }
    // Given up while it was being taken: nobody knows of it, and the end of the instance closes what it has.
    shared.under.end(id);
}

type TakenParts = (Guest, ResourceAny, Taken);

fn taken(
    instance: &mut Instance,
    context: &Context,
    input: &types::Json,
) -> Result<Result<TakenParts, Outcome>, Trapped> {
    let guest = instance.hold()?;
    let taken = match guest.call_take(&mut instance.store, context, input)? {
        Ok(taken) => taken,
        Err(refusal) => return Ok(Err(Outcome::Taken(Err(convert::refusal_in(refusal))))),
    };
    let output = json("the output", &taken.output, OUTPUT).map_err(Trapped)?;
    let give_backs = convert::give_backs_in(taken.give_backs);
    Ok(Ok((guest, taken.held, Taken { output, give_backs })))
}

/// Descriptors of the streams that the guard would shut down: the ones whose end breaks the hold.
fn sockets(shared: &Shared, give_backs: &[GiveBack]) -> Vec<OwnedFd> {
    let stream = |give_back: &GiveBack| match give_back {
        GiveBack::HangUp(id) => shared.ground.streams.copy(*id),
        GiveBack::Thaw(_) => None,
    };
    give_backs.iter().filter_map(stream).collect()
}

impl Held<'_> {
    /// Obeys orders until it is given back, and tells when a socket stirs: once until it is asked again.
    fn stay(&mut self, inbox: &Receiver<Order>, sockets: &[OwnedFd]) {
        let mut told = false;
        loop {
            let wait = if told || sockets.is_empty() { Duration::from_secs(3600) } else { LOOK };
            match inbox.recv_timeout(wait) {
                Ok(Order::Intact) => {
                    told = false;
                    self.intact();
                }
                Ok(Order::Release(how)) => return self.release(how),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    if !told && stirred(sockets) {
                        told = true;
                        let _ = self.reports.send(Report::Stirred { call: self.id });
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn intact(&mut self) {
        let reply = Reply::new(self.id, self.reports.clone());
        let lost = Outcome::Intact(Err("it did not say in time whether it is unbroken".into()));
        let time = self.shared.settings.intact;
        let found = self.stretch(time, (reply.clone(), lost), |held| {
            let asked = held.guest.held().call_intact(&mut held.instance.store, held.held);
            Ok(asked?.map_err(convert::words))
        });
        let was_dead = self.dead.is_some();
        let intact = found.unwrap_or_else(|trapped| {
            self.dead = Some(trapped.0.clone());
            Err(trapped.0)
        });
        let outcome = cleaned(&self.instance, Outcome::Intact(intact));
        reply.give(outcome);
        if self.dead.is_some() && !was_dead {
            let _ = self.reports.send(Report::Stirred { call: self.id });
        }
    }

    fn release(&mut self, how: Ending) {
        let reply = Reply::new(self.id, self.reports.clone());
        let unknown = lost(&Verb::Take, "giving the hold back took too long");
        let time = self.shared.settings.release;
        let answer = self.stretch(time, (reply.clone(), unknown), |held| {
            let how = convert::ending_out(how);
            let answer = held.guest.held().call_release(&mut held.instance.store, held.held, how);
            convert::answer_in(answer?).map_err(Trapped)
        });
        let answer = answer.unwrap_or_else(|trapped| Answer::Unknown {
            why: format!("the holder ended without an answer: {trapped}"),
        });
        reply.give(cleaned(&self.instance, Outcome::Answer(answer)));
    }

    /// One guest call, with flags and times of its own. A dead instance is not called.
    fn stretch<T>(
        &mut self,
        time: Duration,
        lost: (Reply, Outcome),
        call: impl FnOnce(&mut Self) -> Result<T, Trapped>,
    ) -> Result<T, Trapped> {
        if let Some(why) = &self.dead {
            return Err(Trapped(why.clone()));
        }
        let flags = self.shared.under.begin(self.id, Some(time), Some(lost));
        self.instance.store.data_mut().stop = flags.stop;
        self.instance.renew(COMPUTING, flags.kill);
        let came = call(self);
        self.shared.under.rest(self.id, None);
        came
    }
}

/// Whether something came, or the other side went away.
fn stirred(sockets: &[OwnedFd]) -> bool {
    let mut fds: Vec<_> =
        sockets.iter().map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)).collect();
    waiting::once(&mut fds, Duration::ZERO).unwrap_or(true)
}
