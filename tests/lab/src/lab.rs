//! Putting a lab machine together (disks, share, mounts, memory) and switching it on.
//!
//! Must not know: what its job does, or how the images were made.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::statvfs;

use crate::group::Group;
use crate::processor::Processor;
use crate::{Disk, Image, Outcome, Running, place};

const KERNEL: &str = "linux.uml";
const MISSING: &str = "start linux.uml (of the package user-mode-linux; tests/setup installs it)";

/// A machine that is switched off. Booting it again and again on the same disks is a reboot.
#[derive(Debug, Clone)]
pub struct Lab {
    folder: PathBuf,
    disks: Vec<Disk>,
    share: PathBuf,
    mounts: Vec<(PathBuf, String)>,
    memory_mib: u32,
    terminal: bool,
}

impl Lab {
    /// A machine whose working files (console log, copies of images, the share if no other is
    /// named) lie in this folder, which is made.
    pub fn new(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = place::made(folder.as_ref())?;
        Ok(Self {
            share: folder.join("share"),
            mounts: vec![(place::scripts().to_owned(), "/run/lab".to_owned())],
            disks: Vec::new(),
            memory_mib: 1024,
            terminal: false,
            folder,
        })
    }

    /// Adds copies of all disks of an image; copies that lie in the folder from an earlier boot are
    /// taken as they are. The first disk of a machine is its system disk.
    pub fn image(mut self, image: &Image) -> Result<Self> {
        for from in image.disks() {
            let file = self.folder.join(format!("ubd{}.img", self.disks.len()));
            self.disks.push(match file.is_file() {
                true => Disk::existing(file),
                false => Disk::copy(from, file)?,
            });
        }
        Ok(self)
    }

    /// Adds a disk.
    #[must_use]
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disks.push(disk);
        self
    }

    /// The host's folder that is the job's `$OUT`, readable and writable on both sides.
    #[must_use]
    pub fn share(mut self, folder: impl Into<PathBuf>) -> Self {
        self.share = folder.into();
        self
    }

    /// Shows a folder of the host in the machine, read-only, for binaries and the like. What lies
    /// under `/tmp` or `/run` of the host can be seen no other way.
    #[must_use]
    pub fn mount(mut self, host: impl Into<PathBuf>, at: impl Into<String>) -> Self {
        self.mounts.push((host.into(), at.into()));
        self
    }

    /// Memory of the machine; 1024 if not named.
    #[must_use]
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Gives the job this process's output as its terminal (colours, live views) in place of
    /// `job.log`.
    #[must_use]
    pub fn on_terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// The machine's working folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its disks, in order.
    pub fn disks(&self) -> &[Disk] {
        &self.disks
    }

    /// Switches the machine on; it runs the job (text of a bash script) when it is up.
    pub fn boot(&self, job: &str) -> Result<Running> {
        let share = self.prepare_share(Some(job))?;
        let console = self.folder.join("console.log");
        let log = File::create(&console).with_context(|| format!("make {}", console.display()))?;
        let mut command = self.command(&share)?;
        command.stdin(Stdio::null());
        if self.terminal {
            command.args(size_of_terminal()).args(["LAB_TERMINAL=1", "con0=null,fd:2", "con1=null,fd:1"]);
            command.stdout(Stdio::piped()).stderr(log);
        } else {
            command
                .arg("con0=null,fd:1")
                .stderr(log.try_clone().context("share the console log")?)
                .stdout(log);
        }
        let processor = Processor::claim()?;
        let mut child = processor.starting(|| command.process_group(0).spawn())?.context(MISSING)?;
        let group = Group::led_by(child.id())?;
        // Not the terminal itself: the kernel would change its settings from the background.
        if let Some(mut output) = child.stdout.take() {
            std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::stdout()));
        }
        Ok(Running { child, group, share, console, _processor: processor })
    }

    /// Boots, runs the job and waits for power-off.
    pub fn run(&self, job: &str, at_most: Duration) -> Result<Outcome> {
        self.boot(job)?.wait(at_most)
    }

    /// Boots to a shell on this process's terminal and returns when the machine is off.
    pub fn shell(&self) -> Result<ExitStatus> {
        let share = self.prepare_share(None)?;
        let mut command = self.command(&share)?;
        command.args(["con0=fd:0,fd:1", "LAB_SHELL=1"]);
        command.args(size_of_terminal());
        Processor::claim()?.starting(|| command.status())?.context(MISSING)
    }

    fn prepare_share(&self, job: Option<&str>) -> Result<PathBuf> {
        let share = place::made(&self.share)?;
        for stale in ["job", "job.log", "boot.log", "status", "mounts"] {
            match std::fs::remove_file(share.join(stale)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("remove {stale} from the share"));
                }
                _ => {}
            }
        }
        let mut lines = String::new();
        for (host, at) in &self.mounts {
            let host = host
                .canonicalize()
                .with_context(|| format!("find {} to show it in the lab", host.display()))?;
            lines += &format!("{}\t{at}\tro\n", place::argument(&host)?);
        }
        write(&share.join("mounts"), &lines)?;
        if let Some(job) = job {
            write(&share.join("job"), job)?;
        }
        Ok(share)
    }

    fn command(&self, share: &Path) -> Result<Command> {
        let init = place::scripts().join("boot/init");
        let mut command = Command::new(KERNEL);
        command
            .arg(format!("mem={}M", self.memory_mib))
            .args(["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"])
            .args(["con=null", "quiet", "noreboot"])
            .arg(format!("init={}", place::argument(&init)?))
            .arg(format!("uml_dir={}/", place::argument(&self.folder)?))
            .arg(format!("LAB_OWNER={}", std::process::id()))
            .arg(format!("LAB_SHARE={}", place::argument(share)?));
        for (position, disk) in self.disks.iter().enumerate() {
            command.arg(disk.kernel_argument(position)?);
        }
        if let Ok(terminal) = std::env::var("TERM") {
            command.arg(format!("TERM={terminal}"));
        }
        if !shared_memory_holds(self.memory_mib) {
            command.env("TMPDIR", &self.folder);
        }
        Ok(command)
    }
}

/// The kernel's memory is a file in /dev/shm. Containers often have next to none there.
fn shared_memory_holds(mib: u32) -> bool {
    statvfs("/dev/shm").is_ok_and(|at| at.f_bavail * at.f_frsize > u64::from(mib) << 20)
}

fn size_of_terminal() -> Vec<String> {
    let output = Command::new("stty").arg("size").stdin(Stdio::inherit()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match text.unwrap_or_default().trim().split_once(' ') {
        Some((rows, columns)) => vec![format!("LAB_ROWS={rows}"), format!("LAB_COLUMNS={columns}")],
        None => Vec::new(),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
