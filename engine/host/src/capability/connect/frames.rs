//! What a client says to PostgreSQL, message by message (protocol 3, "Message Formats" in its manual), so that each
//! statement is admitted before it is sent. Pure: bytes in, admitted bytes out. It must not know sockets, nor why a
//! statement is admitted.
//!
//!     Start ─SSLRequest→ Asked ─'S'→ Agreed ─start-tls→ Start ─startup→ Talk
//!       │                  └──'N'→ Start (refused later if the grant wants TLS)
//!       └──startup→ Talk

use crate::fault::Fault;

/// Longest message, in bytes.
pub const LONGEST: usize = 1 << 20;

const SSL_REQUEST: u32 = 80_877_103;
const PROTOCOL_3: std::ops::RangeInclusive<u32> = 0x0003_0000..=0x0003_0002;
/// What a session may be started with: who, where, and settings that cannot change what a statement means.
const SETTINGS: [&str; 15] = [
    "user",
    "database",
    "application_name",
    "client_encoding",
    "datestyle",
    "timezone",
    "extra_float_digits",
    "default_transaction_read_only",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
];

/// The client's half of one conversation.
#[derive(Debug)]
pub struct Frontend {
    state: State,
    needs_tls: bool,
    part: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start { tls: bool },
    Asked,
    Agreed,
    Talk,
}

impl Frontend {
    /// A conversation that has not begun; with `needs_tls` it only begins inside TLS.
    pub fn new(needs_tls: bool) -> Self {
        Self { state: State::Start { tls: false }, needs_tls, part: Vec::new() }
    }

    /// Takes what the client says and gives what may be sent: whole messages, each statement admitted. On a fault
    /// nothing of it is sent, and what was begun is forgotten.
    pub fn take(
        &mut self,
        bytes: &[u8],
        admit: &mut dyn FnMut(&str) -> Result<(), Fault>,
    ) -> Result<Vec<u8>, Fault> {
        self.part.extend(bytes);
        let mut passed = 0;
        loop {
            match self.message(&self.part[passed..]) {
                Ok(None) => break,
                Ok(Some(length)) => {
                    let message = self.part[passed..passed + length].to_vec();
                    if let Err(fault) = self.pass(&message, admit) {
                        self.part.clear();
                        return Err(fault);
                    }
                    passed += length;
                }
                Err(fault) => {
                    self.part.clear();
                    return Err(fault);
                }
            }
        }
        let rest = self.part.split_off(passed);
        Ok(std::mem::replace(&mut self.part, rest))
    }

    /// Most bytes that may be read now: one, as long as the answer to the request for TLS is due, so that nothing an
    /// attacker slipped in before TLS is taken for something said inside it.
    pub fn may_read(&self, wanted: usize) -> Result<usize, Fault> {
        match self.state {
            State::Asked => Ok(1),
            State::Agreed => Err(Fault::invalid("the server agreed to TLS: `start-tls` comes next")),
            _ => Ok(wanted),
        }
    }

    /// Sees what the server said.
    pub fn heard(&mut self, bytes: &[u8]) {
        if self.state == State::Asked {
            self.state = match bytes.first() {
                Some(b'S') => State::Agreed,
                _ => State::Start { tls: false },
            };
        }
    }

    /// Whether TLS may begin now.
    pub fn may_start_tls(&self) -> Result<(), Fault> {
        if self.state == State::Agreed {
            Ok(())
        } else {
            Err(Fault::invalid("the server was not asked for TLS, or did not agree"))
        }
    }

    /// TLS stands.
    pub fn tls_started(&mut self) {
        self.state = State::Start { tls: true };
    }

    /// The length of the first whole message, where there is one.
    fn message(&self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let typed = usize::from(self.state == State::Talk);
        let Some(length) = number(bytes, typed) else { return Ok(None) };
        let length = length as usize;
        if !(4..=LONGEST).contains(&length) {
            return Err(Fault::invalid(format!("a message of {length} bytes; {LONGEST} is the most")));
        }
        Ok((bytes.len() >= typed + length).then_some(typed + length))
    }

