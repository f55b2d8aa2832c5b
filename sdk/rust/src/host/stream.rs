//! A stream to a server. It must not know what is said on it.

use crate::answer::Fault;

/// A connection that the host opened.
pub trait Stream {
    /// Names it to [`crate::GiveBack::HangUp`].
    fn id(&self) -> u32;
    /// At least one byte, or none at the end of the stream. Waits at most `wait_ms`, then faults `timed-out`.
    fn read(&mut self, max: u32, wait_ms: u32) -> Result<Vec<u8>, Fault>;
    /// Sends all of the bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault>;
    /// TLS from here on. Returns the server certificate's DER.
    fn start_tls(&mut self, server_name: &str) -> Result<Vec<u8>, Fault>;
}
