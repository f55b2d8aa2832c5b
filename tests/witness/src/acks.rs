//! The files in which a client writes down what became of its transactions.
//!
//! One file for each run and client, `RUN-CLIENT.acks`, one line for each event, each line synced
//! before the next transaction begins:
//!
//! ```text
//! CLIENT N MONOTONIC_NS UNIX_NS     acknowledged
//! ? CLIENT N                        the answer to the commit was lost: counts either way
//! . CLIENT MONOTONIC_NS UNIX_NS     the client was asked to stop
//! ```
//!
//! Must not know: the database.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::time::{ClockId, clock_gettime};

/// One acknowledged transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The client that wrote the row.
    pub client: i32,
    /// The row's number with that client.
    pub n: i64,
    /// When the answer came, on the machine's monotonic clock.
    pub monotonic_ns: i64,
    /// When the answer came, in nanoseconds since 1970.
    pub unix_ns: i64,
}

/// One line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// Acknowledged: the row must be there for ever.
    Acked(Ack),
    /// The answer was lost: the row may be there.
    Unknown {
        /// The client that wrote the row.
        client: i32,
        /// The row's number with that client.
        n: i64,
    },
    /// The client stopped, as asked.
    Stopped {
        /// When, on the machine's monotonic clock.
        monotonic_ns: i64,
        /// When, in nanoseconds since 1970.
        unix_ns: i64,
    },
}

/// All that a folder of files says, one entry for each run (a run never spans two boots).
#[derive(Debug, Default)]
pub struct Records(pub Vec<Vec<Record>>);

impl Records {
    /// Reads every `*.acks` file of the folder. A torn last line is what a power cut leaves, and
    /// is skipped; anything else that is not understood is an error.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut runs = std::collections::BTreeMap::<String, Vec<Record>>::new();
        for entry in std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some((run, _)) = name.strip_suffix(".acks").and_then(|stem| stem.split_once('-')) else {
                continue;
            };
            let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let records = runs.entry(run.to_owned()).or_default();
            for line in text.split_inclusive('\n') {
                if let Some(whole) = line.strip_suffix('\n') {
                    records
                        .push(parse(whole).with_context(|| format!("read '{whole}' in {}", path.display()))?);
                }
            }
        }
        Ok(Self(runs.into_values().collect()))
    }

    /// Every acknowledged transaction, of all runs.
    pub fn acked(&self) -> impl Iterator<Item = Ack> {
        self.0.iter().flatten().filter_map(|record| match record {
            Record::Acked(ack) => Some(*ack),
            _ => None,
        })
    }

    /// Client and number of every transaction whose answer was lost.
    pub fn unknown(&self) -> impl Iterator<Item = (i32, i64)> {
        self.0.iter().flatten().filter_map(|record| match record {
            Record::Unknown { client, n } => Some((*client, *n)),
            _ => None,
        })
    }

    /// A number that this client has not used in any run.
    pub(crate) fn next_for(&self, client: i32) -> i64 {
        let acked = self.acked().filter(|ack| ack.client == client).map(|ack| ack.n);
        let unknown = self.unknown().filter(|(of, _)| *of == client).map(|(_, n)| n);
        acked.chain(unknown).max().unwrap_or(0) + 1
    }
}

fn parse(line: &str) -> Result<Record> {
    let mut words = line.split(' ');
    let mut next = || words.next().context("the line ends too early");
    Ok(match next()? {
        "?" => Record::Unknown { client: next()?.parse()?, n: next()?.parse()? },
        "." => {
            next()?;
            Record::Stopped { monotonic_ns: next()?.parse()?, unix_ns: next()?.parse()? }
        }
        "" => bail!("the line is empty"),
        client => Record::Acked(Ack {
            client: client.parse()?,
            n: next()?.parse()?,
            monotonic_ns: next()?.parse()?,
            unix_ns: next()?.parse()?,
        }),
    })
}

/// The file of one client in one run, being written.
#[derive(Debug)]
pub(crate) struct AckFile {
    file: File,
    client: i32,
}

impl AckFile {
    pub(crate) fn create(folder: &Path, run: i64, client: i32) -> Result<Self> {
        let path = folder.join(format!("{run}-{client}.acks"));
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("make {}", path.display()))?;
        Ok(Self { file, client })
    }

    /// On disk when it returns.
    pub(crate) fn acked(&mut self, n: i64) -> Result<()> {
        let line = format!("{} {n} {} {}", self.client, monotonic_ns(), unix_ns());
        self.append(&line)
    }

    pub(crate) fn unknown(&mut self, n: i64) -> Result<()> {
        let line = format!("? {} {n}", self.client);
        self.append(&line)
    }

    pub(crate) fn stopped(&mut self) -> Result<()> {
        let line = format!(". {} {} {}", self.client, monotonic_ns(), unix_ns());
        self.append(&line)
    }

    fn append(&mut self, line: &str) -> Result<()> {
        // One write, so that a line is torn only at the end of the file.
        self.file.write_all(format!("{line}\n").as_bytes()).context("write to the ack file")?;
        self.file.sync_data().context("sync the ack file")
    }
}

pub(crate) fn unix_ns() -> i64 {
    nanoseconds(ClockId::Realtime)
}

fn monotonic_ns() -> i64 {
    nanoseconds(ClockId::Monotonic)
}

fn nanoseconds(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
