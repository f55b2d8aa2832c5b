//! Waiting for descriptors while a call may be told to stop. It must not know what is waited for.

use crate::fault::Fault;
use rustix::event::{PollFd, Timespec, poll};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a waiting call may take to notice that it is told to stop.
const SLICE: Duration = Duration::from_millis(50);

/// Waits until one of `fds` is ready. Ends with `stopping` once `stop` is set, with `timed-out` at the deadline.
pub fn ready(fds: &mut [PollFd<'_>], stop: &AtomicBool, deadline: Option<Instant>) -> Result<(), Fault> {
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        if once(fds, left.map_or(SLICE, |left| left.min(SLICE)))? {
            return Ok(());
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Fault::stopping());
        }
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Fault::timed_out("nothing came in time"));
        }
    }
}

/// Waits at most `time`; tells whether one of `fds` is ready.
pub fn once(fds: &mut [PollFd<'_>], time: Duration) -> Result<bool, Fault> {
    let time = Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    match poll(fds, Some(&time)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(Fault::io("waiting failed", error)),
    }
}
