//! One client: inserts row after row, each in a transaction of its own, and writes down what the
//! database answered. It reconnects for ever.
//!
//! Must not know: when to stop, beyond a flag; what the other clients do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use postgres::error::SqlState;
use postgres::{Client, Config, Error, NoTls};

use crate::acks::AckFile;

/// Between two attempts: the first, doubled each time up to the last. A server that is starting should not be kept busy
/// with turning clients away.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(320)];
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// The table that the rows go to, as the tests' databases define it.
const INSERT: &str = "insert into ledger(client, n) values ($1, $2)";

enum Written {
    Acked,
    /// It certainly is not there: the same number can be used again.
    Refused(Error),
    /// The commit was sent, or the row was there before: this number is used up.
    Unknown,
}

/// Runs until the flag is set. Only a failure to write things down, or a ledger that cannot be
/// written from the beginning, is an error.
pub(crate) fn run(
    config: &Config,
    number: i32,
    first: i64,
    pause: Duration,
    acks: &mut AckFile,
    stop: &AtomicBool,
) -> Result<()> {
    let mut config = config.clone();
    config.connect_timeout(CONNECT_LIMIT).application_name(&format!("witness {number}"));
    let mut connection = None;
    let mut n = first;
    let mut back_off = BACK_OFF[0];
    while !stop.load(Ordering::Relaxed) {
        let client = match connection.as_mut() {
            Some(client) => client,
            None => match config.connect(NoTls) {
                Ok(client) => connection.insert(client),
                Err(_) => {
                    rest(&mut back_off);
                    continue;
                }
            },
        };
        match write(client, number, n) {
            Written::Acked => {
                acks.acked(n)?;
                n += 1;
                back_off = BACK_OFF[0];
                std::thread::sleep(pause);
            }
            Written::Refused(error) => {
                if n == first {
                    refuse_hopeless(&error)?;
                }
                connection = None;
                rest(&mut back_off);
            }
            Written::Unknown => {
                acks.unknown(n)?;
                n += 1;
                connection = None;
            }
        }
    }
    acks.stopped()
}

fn rest(back_off: &mut Duration) {
    std::thread::sleep(*back_off);
    *back_off = (*back_off * 2).min(BACK_OFF[1]);
}

fn write(client: &mut Client, number: i32, n: i64) -> Written {
    let mut transaction = match client.transaction() {
        Ok(transaction) => transaction,
        Err(error) => return Written::Refused(error),
    };
    match transaction.execute(INSERT, &[&number, &n]) {
        Ok(_) => {}
        // A row that was committed just before a crash, and whose answer nobody heard.
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => return Written::Unknown,
        Err(error) => return Written::Refused(error),
    }
    match transaction.commit() {
        Ok(()) => Written::Acked,
        Err(_) => Written::Unknown,
    }
}

/// What no amount of waiting will change, if it is so from the beginning.
fn refuse_hopeless(error: &Error) -> Result<()> {
    let Some(code) = error.code() else {
        return Ok(());
    };
    if [&SqlState::UNDEFINED_TABLE, &SqlState::INSUFFICIENT_PRIVILEGE, &SqlState::UNDEFINED_COLUMN]
        .contains(&code)
    {
        bail!("the ledger cannot be written: {}", error.as_db_error().context("no message")?.message());
    }
    Ok(())
}
