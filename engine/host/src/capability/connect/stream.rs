//! One open stream: bytes in and out, in plain or in TLS, framed where the protocol is known. Contents are never told,
//! only their number. It must not know who may open it.

use super::frames::Frontend;
use super::streams::Streams;
use super::{dial, tls};
use crate::fault::Fault;
use crate::used::Uses;
use crate::{users, waiting};
use cutwater_core::grant::{Address, Tls};
use rustix::event::{PollFd, PollFlags};
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustls::ClientConnection;
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Most bytes of one read.
const MOST: usize = 1 << 20;
/// How long TLS may take to stand.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// What an engine lets streams be.
pub struct Place<'a> {
    /// Where open streams are entered.
    pub streams: &'a Streams,
    /// Where their use is told.
    pub uses: &'a Uses,
    /// Set when the call is told to stop.
    pub stop: &'a AtomicBool,
}

/// An open stream. Dropping it closes it, for whoever else has a descriptor too, and tells how much went each way.
#[derive(Debug)]
pub struct Stream {
    id: u32,
    socket: OwnedFd,
    tls: Option<Box<ClientConnection>>,
    settings: Settings,
    frontend: Option<Frontend>,
    address: Value,
    streams: Streams,
    uses: Uses,
    began: Instant,
    sent: u64,
    received: u64,
}

/// What the grant says of TLS.
#[derive(Debug)]
struct Settings {
    host: Option<String>,
    tls: Option<Tls>,
}

/// Decides about the text of a statement.
pub type Admit<'a> = &'a mut dyn FnMut(&str) -> Result<(), Fault>;

impl Stream {
    /// Connects to `address` (as the guest named it) under `grant`. With `postgres` each statement is admitted before
    /// it is sent; any other stream is opaque, and in TLS from its first byte where the grant says so.
    pub fn open(address: &Value, grant: &Address, postgres: bool, place: &Place<'_>) -> Result<Self, Fault> {
        let socket = connect(address, grant, place.stop)?;
        let settings = Settings::of(address, grant);
        let wants_tls = settings.tls.is_some();
        let id = place.streams.enter(socket.as_fd()).map_err(|e| Fault::io("a stream cannot be kept", e))?;
        let mut stream = Self {
            id,
            socket,
            tls: None,
            settings,
            frontend: postgres.then(|| Frontend::new(wants_tls)),
            address: address.clone(),
            streams: place.streams.clone(),
            uses: place.uses.clone(),
            began: Instant::now(),
            sent: 0,
            received: 0,
        };
        stream.uses.tell(json!({
            "capability": "connect", "opened": id, "address": address,
            "protocol": if postgres { "postgres" } else { "opaque" },
        }));
        if wants_tls && !postgres {
            stream.secure(None, place.stop)?;
        }
        Ok(stream)
    }

    /// Its number in this engine.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The address as the guest named it.
    pub fn address(&self) -> &Value {
        &self.address
    }

