//! What tests of the checker share: descriptions of realistic plugins, a good document, and a thread with the stack that
//! core asks for.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use cutwater_core::check::{Checked, Given, check_text};
use cutwater_core::describe::Catalog;
use cutwater_core::fault::Faults;
use serde_json::Value;
use std::time::Duration;

pub const GOOD: &str = include_str!("good.yaml");
pub const HOLD: &str = include_str!("hold.yaml");

pub fn catalog() -> Catalog {
    serde_json::from_str(include_str!("catalog.json")).unwrap()
}

pub fn given(pairs: &[(&str, Value)]) -> Given {
    let values = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Given { values, partial: false }
}

/// The inputs that the good document asks for.
pub fn target() -> Given {
    given(&[("target", Value::from("/dev/vg01/new"))])
}

pub fn checked(text: &str, given: &Given) -> Result<Checked, Faults> {
    let (text, given) = (text.to_owned(), given.clone());
    deep(move || check_text(&text, "workflow.yaml", &catalog(), &given, None))
}

/// The same, and the time that it took a processor: what others do on the machine meanwhile does not count.
pub fn timed(text: &str, given: &Given) -> (Result<Checked, Faults>, Duration) {
    let (text, given) = (text.to_owned(), given.clone());
    deep(move || {
        let began = on_processor();
        let found = check_text(&text, "workflow.yaml", &catalog(), &given, None);
        (found, on_processor() - began)
    })
}

/// How long this thread has run (proc_pid_schedstat: nanoseconds on a processor, waited, slices).
fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// Runs on a thread with the stack that core asks for.
pub fn deep<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(cutwater_core::expr::STACK).spawn(work).unwrap();
    thread.join().unwrap()
}

pub fn shown(faults: &Faults, text: &str) -> String {
    faults.render(|_| Some(text), false)
}
