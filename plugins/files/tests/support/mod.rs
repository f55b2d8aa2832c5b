//! The machine as a host: real programs and files below a folder of the test, and of the real host's rules the one that
//! matters here, that a program is run or a file written only if the plan showed it. It must not know the plugin.

use cutwater_sdk::host::*;
use cutwater_sdk::{Effect, Fault, Host, Value};
use std::cell::{Cell, RefCell};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;
use tempfile::TempDir;

type Hook = Box<dyn Fn(&Machine, Option<u32>)>;

/// When something is done beside a program.
#[derive(Clone, Copy, PartialEq)]
pub enum When {
    Before,
    During,
}

/// A folder with `from` and an empty `to`.
pub struct Machine {
    folder: TempDir,
    pub plan: RefCell<Vec<Effect>>,
    pub saved: RefCell<Vec<Value>>,
    pub words: RefCell<Vec<String>>,
    pub lines: RefCell<Vec<String>>,
    hooks: RefCell<Vec<(When, &'static str, Hook)>>,
    /// Programs are run as nobody.
    pub as_nobody: Cell<bool>,
    began: Instant,
}

impl Machine {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["from", "to"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self {
            folder,
            plan: RefCell::default(),
            saved: RefCell::default(),
            words: RefCell::default(),
            lines: RefCell::default(),
            hooks: RefCell::default(),
            as_nobody: Cell::new(false),
            began: Instant::now(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Lets something happen beside each program whose line has this in it: before it starts, or while it runs, with its pid.
    pub fn beside(&self, when: When, line: &'static str, does: impl Fn(&Self, Option<u32>) + 'static) {
        self.hooks.borrow_mut().push((when, line, Box::new(does)));
    }

    fn happens(&self, when: When, line: &str, pid: Option<u32>) {
        for (at, part, does) in self.hooks.borrow().iter() {
            if *at == when && line.contains(part) {
                does(self, pid);
            }
        }
    }

    fn planned(&self, effect: &Effect) -> Result<(), Fault> {
        match self.plan.borrow().contains(effect) {
            true => Ok(()),
            false => Err(Fault::new("denied", format!("not in the plan: {effect:?}"))),
        }
    }
}

fn io(error: std::io::Error) -> Fault {
    let code = if error.kind() == std::io::ErrorKind::NotFound { "missing" } else { "io" };
    Fault::new(code, error.to_string())
}

fn not_here<T>() -> Result<T, Fault> {
    Err(Fault::new("invalid", "no step of this plugin asks for that"))
}

struct Ran(Vec<Chunk>, Ended);

impl Child for Ran {
    fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        Ok(self.0.pop())
    }
    fn wait(&mut self) -> Result<Ended, Fault> {
        Ok(self.1)
    }
}

impl Host for Machine {
    fn log(&self, _: Level, text: &str) {
        self.words.borrow_mut().push(text.to_owned());
    }
    fn progress(&self, _: u64, _: u64, _: &str) {}
    fn gauge(&self, _: &str, _: Option<f64>) {}
    fn save(&self, state: &Value) -> Result<(), Fault> {
        self.saved.borrow_mut().push(state.clone());
        Ok(())
    }
    fn start(&self, command: &Command) -> Result<Box<dyn Child>, Fault> {
        if !command.reads {
            self.planned(&Effect::run(command))?;
        }
        let line = command.to_string();
        self.lines.borrow_mut().push(line.clone());
        self.happens(When::Before, &line, None);
        let mut process = match self.as_nobody.get() {
            true => {
                let mut process = std::process::Command::new("setpriv");
                process.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", &command.program]);
                process
            }
            false => std::process::Command::new(&command.program),
        };
        process.args(&command.args).env("LC_ALL", "C").stdin(Stdio::null());
        let child = process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(io)?;
        self.happens(When::During, &line, Some(child.id()));
        let output = child.wait_with_output().map_err(io)?;
        let chunk = |error_stream, bytes| Chunk { error_stream, bytes };
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        let ended = Ended { status: output.status.code(), signal };
        Ok(Box::new(Ran(vec![chunk(true, output.stderr), chunk(false, output.stdout)], ended)))
    }
    fn connect(&self, _: &Value, _: &str) -> Result<Box<dyn Stream>, Fault> {
        not_here()
    }
    fn read(&self, path: &str) -> Result<Vec<u8>, Fault> {
        std::fs::read(path).map_err(io)
    }
    fn replace(&self, path: &str, content: &[u8]) -> Result<(), Fault> {
        self.planned(&Effect::write(path, String::from_utf8_lossy(content)))?;
        let fresh = format!("{path}.new");
        std::fs::write(&fresh, content).and_then(|()| std::fs::rename(&fresh, path)).map_err(io)
    }
    fn remove(&self, path: &str) -> Result<(), Fault> {
        self.planned(&Effect::remove(path))?;
        std::fs::remove_file(path).map_err(io)
    }
    fn stat(&self, path: &str) -> Result<Stat, Fault> {
        let facts = std::fs::symlink_metadata(path).map_err(io)?;
        let kind = if facts.is_dir() { FileKind::Folder } else { FileKind::Other };
        Ok(Stat { kind, bytes: facts.len(), uid: facts.uid(), gid: facts.gid(), mode: facts.mode() })
    }
    fn make_folder(&self, _: &str) -> Result<(), Fault> {
        not_here()
    }
    fn facts(&self, _: &str) -> Result<BlockFacts, Fault> {
        not_here()
    }
    fn read_block(&self, _: &str, _: u64, _: u32) -> Result<Vec<u8>, Fault> {
        not_here()
    }
    fn copy(&self, _: &CopyRequest) -> Result<Copied, Fault> {
        not_here()
    }
    fn compare(&self, _: &CompareRequest) -> Result<Compared, Fault> {
        not_here()
    }
    fn changed(&self, _: &str, _: Option<u64>) -> Result<Changed, Fault> {
        not_here()
    }
    fn resync(&self, _: &ResyncRequest) -> Result<Resynced, Fault> {
        not_here()
    }
    fn erase(&self, _: &str) -> Result<(), Fault> {
        not_here()
    }
    fn freeze(&self, _: &str) -> Result<(), Fault> {
        not_here()
    }
    fn thaw(&self, _: &str) -> Result<(), Fault> {
        not_here()
    }
    fn now(&self) -> u64 {
        self.monotonic()
    }
    fn monotonic(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
    fn sleep(&self, _: u64) -> Result<(), Fault> {
        not_here()
    }
    fn random(&self, _: u32) -> Vec<u8> {
        Vec::new()
    }
    fn secret(&self, _: &str) -> Result<String, Fault> {
        not_here()
    }
    fn declared(&self, _: &str, _: &str) -> Result<Option<Value>, Fault> {
        not_here()
    }
    fn mounts(&self) -> Result<Vec<Mount>, Fault> {
        Ok(Vec::new())
    }
    fn boot_id(&self) -> Result<String, Fault> {
        not_here()
    }
}
