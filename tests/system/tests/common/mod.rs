//! The binary as a person calls it, on a root of its own whose plugins are compiled already. It must not reach into the
//! crates.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

pub mod refused;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::Duration;
use tempfile::TempDir;

/// After this a command hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder to work in, and the root that all of them share: nothing is ever written there but compiled plugins.
pub struct Place {
    folder: TempDir,
}

/// What a command said, and how it left.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
    /// Time that it took processors, its own and the kernel's for it.
    pub took: Duration,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: cutwater_lab::scratch("cli").unwrap() }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs it in this folder, on the shared root.
    pub fn cutwater<S: AsRef<OsStr>>(&self, args: &[S]) -> Said {
        cutwater(self.folder.path(), root(), args)
    }
}

/// Runs it in `folder`, on `root`.
pub fn cutwater<S: AsRef<OsStr>>(folder: &Path, root: &Path, args: &[S]) -> Said {
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let mut child = Command::new(cutwater_lab::built_program("cutwater").unwrap())
        .current_dir(folder)
        .arg("--root")
        .arg(root)
        .args(args)
        .env("TZ", "UTC")
        .env_remove("SUDO_USER")
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(err.try_clone().unwrap())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    let (ended, end) = channel();
    std::thread::spawn(move || {
        ended.send(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).is_ok())
    });
    if end.recv_timeout(PATIENCE) != Ok(true) {
        child.kill().unwrap();
        let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
        panic!("{args:?} does not end; it said {}", text(&mut err));
    }
    let took = on_processors(child.id());
    let status = child.wait().unwrap();
    let code = status.code().unwrap_or_else(|| panic!("{status}: {}", text(&mut err)));
    Said { code, out: text(&mut out), err: text(&mut err), took }
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// What a process that has ended, and that nobody has waited for, took of processors with all its threads: fields 14 and 15
/// of proc_pid_stat, in hundredths of a second.
fn on_processors(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// A root on which nothing has ever run. Its cache is warm, as after an installation.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = cutwater_lab::lab_folder().unwrap().join("cli-root");
        std::fs::create_dir_all(root.join("var/lib/cutwater/cache")).unwrap();
        for left in below(&root) {
            std::fs::remove_file(left).unwrap();
        }
        let said = cutwater(Path::new("/"), &root, &["plugin", "list"]);
        assert_eq!(said.code, 0, "{said:?}");
        let listed = |name: &str| said.out.lines().any(|line| line.starts_with(name));
        assert!(
            listed("lvm ") && listed("postgres "),
            "the binary lacks plugins: run `make build`\n{}",
            said.out
        );
        root
    })
}

/// All that lies below the shared root, except compiled plugins.
pub fn touched() -> Vec<PathBuf> {
    below(root())
}

fn below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next = vec![root.to_owned()];
    while let Some(folder) = next.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => next.push(entry.path()),
                false if entry.path().extension().is_some_and(|ext| ext == "cwasm") => {}
                false => found.push(entry.path()),
            }
        }
    }
    found
}

/// The source tree.
pub fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file below a folder of the source tree whose name ends so, in order.
pub fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next = vec![tree().join(folder)];
    while let Some(folder) = next.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => next.push(path),
                false if path.to_string_lossy().ends_with(ending) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// A root whose policy knows the secrets that shipped workflows read; its cache is the common one.
pub fn with_secrets(place: &Place) -> PathBuf {
    let own = place.path("root");
    std::fs::create_dir_all(own.join("etc/cutwater")).unwrap();
    std::fs::create_dir_all(own.join("var/lib/cutwater")).unwrap();
    let cache = "var/lib/cutwater/cache";
    std::os::unix::fs::symlink(root().join(cache), own.join(cache)).unwrap();
    let policy = "cutwater-policy: 1\nsecrets: { restic: { file: /etc/cutwater/secrets/restic } }\n";
    std::fs::write(own.join("etc/cutwater/policy.yaml"), policy).unwrap();
    own
}
