//! The command `cutwater-lab`: a shell in the lab, one script in the lab, images on demand.
//!
//! Must not know: anything that the library does not offer to tests as well.

#![expect(clippy::print_stdout, reason = "it is a command")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cutwater_lab::{Image, Lab, scratch};

const USAGE: &str = "\
usage: cutwater-lab shell [OPTION…]         a shell on this terminal; 'exit' powers off
       cutwater-lab run [OPTION…] SCRIPT    runs a bash script there, ends with its status
       cutwater-lab image NAME              builds an image if needed, prints its disks

  --image NAME      disks to start from: bare, postgres (the default), postgres-wal
  --dir DIR         keeps the machine's disks and console log there; named again, it is a reboot
  --share DIR       a folder of the host, /run/out ($OUT) in the lab
  --mount DIR:AT    shows a folder of the host at AT, read-only (as often as needed)
  --memory MIB      1024 if not named
  --limit SECONDS   kills a run that takes longer; 1800 if not named
  --terminal        the script prints to this terminal as to its own

In the share a run leaves job.log, boot.log and status.";

struct Options {
    image: String,
    dir: Option<PathBuf>,
    share: Option<PathBuf>,
    mounts: Vec<(String, String)>,
    memory: u32,
    limit: Duration,
    terminal: bool,
    rest: Vec<String>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match arguments.next().as_deref() {
        Some("shell") => options(arguments).and_then(shell),
        Some("run") => options(arguments).and_then(run),
        Some("image") => options(arguments).and_then(image),
        Some("-h" | "--help" | "help") => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("cutwater-lab: {error:#}");
        ExitCode::FAILURE
    })
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options {
        image: "postgres".to_owned(),
        dir: None,
        share: None,
        mounts: Vec::new(),
        memory: 1024,
        limit: Duration::from_secs(1800),
        terminal: false,
        rest: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--image" => options.image = value()?,
            "--dir" => options.dir = Some(value()?.into()),
            "--share" => options.share = Some(value()?.into()),
            "--mount" => {
                let text = value()?;
                let (host, at) = text.split_once(':').context("--mount needs DIR:AT")?;
                options.mounts.push((host.to_owned(), at.to_owned()));
            }
            "--memory" => options.memory = value()?.parse().context("--memory needs a number")?,
            "--limit" => {
                options.limit = Duration::from_secs(value()?.parse().context("--limit needs seconds")?);
            }
            "--terminal" => options.terminal = true,
            flag if flag.starts_with('-') => bail!("unknown option {flag}\n{USAGE}"),
            _ => options.rest.push(argument),
        }
    }
    Ok(options)
}

fn lab(options: &Options, folder: PathBuf) -> Result<Lab> {
    let mut lab = Lab::new(options.dir.clone().unwrap_or(folder))?
        .image(&Image::named(&options.image)?)?
        .memory_mib(options.memory);
    if let Some(share) = &options.share {
        lab = lab.share(share);
    }
    if options.terminal {
        lab = lab.on_terminal();
    }
    for (host, at) in &options.mounts {
        lab = lab.mount(host, at);
    }
    Ok(lab)
}

fn shell(options: Options) -> Result<ExitCode> {
    let folder = scratch("shell")?;
    lab(&options, folder.path().to_owned())?.shell()?;
    Ok(ExitCode::SUCCESS)
}

fn run(options: Options) -> Result<ExitCode> {
    let [script] = options.rest.as_slice() else {
        bail!("run needs one script\n{USAGE}");
    };
    let job = std::fs::read_to_string(script).with_context(|| format!("read {script}"))?;
    let folder = scratch("run")?;
    let outcome = lab(&options, folder.path().to_owned())?.run(&job, options.limit)?;
    print!("{}", outcome.log());
    Ok(ExitCode::from(u8::try_from(outcome.status).unwrap_or(1)))
}

fn image(options: Options) -> Result<ExitCode> {
    let [name] = options.rest.as_slice() else {
        bail!("image needs one name\n{USAGE}");
    };
    for disk in Image::named(name)?.disks() {
        println!("{}", disk.display());
    }
    Ok(ExitCode::SUCCESS)
}
