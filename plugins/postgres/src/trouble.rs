//! Why a session did not do what was asked, and which answer that becomes. It must not know statements.

use cutwater_sdk::{Fault, Refusal, Stop, json};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorFields;

/// Why a session did not do it.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// The host's fault.
    Fault(Fault),
    /// The server's own words.
    Server {
        /// SQLSTATE.
        code: String,
        /// Severity, message, detail and hint.
        words: String,
    },
    /// What it said is not understood, or more than is taken.
    Protocol(String),
}

impl Trouble {
    /// Whether the server is not up yet, or not any more.
    pub fn is_down(&self) -> bool {
        match self {
            Self::Fault(fault) => !fault.is_denied() && !fault.is_stopping() && fault.code != "invalid",
            Self::Server { code, .. } => ["57P01", "57P02", "57P03"].contains(&code.as_str()),
            Self::Protocol(_) => false,
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Fault(fault) => fault.into(),
            Trouble::Server { code, words } => {
                let again = code.starts_with("57P") || code.starts_with("53") || code.starts_with("40");
                Self { again, ..Self::new("postgres", words).details(json!({ "sqlstate": code })) }
            }
            Trouble::Protocol(words) => Self::new("protocol", words),
        }
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Fault(fault) => fault.into(),
            other => Stop::Refused(other.into()),
        }
    }
}

/// The server's own words.
pub fn server(mut fields: ErrorFields<'_>) -> Trouble {
    let [mut code, mut severity, mut message, mut rest] = [const { String::new() }; 4];
    while let Ok(Some(field)) = fields.next() {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => code = value,
            b'S' => severity = value,
            b'M' => message = value,
            b'D' | b'H' => rest = format!("{rest}; {value}"),
            _ => {}
        }
    }
    Trouble::Server { code, words: format!("{severity}: {message}{rest}") }
}
