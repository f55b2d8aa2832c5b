//! The command `cutwater-witness`: writes and writes down, or verifies.
//!
//! Must not know: anything that the library does not offer to tests as well.

#![expect(clippy::print_stdout, reason = "it is a command")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cutwater_witness::{Records, Watch, verify, watch};
use signal_hook::consts::{SIGINT, SIGTERM};

const USAGE: &str = "\
usage: cutwater-witness run --acks DIR --dsn DSN [--clients N] [--pause MS] [--stop-file FILE]
       cutwater-witness verify --acks DIR --dsn DSN [--instant UNIX_NS]

run     N clients (4 if not named) insert into ledger(client, n) and write each acknowledged
        row down in DIR, synced, then rest for MS (0) milliseconds, until SIGTERM or until FILE appears
verify  asks for every acknowledged row and prints a JSON report
DSN     such as 'host=/run/postgresql user=witness dbname=postgres'

Exit status of verify: 0 nothing is lost, 1 something is, 2 wrong usage, 3 it could not be asked.";

#[derive(Default)]
struct Options {
    acks: Option<String>,
    dsn: Option<String>,
    clients: Option<i32>,
    pause: u64,
    stop_file: Option<String>,
    instant: Option<i64>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let options = match options(arguments) {
        Ok(options) if command == "run" || command == "verify" => options,
        Ok(_) => return usage("the command is run or verify"),
        Err(error) => return usage(&format!("{error:#}")),
    };
    let done = if command == "run" { run(options) } else { check(options) };
    done.unwrap_or_else(|error| {
        eprintln!("cutwater-witness: {error:#}");
        ExitCode::from(3)
    })
}

fn usage(error: &str) -> ExitCode {
    eprintln!("cutwater-witness: {error}\n{USAGE}");
    ExitCode::from(2)
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--acks" => options.acks = Some(value),
            "--dsn" => options.dsn = Some(value),
            "--stop-file" => options.stop_file = Some(value),
            "--clients" => options.clients = Some(value.parse().context("--clients needs a number")?),
            "--pause" => options.pause = value.parse().context("--pause needs milliseconds")?,
            "--instant" => options.instant = Some(value.parse().context("--instant needs nanoseconds")?),
            _ => bail!("unknown option {argument}"),
        }
    }
    if options.acks.is_none() || options.dsn.is_none() {
        bail!("--acks and --dsn are needed");
    }
    Ok(options)
}

fn run(options: Options) -> Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("catch SIGTERM")?;
    }
    let plan = Watch {
        config: options.dsn.unwrap_or_default().parse().context("read the DSN")?,
        clients: options.clients.unwrap_or(4),
        folder: options.acks.unwrap_or_default().into(),
        pause: Duration::from_millis(options.pause),
        stop_file: options.stop_file.map(Into::into),
    };
    watch(&plan, &stop)?;
    Ok(ExitCode::SUCCESS)
}

fn check(options: Options) -> Result<ExitCode> {
    let records = Records::read(options.acks.unwrap_or_default().as_ref())?;
    let config = options.dsn.unwrap_or_default().parse().context("read the DSN")?;
    let report = verify(&records, &config, options.instant)?;
    println!("{}", serde_json::to_string_pretty(&report).context("write the report")?);
    Ok(ExitCode::from(u8::from(!report.lost.is_empty())))
}
