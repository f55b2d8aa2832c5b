//! A process of the conformance run that makes one call and is killed, by SIGKILL, at the point that it was told. What a
//! journal would hold goes to standard output at once, as lines. It must not know what is tried.

use super::perform::{Line, perform};
use super::stand::{Needs, Stand};
use crate::exit::{Failure, Kind};
use cutwater_testkit::Ask;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The hidden first argument.
pub const COMMAND: &str = "__plugin-test-call";

/// What it is told, as JSON on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// What it stands on.
    pub needs: Needs,
    /// The call.
    pub ask: Ask,
    /// The point, from 1.
    pub at: u64,
}

/// The whole process.
pub fn main() -> ExitCode {
    match obey() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            crate::screen::complain(&failure.text(false));
            failure.code()
        }
    }
}

fn obey() -> Result<(), Failure> {
    let defect = |error: anyhow::Error| Failure::new(Kind::Defect, error);
    let order: Order =
        serde_json::from_reader(std::io::stdin().lock()).map_err(|error| defect(error.into()))?;
    let fate = Arc::new(Fate { left: AtomicU64::new(order.at) });
    let of_calls = fate.clone();
    let at_call =
        Box::new(move |capability: &'static str| of_calls.point(&format!("before a call of `{capability}`")));
    let stand = Stand::new(&order.needs, Some(at_call))?;
    let ended = perform(&stand, &order.ask, &mut |line| match line {
        Line::Point(point) => fate.point(&point),
        Line::Used(what, durable) => {
            let program = what["program"].as_str().map(str::to_owned);
            tell(&Line::Used(what, durable));
            if durable {
                fate.point(&format!("before `{}` is executed", program.unwrap_or_default()));
            }
        }
        line => tell(&line),
    });
    fate.point("before its answer is told");
    tell(&Line::End(ended));
    Ok(())
}

/// When it dies.
struct Fate {
    left: AtomicU64,
}

impl Fate {
    fn point(&self, point: &str) {
        tell(&Line::Point(point.to_owned()));
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let _never =
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
}

/// One write for each line: what is told is out of this process when this returns.
fn tell(line: &Line) {
    if let Ok(mut text) = serde_json::to_string(line) {
        text.push('\n');
        let mut out = std::io::stdout().lock();
        let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
