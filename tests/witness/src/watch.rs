//! A run of the witness: several clients at once, until told to stop.
//!
//! Must not know: what becomes of the rows afterwards.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use postgres::Config;

use crate::acks::{AckFile, unix_ns};
use crate::{Records, client};

const LOOK: Duration = Duration::from_millis(20);
/// How long a client may hang in a commit after it was told to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// What a run needs to know.
#[derive(Debug, Clone)]
pub struct Watch {
    /// How to connect.
    pub config: Config,
    /// How many clients write at once; they are numbered from 1.
    pub clients: i32,
    /// The folder for the ack files. Must not lie on what may be lost.
    pub folder: PathBuf,
    /// How long a client rests after each acknowledged row.
    pub pause: Duration,
    /// A file whose appearance ends the run.
    pub stop_file: Option<PathBuf>,
}

/// Runs until `stop` is set (by a signal, or by another thread) or the stop file appears. A client
/// that hangs in the database does not keep it: its transaction is neither acknowledged nor unknown.
pub fn watch(watch: &Watch, stop: &Arc<AtomicBool>) -> Result<()> {
    std::fs::create_dir_all(&watch.folder).with_context(|| format!("make {}", watch.folder.display()))?;
    let before = Records::read(&watch.folder)?;
    let run = unix_ns();
    let mut threads: Vec<JoinHandle<Result<()>>> = Vec::new();
    for number in 1..=watch.clients {
        let mut acks = AckFile::create(&watch.folder, run, number)?;
        let first = before.next_for(number);
        let (config, pause, stop) = (watch.config.clone(), watch.pause, Arc::clone(stop));
        threads.push(std::thread::spawn(move || {
            let done = client::run(&config, number, first, pause, &mut acks, &stop);
            // One that gives up ends the whole run: a witness with fewer clients is none.
            stop.store(true, Ordering::Relaxed);
            done
        }));
    }
    while !stop.load(Ordering::Relaxed) {
        if watch.stop_file.as_ref().is_some_and(|file| file.exists()) {
            stop.store(true, Ordering::Relaxed);
        }
        std::thread::sleep(LOOK);
    }
    let deadline = Instant::now() + FAREWELL;
    for thread in threads {
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        if thread.is_finished() {
            thread.join().map_err(|_| anyhow!("a client of the witness panicked"))??;
        }
    }
    Ok(())
}
