//! Clocks that jump to the next deadline instead of waiting. They must not know what is waited for.

use crate::faults::held;
use crate::ports::{Clock, Command, Input};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

/// How often in a row the patient one jumps with nothing heard: more than half a day of a run with something open.
const MOST_JUMPS: u32 = 60_000;

/// The time in milliseconds since 1970.
#[derive(Debug)]
pub struct Jumping(pub Mutex<u64>);

impl Clock for Jumping {
    fn now(&self) -> i64 {
        i64::try_from(self.monotonic()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> u64 {
        *held(&self.0)
    }

    fn wait(&self, inbox: &Receiver<Input>, ms: Option<u64>) -> Option<Input> {
        if let Ok(input) = inbox.try_recv() {
            return Some(input);
        }
        *held(&self.0) += ms.unwrap_or(1000).max(1);
        None
    }
}

/// One that jumps likewise, and ends the loop of a run that waits for something that never comes.
#[derive(Debug)]
pub(super) struct Patient {
    clock: Jumping,
    jumps: Mutex<u32>,
}

impl Patient {
    pub const fn at(ms: u64) -> Self {
        Self { clock: Jumping(Mutex::new(ms)), jumps: Mutex::new(0) }
    }
}

impl Clock for Patient {
    fn now(&self) -> i64 {
        self.clock.now()
    }

    fn monotonic(&self) -> u64 {
        self.clock.monotonic()
    }

    fn wait(&self, inbox: &Receiver<Input>, ms: Option<u64>) -> Option<Input> {
        let heard = self.clock.wait(inbox, ms);
        let mut jumps = held(&self.jumps);
        *jumps = if heard.is_some() { 0 } else { *jumps + 1 };
        match *jumps > MOST_JUMPS {
            true => Some(Input::Command(Command::Quit, channel().0)),
            false => heard,
        }
    }
}
