//! One session with a server: log in, send statements, read rows. It must not know which statements.

use crate::address::Address;
use crate::binding::end_point;
use crate::statement::application_name;
use crate::trouble::{Trouble, server};
use bytes::BytesMut;
use cutwater_sdk::{Context, Fault, Host, Stream};
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{DataRowBody, Message};
use postgres_protocol::message::frontend;

/// What a session needs so that nothing ends it by itself, and that the server notices when we are gone.
const SETTINGS: [(&str, &str); 7] = [
    ("client_encoding", "UTF8"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
];
/// The longest log-in.
const LOGIN_MS: u32 = 30_000;
/// A statement may take as long as it takes; the host ends the wait when the step is told to stop.
const STATEMENT_MS: u32 = 24 * 3_600_000;
/// Most bytes of rows that one answer may have.
const MOST: usize = 1 << 20;

/// An open session.
pub struct Session {
    stream: Box<dyn Stream>,
    received: BytesMut,
    wait_ms: u32,
}

/// The rows that a statement gave, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows(pub Vec<Vec<Option<String>>>);

impl Rows {
    /// The value at the place, where there is one.
    pub fn at(&self, row: usize, column: usize) -> Option<&str> {
        self.0.get(row)?.get(column)?.as_deref()
    }

    /// The text in the first row, or a complaint.
    pub fn text(&self, column: usize) -> Result<String, Trouble> {
        let text = self.at(0, column).map(str::to_owned);
        text.ok_or_else(|| Trouble::Protocol("the server gave no value where there is always one".into()))
    }
}

impl Session {
    /// Connects and logs in: trust, peer or SCRAM-SHA-256, with channel binding inside TLS. The application's name is the
    /// step's mark.
    pub fn open(ctx: &Context<'_>, address: &Address) -> Result<Self, Trouble> {
        let where_to = address.connect().map_err(|refusal| Fault::new("invalid", refusal.message))?;
        let stream = ctx.host().connect(&where_to, "postgres")?;
        let mut session = Self { stream, received: BytesMut::new(), wait_ms: LOGIN_MS };
        let binding = match address.tls_name() {
            Some(name) => session.start_tls(name)?,
            None => None,
        };
        let name = application_name(&ctx.mark);
        let who = [("user", address.role()), ("database", address.database()), ("application_name", name)];
        session.send(|out| frontend::startup_message(who.into_iter().chain(SETTINGS), out))?;
        session.log_in(ctx, address, binding)?;
        session.wait_ms = STATEMENT_MS;
        Ok(session)
    }

    /// The stream's number, for the guard.
    pub fn id(&self) -> u32 {
        self.stream.id()
    }

    /// Sends one text, as simple query; gives the rows of its last statement.
    pub fn query(&mut self, text: &str) -> Result<Rows, Trouble> {
        self.send(|out| frontend::query(text, out)).map_err(|trouble| self.last_words(trouble))?;
        self.rows()
    }

    /// Sends just one statement: a text that holds two is refused by the server.
    pub fn single(&mut self, text: &str) -> Result<Rows, Trouble> {
        self.send(|out| {
            frontend::parse("", text, None, out)?;
            let bound = frontend::bind("", "", None, None::<()>, |(), _| Ok(IsNull::Yes), None, out);
            bound.map_err(|_| std::io::Error::other("the statement cannot be sent"))?;
            frontend::execute("", 0, out)?;
            frontend::sync(out);
            Ok(())
        })
        .map_err(|trouble| self.last_words(trouble))?;
        self.rows()
    }

    /// Says good-bye. The server may be gone already.
    pub fn close(mut self) {
        let _ = self.send(|out| {
            frontend::terminate(out);
            Ok(())
        });
    }

    /// A server that has ended the session has said why, though sending failed already.
    fn last_words(&mut self, trouble: Trouble) -> Trouble {
        if matches!(&trouble, Trouble::Fault(fault) if fault.is_denied() || fault.is_stopping()) {
            return trouble;
        }
        self.wait_ms = 1_000;
        while let Ok(message) = self.receive() {
            if let Message::ErrorResponse(body) = message {
                return server(body.fields());
            }
        }
        trouble
    }

    fn start_tls(&mut self, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
        self.send(|out| {
            frontend::ssl_request(out);
            Ok(())
        })?;
        match self.stream.read(1, self.wait_ms)?.as_slice() {
            b"S" => Ok(end_point(&self.stream.start_tls(name)?)),
            b"N" => Err(Trouble::Protocol("the server has no TLS, and the address asks for it".into())),
            _ => Err(Trouble::Protocol("the server does not answer the request for TLS".into())),
        }
    }

    fn log_in(
        &mut self,
        ctx: &Context<'_>,
        address: &Address,
        binding: Option<Vec<u8>>,
    ) -> Result<(), Trouble> {
        let mut binding = Some(binding);
        let mut scram: Option<ScramSha256> = None;
        loop {
            match self.receive()? {
                Message::AuthenticationSasl(offer) => {
                    let offered: Vec<&str> = offer.mechanisms().collect()?;
                    let plus = offered.contains(&SCRAM_SHA_256_PLUS);
                    let (mechanism, channel) = match (binding.take().flatten(), plus) {
                        (Some(hash), true) => {
                            (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash))
                        }
                        (Some(_), false) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
                        (None, _) => (SCRAM_SHA_256, ChannelBinding::unsupported()),
                    };
                    if !offered.contains(&mechanism) {
                        return Err(Trouble::Protocol(format!("the server wants {}", offered.join(", "))));
                    }
                    let secret = address.password_secret.as_deref().ok_or_else(|| {
                        Trouble::Protocol(
                            "the server wants a password; name it with `password-secret`".into(),
                        )
                    })?;
                    let password = ctx.host().secret(secret)?;
                    let exchange = scram.insert(ScramSha256::new(password.as_bytes(), channel));
                    let first = exchange.message().to_vec();
                    self.send(|out| frontend::sasl_initial_response(mechanism, &first, out))?;
                }
                Message::AuthenticationSaslContinue(body) => {
                    let exchange = scram.as_mut().ok_or_else(out_of_turn)?;
                    exchange.update(body.data())?;
                    let proof = exchange.message().to_vec();
                    self.send(|out| frontend::sasl_response(&proof, out))?;
                }
                Message::AuthenticationSaslFinal(body) => {
                    scram.as_mut().ok_or_else(out_of_turn)?.finish(body.data())?;
                    scram = None;
                }
                // Only a server that has proved itself may say so after a password was asked for.
                Message::AuthenticationOk if scram.is_none() => {}
                Message::ReadyForQuery(_) => return Ok(()),
                Message::ErrorResponse(body) => return Err(server(body.fields())),
                Message::ParameterStatus(_) | Message::BackendKeyData(_) | Message::NoticeResponse(_) => {}
                Message::AuthenticationCleartextPassword | Message::AuthenticationMd5Password(_) => {
                    let words =
                        "the server wants a password in clear or as MD5; only SCRAM-SHA-256 is spoken";
                    return Err(Trouble::Protocol(words.into()));
                }
                _ => return Err(out_of_turn()),
            }
        }
    }

    fn rows(&mut self) -> Result<Rows, Trouble> {
        let (mut rows, mut size, mut error) = (Rows::default(), 0, None);
        loop {
            let message = match (self.receive(), error.take()) {
                // The last word of a session that the server ends is its reason.
                (Err(_), Some(error)) => return Err(error),
                (message, said) => {
                    error = said;
                    message?
                }
            };
            match message {
                Message::RowDescription(_) => rows.0.clear(),
                Message::DataRow(body) => {
                    size += body.buffer().len();
                    if size <= MOST {
                        rows.0.push(row(&body)?);
                    }
                }
                Message::ErrorResponse(body) => error = Some(server(body.fields())),
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        match error {
            Some(error) => Err(error),
            None if size > MOST => {
                Err(Trouble::Protocol(format!("the answer has {size} bytes; {MOST} is the most")))
            }
            None => Ok(rows),
        }
    }

    fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>) -> Result<(), Trouble> {
        let mut out = BytesMut::new();
        write(&mut out)?;
        Ok(self.stream.write(&out)?)
    }

    fn receive(&mut self) -> Result<Message, Trouble> {
        loop {
            if let Some(message) = Message::parse(&mut self.received)? {
                return Ok(message);
            }
            let bytes = self.stream.read(64 * 1024, self.wait_ms)?;
            if bytes.is_empty() {
                return Err(Fault::new("lost", "the server closed the session").into());
            }
            self.received.extend_from_slice(&bytes);
        }
    }
}

fn out_of_turn() -> Trouble {
    Trouble::Protocol("the server answers out of turn".into())
}

fn row(body: &DataRowBody) -> Result<Vec<Option<String>>, Trouble> {
    let bytes = body.buffer();
    let cell = |range: Option<std::ops::Range<usize>>| Ok(range.and_then(|range| bytes.get(range)).map(text));
    Ok(body.ranges().map(cell).collect()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
