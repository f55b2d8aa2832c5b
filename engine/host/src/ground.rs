//! What every call on this machine stands on: the policy, the clock, how programs start, what must never be touched. It
//! must not know runs or plugins.

use crate::capability::connect::streams::Streams;
use crate::capability::run::child;
use crate::guard::keeper::Keeper;
use cutwater_core::policy::Policy;
use cutwater_driver::ports::Clock;
use std::path::PathBuf;
use std::sync::Arc;

/// One for the process.
pub struct Ground {
    /// The machine's own policy.
    pub policy: Arc<Policy>,
    /// How programs are started, by the policy.
    pub programs: child::Rules,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Fills a buffer with random bytes.
    pub random: fn(&mut [u8]) -> std::io::Result<()>,
    /// The streams that guests hold; the guard's too.
    pub streams: Streams,
    /// What carries the journal, the guard, the binary, its cache: nothing that carries these is frozen, unmounted,
    /// moved or overwritten.
    pub carried: Vec<PathBuf>,
    /// Where runs have their folders: `/run/cutwater` under the root.
    pub runs: PathBuf,
    /// The guard of this process, into whose hands a mount goes before it is frozen. Nothing is frozen without.
    pub keeper: Option<Arc<dyn Keeper>>,
    /// A fault hook: told the capability's name at each guest's call of one, before anything of it is done. Those that reach
    /// nothing outside the sandbox (log, progress, clock, random) are not told.
    pub at_call: Option<AtCall>,
}

/// See [`Ground::at_call`].
pub type AtCall = Box<dyn Fn(&'static str) + Send + Sync>;

/// The system's own clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
    }
}

/// The kernel's random bytes.
pub fn system_random(buffer: &mut [u8]) -> std::io::Result<()> {
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, buffer)
}