    fn pass(
        &mut self,
        message: &[u8],
        admit: &mut dyn FnMut(&str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match self.state {
            State::Start { tls } => self.begin(message, tls),
            State::Asked | State::Agreed => {
                Err(Fault::invalid("nothing is said between the request for TLS and its start"))
            }
            State::Talk => self.talk(message[0], &message[5..], admit),
        }
    }

    fn begin(&mut self, message: &[u8], tls: bool) -> Result<(), Fault> {
        match number(message, 4) {
            Some(SSL_REQUEST) if !tls && message.len() == 8 => {
                self.state = State::Asked;
                Ok(())
            }
            Some(version) if PROTOCOL_3.contains(&version) => {
                if self.needs_tls && !tls {
                    return Err(Fault::denied("the grant wants TLS for this address"));
                }
                settings(&message[8..])?;
                self.state = State::Talk;
                Ok(())
            }
            _ => Err(Fault::denied("only a session of protocol 3 may be started, or TLS asked for")),
        }
    }

    fn talk(
        &mut self,
        kind: u8,
        body: &[u8],
        admit: &mut dyn FnMut(&str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match kind {
            b'Q' => {
                let (text, rest) = text(body)?;
                if !rest.is_empty() {
                    return Err(Fault::invalid("a query goes on after its end"));
                }
                admit(text)
            }
            b'P' => {
                let (_, rest) = text(body)?;
                let (text, _) = text(rest)?;
                admit(text)
            }
            b'B' => without_parameters(body),
            b'd' | b'c' | b'f' => Err(Fault::denied("data that a COPY takes from here is in no plan")),
            // Describe, Execute, Close, Flush, Sync, Terminate; passwords and SASL, which nobody keeps.
            b'D' | b'E' | b'C' | b'H' | b'S' | b'X' | b'p' => Ok(()),
            b'F' => Err(Fault::denied("a function call by number shows no statement")),
            other => Err(Fault::denied(format!("a message of kind `{}` is not known", other.escape_ascii()))),
        }
    }
}

fn settings(mut body: &[u8]) -> Result<(), Fault> {
    while body != [0] {
        let (name, rest) = text(body)?;
        let (value, rest) = text(rest)?;
        let lower = name.to_ascii_lowercase();
        // In another encoding the server would read other statements out of the bytes that the plan showed.
        let other_encoding = lower == "client_encoding"
            && !["utf8", "utf-8"].iter().any(|utf8| value.eq_ignore_ascii_case(utf8));
        if other_encoding || !SETTINGS.contains(&lower.as_str()) {
            let (name, value) = (name.escape_default(), value.escape_default());
            return Err(Fault::denied(format!("a session may not be started with `{name}` as `{value}`")));
        }
        body = rest;
    }
    Ok(())
}

/// Values beside a statement would be something the plan did not show.
fn without_parameters(body: &[u8]) -> Result<(), Fault> {
    let (_, rest) = text(body)?;
    let (_, rest) = text(rest)?;
    let short = |at: usize| rest.get(at..at + 2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])));
    let count = short(0).and_then(|formats| short(2 + 2 * formats));
    match count {
        Some(0) => Ok(()),
        Some(_) => Err(Fault::denied("a statement's values stand in its text, so that the plan shows them")),
        None => Err(Fault::invalid("a bind message that is cut short")),
    }
}

fn text(body: &[u8]) -> Result<(&str, &[u8]), Fault> {
    let end = body.iter().position(|&byte| byte == 0);
    let end = end.ok_or_else(|| Fault::invalid("a text without an end"))?;
    let text = std::str::from_utf8(&body[..end]).map_err(|_| Fault::invalid("a text that is not UTF-8"))?;
    Ok((text, &body[end + 1..]))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let [a, b, c, d] = *bytes.get(at..at + 4)? else { return None };
    Some(u32::from_be_bytes([a, b, c, d]))
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