    /// At least one byte, or none at the end of the stream. Waits at most `wait`, then `timed-out`.
    pub fn read(&mut self, max: usize, wait: Duration, stop: &AtomicBool) -> Result<Vec<u8>, Fault> {
        let max = max.clamp(1, MOST);
        let max = self.frontend.as_ref().map_or(Ok(max), |frontend| frontend.may_read(max))?;
        let until = Instant::now() + wait;
        let mut bytes = vec![0; max];
        let count = loop {
            match self.read_some(&mut bytes) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    waiting::ready(&mut [PollFd::new(&self.socket, PollFlags::IN)], stop, Some(until))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::io("the stream is broken", error)),
            }
        };
        bytes.truncate(count);
        self.received += count as u64;
        if let Some(frontend) = &mut self.frontend {
            frontend.heard(&bytes);
        }
        Ok(bytes)
    }

    /// Sends all of it; where the protocol is known, whole messages only, once each statement is admitted.
    pub fn write(&mut self, bytes: &[u8], admit: Admit<'_>, stop: &AtomicBool) -> Result<(), Fault> {
        let passed = match &mut self.frontend {
            Some(frontend) => frontend.take(bytes, admit)?,
            None => bytes.to_vec(),
        };
        self.send(&passed, stop)?;
        self.sent += passed.len() as u64;
        Ok(())
    }

    /// TLS from here on, with the authorities of the grant; `server_name` must be the one that the grant leads to.
    /// Returns the server certificate's DER.
    pub fn start_tls(&mut self, server_name: &str, stop: &AtomicBool) -> Result<Vec<u8>, Fault> {
        if self.tls.is_some() {
            return Err(Fault::invalid("the stream has TLS already"));
        }
        if let Some(frontend) = &self.frontend {
            frontend.may_start_tls()?;
        }
        let certificate = self.secure(Some(server_name), stop)?;
        if let Some(frontend) = &mut self.frontend {
            frontend.tls_started();
        }
        Ok(certificate)
    }

    fn secure(&mut self, server_name: Option<&str>, stop: &AtomicBool) -> Result<Vec<u8>, Fault> {
        let (ca, name) = self.settings.expected()?;
        if server_name.is_some_and(|asked| asked != name) {
            return Err(Fault::denied(format!("the grant leads to a server named `{name}`")));
        }
        let mut connection = tls::client(ca, name)?;
        let until = Instant::now() + HANDSHAKE;
        while connection.is_handshaking() {
            let mut raw = Raw(&self.socket);
            let turn = if connection.wants_write() {
                connection.write_tls(&mut raw).map(|_| ())
            } else {
                connection.read_tls(&mut raw).and_then(|count| match count {
                    0 => Err(io::ErrorKind::UnexpectedEof.into()),
                    _ => Ok(()),
                })
            };
            let waits_for = if connection.wants_write() { PollFlags::OUT } else { PollFlags::IN };
            match turn {
                Ok(()) => {
                    if let Err(error) = connection.process_new_packets() {
                        let _ = connection.write_tls(&mut raw);
                        return Err(Fault { code: "io", message: format!("no TLS with `{name}`: {error}") });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    waiting::ready(&mut [PollFd::new(&self.socket, waits_for)], stop, Some(until))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::io(format!("no TLS with `{name}`"), error)),
            }
        }
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        let certificate = certificate.map(|der| der.as_ref().to_vec());
        self.tls = Some(Box::new(connection));
        self.send(&[], stop)?;
        certificate.ok_or_else(|| Fault { code: "io", message: "the server has no certificate".into() })
    }

    fn read_some(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut raw = Raw(&self.socket);
        let Some(connection) = &mut self.tls else { return raw.read(bytes) };
        loop {
            match connection.reader().read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if connection.read_tls(&mut raw)? == 0 {
                // An end without TLS's own is told as a broken stream by the reader.
                return connection.reader().read(bytes);
            }
            connection.process_new_packets().map_err(io::Error::other)?;
            while connection.wants_write() && connection.write_tls(&mut raw).is_ok() {}
        }
    }

    fn send(&mut self, mut bytes: &[u8], stop: &AtomicBool) -> Result<(), Fault> {
        loop {
            match self.send_some(&mut bytes) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    waiting::ready(&mut [PollFd::new(&self.socket, PollFlags::OUT)], stop, None)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::io("the stream is broken", error)),
            }
        }
    }

    /// Sends what goes at once; true when nothing is left.
    fn send_some(&mut self, bytes: &mut &[u8]) -> io::Result<bool> {
        let mut raw = Raw(&self.socket);
        let Some(connection) = &mut self.tls else {
            if bytes.is_empty() {
                return Ok(true);
            }
            let count = raw.write(bytes)?;
            *bytes = &bytes[count..];
            return Ok(bytes.is_empty());
        };
        if !bytes.is_empty() {
            let count = connection.writer().write(bytes)?;
            *bytes = &bytes[count..];
        }
        while connection.wants_write() {
            connection.write_tls(&mut raw)?;
        }
        Ok(bytes.is_empty())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.tls {
            connection.send_close_notify();
            let _ = connection.write_tls(&mut Raw(&self.socket));
        }
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
        self.streams.leave(self.id);
        self.uses.tell(json!({
            "capability": "connect", "closed": self.id, "sent": self.sent, "received": self.received,
            "ms": u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        }));
    }
}

impl Settings {
    fn of(address: &Value, grant: &Address) -> Self {
        match grant {
            Address::Unix { .. } => Self { host: None, tls: None },
            Address::Tcp { tls, .. } => {
                let host = address.get("host").and_then(Value::as_str).map(str::to_owned);
                Self { host, tls: tls.clone() }
            }
        }
    }

    /// The authorities' file and the server's name.
    fn expected(&self) -> Result<(Option<&str>, &str), Fault> {
        let host = self.host.as_deref().ok_or_else(|| Fault::invalid("a unix socket has no TLS"))?;
        let tls = self.tls.as_ref();
        let name = tls.and_then(|tls| tls.name.as_deref()).unwrap_or(host);
        Ok((tls.and_then(|tls| tls.ca.as_deref()), name))
    }
}

fn connect(address: &Value, grant: &Address, stop: &AtomicBool) -> Result<OwnedFd, Fault> {
    let text = |key: &str| address.get(key).and_then(Value::as_str);
    match grant {
        Address::Unix { user, .. } => {
            let path = text("unix").ok_or_else(|| Fault::invalid("the address has no `unix`"))?;
            dial::unix(path, user.as_deref().map(users::find).transpose()?, stop)
        }
        Address::Tcp { port, .. } => {
            let host = text("host").ok_or_else(|| Fault::invalid("the address has no `host`"))?;
            dial::tcp(host, *port, stop)
        }
    }
}

/// The socket without TLS; a peer that has gone is an error, never a signal.
struct Raw<'a>(&'a OwnedFd);

impl Read for Raw<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(self.0, bytes, RecvFlags::empty()).map(|(count, _)| count)?)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
