//! The witness: a database client that writes down, outside the database, each transaction that was
//! acknowledged, and later asks the database for every one of them. It is how a test proves that a
//! cutover lost nothing, and how long writes stood still as a client saw it.
//!
//! Must not know: anything of Cutwater, of volumes, or of who stops and starts the database.

mod acks;
mod client;
mod report;
mod verify;
mod watch;

pub use acks::{Ack, Record, Records};
pub use report::{Gap, Report};
pub use verify::verify;
pub use watch::{Watch, watch};
