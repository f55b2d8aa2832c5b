//! Who asks, and the way to the host. It keeps book of what this attempt has changed, so that a fault becomes the
//! right answer. It must not know steps.

use crate::answer::Fault;
use crate::host::*;
use serde_json::Value;
use std::cell::{Cell, RefCell};

#[cfg(target_arch = "wasm32")]
type Inner<'a> = (crate::guest::Imports, std::marker::PhantomData<&'a ()>);
#[cfg(not(target_arch = "wasm32"))]
type Inner<'a> = (&'a dyn Host, ());

/// Who asks, and the way to the host.
pub struct Context<'a> {
    /// The run.
    pub run: String,
    /// The workflow's step.
    pub step: String,
    /// The plugin's action.
    pub action: String,
    /// From 1.
    pub attempt: u32,
    /// The mark that every object of this step is born with.
    pub mark: String,
    /// More: `folder` (a folder of the run), `deadline-ms` (monotonic), `phase`.
    pub more: Value,
    host: Watched<'a>,
}

impl<'a> Context<'a> {
    /// The way to the host.
    pub fn host(&self) -> &Watched<'a> {
        &self.host
    }

    /// A folder of the run, for mount points.
    pub fn folder(&self) -> Option<&str> {
        self.more.get("folder").and_then(Value::as_str)
    }

    /// Whether this is asked while planning: there is no run yet, and steps before this one have not been done.
    pub fn planning(&self) -> bool {
        self.run.starts_with('\u{e000}')
    }

    /// Says something to whoever watches the run.
    pub fn say(&self, text: impl AsRef<str>) {
        self.host.log(Level::Info, text.as_ref());
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn guest(host: crate::guest::Imports) -> Context<'static> {
        Context::around((host, std::marker::PhantomData))
    }

    /// A context for native tests: run `r1`, and a step that is named like the action.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn over(host: &'a dyn Host, action: &str) -> Self {
        let mut context = Self::around((host, ()));
        context.run = "r1".into();
        context.step = action.to_owned();
        context.action = action.to_owned();
        context.mark = format!("cutwater.r1.{action}");
        context.more = serde_json::json!({ "folder": "/run/cutwater/runs/r1" });
        context
    }

    fn around(inner: Inner<'a>) -> Self {
        let host = Watched { inner, touched: Cell::new(false), saved: RefCell::new(None) };
        let (run, step, action, mark) = Default::default();
        Self { run, step, action, attempt: 1, mark, more: Value::Null, host }
    }
}

/// The host, and what this attempt did through it.
pub struct Watched<'a> {
    inner: Inner<'a>,
    touched: Cell<bool>,
    saved: RefCell<Option<Value>>,
}

impl Watched<'_> {
    /// Notes that this attempt has changed something that the SDK cannot see, such as by a statement on a stream.
    /// A later fault is then a failure rather than a refusal.
    pub fn touch(&self) {
        self.touched.set(true);
    }

    /// Whether this attempt may have changed something.
    pub fn touched(&self) -> bool {
        self.touched.get()
    }

    pub(crate) fn saved(&self) -> Option<Value> {
        self.saved.borrow().clone()
    }

    /// A call that the host turned down has changed nothing; any other may have.
    fn changing<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        match &result {
            Err(fault) if matches!(fault.code.as_str(), "denied" | "missing" | "invalid") => {}
            _ => self.touch(),
        }
        result
    }
}

impl Host for Watched<'_> {
    fn log(&self, level: Level, text: &str) {
        self.inner.0.log(level, text);
    }
    fn progress(&self, done: u64, total: u64, unit: &str) {
        self.inner.0.progress(done, total, unit);
    }
    fn gauge(&self, name: &str, value: Option<f64>) {
        self.inner.0.gauge(name, value);
    }
    fn save(&self, state: &Value) -> Result<(), Fault> {
        self.inner.0.save(state)?;
        *self.saved.borrow_mut() = Some(state.clone());
        Ok(())
    }
    fn start(&self, command: &Command) -> Result<Box<dyn Child>, Fault> {
        let started = self.inner.0.start(command);
        if command.reads { started } else { self.changing(started) }
    }
    /// A changing program whose end was not seen is `lost`: it may still run.
    fn run(&self, command: &Command) -> Result<Finished, Fault> {
        let child = self.start(command)?;
        let finished = collect(child).map_err(|fault| match command.reads {
            true => fault,
            false => Fault::new("lost", format!("the end of `{command}` was not seen: {}", fault.message)),
        })?;
        Ok(Finished { line: command.to_string(), ..finished })
    }
    fn connect(&self, address: &Value, protocol: &str) -> Result<Box<dyn Stream>, Fault> {
        self.inner.0.connect(address, protocol)
    }
    fn read(&self, path: &str) -> Result<Vec<u8>, Fault> {
        self.inner.0.read(path)
    }
    fn replace(&self, path: &str, content: &[u8]) -> Result<(), Fault> {
        self.changing(self.inner.0.replace(path, content))
    }
    fn remove(&self, path: &str) -> Result<(), Fault> {
        self.changing(self.inner.0.remove(path))
    }
    fn stat(&self, path: &str) -> Result<Stat, Fault> {
        self.inner.0.stat(path)
    }
    fn make_folder(&self, path: &str) -> Result<(), Fault> {
        self.changing(self.inner.0.make_folder(path))
    }
    fn facts(&self, device: &str) -> Result<BlockFacts, Fault> {
        self.inner.0.facts(device)
    }
    fn read_block(&self, device: &str, offset: u64, length: u32) -> Result<Vec<u8>, Fault> {
        self.inner.0.read_block(device, offset, length)
    }
    fn copy(&self, request: &CopyRequest) -> Result<Copied, Fault> {
        self.changing(self.inner.0.copy(request))
    }
    fn compare(&self, request: &CompareRequest) -> Result<Compared, Fault> {
        self.inner.0.compare(request)
    }
    fn changed(&self, store: &str, chunk_limit: Option<u64>) -> Result<Changed, Fault> {
        self.inner.0.changed(store, chunk_limit)
    }
    fn resync(&self, request: &ResyncRequest) -> Result<Resynced, Fault> {
        self.changing(self.inner.0.resync(request))
    }
    fn erase(&self, to: &str) -> Result<(), Fault> {
        self.changing(self.inner.0.erase(to))
    }
    fn freeze(&self, at: &str) -> Result<(), Fault> {
        self.changing(self.inner.0.freeze(at))
    }
    fn thaw(&self, at: &str) -> Result<(), Fault> {
        self.changing(self.inner.0.thaw(at))
    }
    fn now(&self) -> u64 {
        self.inner.0.now()
    }
    fn monotonic(&self) -> u64 {
        self.inner.0.monotonic()
    }
    fn sleep(&self, ms: u64) -> Result<(), Fault> {
        self.inner.0.sleep(ms)
    }
    fn random(&self, count: u32) -> Vec<u8> {
        self.inner.0.random(count)
    }
    fn secret(&self, name: &str) -> Result<String, Fault> {
        self.inner.0.secret(name)
    }
    fn declared(&self, kind: &str, name: &str) -> Result<Option<Value>, Fault> {
        self.inner.0.declared(kind, name)
    }
    fn mounts(&self) -> Result<Vec<Mount>, Fault> {
        self.inner.0.mounts()
    }
    fn boot_id(&self) -> Result<String, Fault> {
        self.inner.0.boot_id()
    }
}
