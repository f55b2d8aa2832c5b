//! A host for native tests: programs, files, devices, mounts and time as the test says, every call written down, and
//! faults where the test wants them. It must not know steps.

mod answering;

use crate::answer::Fault;
use crate::host::*;
use answering::missing;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a program does: its status and what it writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit status.
    pub status: i32,
    /// What it writes.
    pub stdout: String,
    /// What it writes to its error stream.
    pub stderr: String,
}

impl Output {
    /// Exits with 0 after writing `stdout`.
    pub fn ok(stdout: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    /// Exits with `status` after complaining.
    pub fn failed(status: i32, stderr: impl Into<String>) -> Self {
        Self { status, stderr: stderr.into(), ..Self::default() }
    }
}

type Program = Box<dyn Fn(&Host, &Command) -> Output>;
type Server = Box<dyn Fn(&Value) -> Result<Box<dyn Stream>, Fault>>;

/// The fake host. Its fields are its world; a test sets them before and looks at them after.
#[derive(Default)]
pub struct Host {
    /// Files by path.
    pub files: RefCell<BTreeMap<String, Vec<u8>>>,
    /// Folders.
    pub folders: RefCell<BTreeSet<String>>,
    /// What devices are.
    pub devices: RefCell<BTreeMap<String, BlockFacts>>,
    /// What devices hold.
    pub contents: RefCell<BTreeMap<String, Vec<u8>>>,
    /// What exception stores list.
    pub stores: RefCell<BTreeMap<String, Changed>>,
    /// Frozen mount points.
    pub frozen: RefCell<BTreeSet<String>>,
    /// What is mounted.
    pub mounts: RefCell<Vec<Mount>>,
    /// What the policy declares, by "KIND NAME".
    pub declared: RefCell<BTreeMap<String, Value>>,
    /// Secrets.
    pub secrets: RefCell<BTreeMap<String, String>>,
    /// Milliseconds; a sleep moves it on.
    pub time: Cell<u64>,
    /// From this time on whatever waits is told to stop; 0: never.
    pub stops_at: Cell<u64>,
    /// Sectors that others write to each device each second.
    pub load: Cell<u64>,
    /// How many of the listed chunks the last resync was told to count.
    pub first: Cell<Option<u64>>,
    /// The boot.
    pub boot: RefCell<String>,
    /// Saved checkpoints.
    pub saved: RefCell<Vec<Value>>,
    /// Figures that were shown.
    pub gauges: RefCell<Vec<(String, Option<f64>)>>,
    /// What was said.
    pub words: RefCell<Vec<String>>,
    calls: RefCell<Vec<String>>,
    programs: RefCell<BTreeMap<String, Program>>,
    scripts: RefCell<Vec<(String, VecDeque<Output>)>>,
    faults: RefCell<Vec<(String, Fault)>>,
    server: RefCell<Option<Server>>,
}

impl Host {
    /// A host on which there is nothing.
    pub fn new() -> Self {
        let host = Self::default();
        *host.boot.borrow_mut() = "boot-1".into();
        host
    }

    /// Lets a program do as the closure says.
    pub fn program(self, name: &str, does: impl Fn(&Host, &Command) -> Output + 'static) -> Self {
        self.programs.borrow_mut().insert(name.to_owned(), Box::new(does));
        self
    }

    /// Lets command lines that begin with `line` answer this, one answer a call; the last one stays.
    pub fn answers(self, line: &str, outputs: impl IntoIterator<Item = Output>) -> Self {
        self.scripts.borrow_mut().push((line.to_owned(), outputs.into_iter().collect()));
        self
    }

    /// Lets a file be there.
    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.borrow_mut().insert(path.to_owned(), content.into());
        self
    }

    /// Lets a device be there, with this content and an identity that is its path.
    pub fn device(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        let content = content.into();
        let facts = BlockFacts {
            bytes: content.len() as u64,
            sector: 512,
            identity: format!("id:{path}"),
            kind: "dm".into(),
            boot: self.boot.borrow().clone(),
            ..BlockFacts::default()
        };
        self.devices.borrow_mut().insert(path.to_owned(), facts);
        self.contents.borrow_mut().insert(path.to_owned(), content);
        self
    }

    /// Lets something be mounted.
    pub fn mount(self, device: &str, at: &str, fs: &str) -> Self {
        let mount = Mount {
            at: at.into(),
            device: device.into(),
            fs: fs.into(),
            root: "/".into(),
            ..Mount::default()
        };
        self.mounts.borrow_mut().push(mount);
        self
    }

    /// Lets the policy declare something.
    pub fn declares(self, kind: &str, name: &str, what: Value) -> Self {
        self.declared.borrow_mut().insert(format!("{kind} {name}"), what);
        self
    }

    /// Lets a server answer.
    pub fn server(self, serve: impl Fn(&Value) -> Result<Box<dyn Stream>, Fault> + 'static) -> Self {
        *self.server.borrow_mut() = Some(Box::new(serve));
        self
    }

    /// Lets the next call whose record begins with `call` end in this fault, once.
    pub fn fault(&self, call: &str, code: &str) {
        let fault = Fault::new(code, format!("{call}: a planned fault"));
        self.faults.borrow_mut().push((call.to_owned(), fault));
    }

    /// What was asked, in order: `run lvs …`, `replace /etc/fstab`, `copy A B`, …
    pub fn calls(&self) -> Vec<String> {
        self.calls.borrow().clone()
    }

    /// The calls that change something.
    pub fn changes(&self) -> Vec<String> {
        let reads = ["read", "stat", "facts", "compare", "changed", "declared", "mounts", "look"];
        let changing = |call: &String| !reads.contains(&call.split(' ').next().unwrap_or_default());
        self.calls().into_iter().filter(changing).collect()
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> Option<String> {
        self.files.borrow().get(path).map(|content| String::from_utf8_lossy(content).into_owned())
    }

    fn asked(&self, call: String) -> Result<(), Fault> {
        let planned = self.faults.borrow().iter().position(|(begins, _)| call.starts_with(begins.as_str()));
        self.calls.borrow_mut().push(call);
        match planned {
            Some(at) => Err(self.faults.borrow_mut().remove(at).1),
            None => Ok(()),
        }
    }

    fn told_to_stop(&self) -> Result<(), Fault> {
        match self.stops_at.get() {
            0 => Ok(()),
            at if self.time.get() < at => Ok(()),
            _ => Err(Fault::new("stopping", "the step is to stop")),
        }
    }

    fn written(&self, device: &str, range: std::ops::Range<usize>, bytes: &[u8]) -> Result<(), Fault> {
        let mut contents = self.contents.borrow_mut();
        let content = contents.get_mut(device).ok_or_else(|| missing(device))?;
        let target = content.get_mut(range).ok_or_else(|| Fault::new("io", "no space left on the device"))?;
        target.copy_from_slice(bytes);
        if let Some(facts) = self.devices.borrow_mut().get_mut(device) {
            facts.written += bytes.len() as u64 / 512;
        }
        Ok(())
    }

    fn content(&self, device: &str) -> Result<Vec<u8>, Fault> {
        self.contents.borrow().get(device).cloned().ok_or_else(|| missing(device))
    }

    fn base(&self, device: &str) -> Result<Base, Fault> {
        let facts = self.devices.borrow().get(device).cloned().ok_or_else(|| missing(device))?;
        Ok(Base { to: facts.identity, boot: facts.boot, written: facts.written })
    }
}
