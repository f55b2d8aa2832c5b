//! The machine as a host: real programs, files and sockets, and of the real host's rules the one that matters here, that a
//! statement is sent or a file written only if the plan showed it. It must not know the plugin.

use super::cluster::{Cluster, PROGRAMS};
use super::stream::{self, Wire};
use cutwater_sdk::host::*;
use cutwater_sdk::{Effect, Fault, Host, Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The effects that the plan showed.
pub type Plan = Rc<RefCell<Vec<Effect>>>;

/// What happens to a program.
pub enum Strike {
    /// It and all that it started are killed once the path is there, and nobody sees its end.
    Killed(&'static str, std::path::PathBuf),
    /// This is done behind it.
    Harmed(&'static str, Box<dyn FnOnce()>),
}

/// The machine of one cluster.
pub struct Machine {
    control: String,
    user: String,
    setpriv: bool,
    authority: std::path::PathBuf,
    /// Secrets by name.
    pub secrets: RefCell<BTreeMap<String, String>>,
    /// What may be done.
    pub plan: Plan,
    /// Every command line so far.
    pub lines: RefCell<Vec<String>>,
    /// The last checkpoint.
    pub saved: RefCell<Option<Value>>,
    /// What happens while a program works.
    pub strike: RefCell<Option<Strike>>,
    began: Instant,
}

impl Machine {
    /// The machine that the cluster runs on; its service is called `pg`.
    pub fn of(cluster: &Cluster) -> Self {
        Self {
            control: cluster.control().to_string_lossy().into_owned(),
            user: cluster.user.clone(),
            setpriv: cluster.as_user("x").get_program() == "setpriv",
            authority: cluster.authority(),
            secrets: RefCell::default(),
            plan: Plan::default(),
            lines: RefCell::default(),
            saved: RefCell::default(),
            strike: RefCell::default(),
            began: Instant::now(),
        }
    }

    /// An input as the plan shows it: secrets by their names.
    fn shown(&self, command: &Command) -> Effect {
        let mut input = String::from_utf8_lossy(&command.stdin).into_owned();
        for (name, value) in self.secrets.borrow().iter() {
            input = input.replace(value, &format!("[secret {name}]"));
        }
        Effect::run(&command.clone().stdin(input))
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

struct Ran(Vec<Chunk>, Option<i32>);

impl Child for Ran {
    fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        Ok(self.0.pop())
    }
    fn wait(&mut self) -> Result<Ended, Fault> {
        Ok(Ended { status: self.1, signal: None })
    }
}

impl Host for Machine {
    fn log(&self, _: Level, _: &str) {}
    fn progress(&self, _: u64, _: u64, _: &str) {}
    fn gauge(&self, _: &str, _: Option<f64>) {}
    fn save(&self, state: &Value) -> Result<(), Fault> {
        *self.saved.borrow_mut() = Some(state.clone());
        Ok(())
    }
    fn start(&self, command: &Command) -> Result<Box<dyn Child>, Fault> {
        if !command.reads {
            self.planned(&self.shown(command))?;
        }
        let program = match command.program.as_str() {
            "control" => self.control.clone(),
            program if program.starts_with("pg_") => format!("{PROGRAMS}/{program}"),
            program => program.to_owned(),
        };
        let mut process = match (&command.user, self.setpriv) {
            (Some(user), true) => {
                let mut process = std::process::Command::new("setpriv");
                process.args(["--reuid", user, "--regid", user, "--init-groups", &program]);
                process
            }
            _ => std::process::Command::new(program),
        };
        process.args(&command.args).env("LC_ALL", "C");
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.lines.borrow_mut().push(command.to_string());
        std::os::unix::process::CommandExt::process_group(&mut process, 0);
        let mut child = process.spawn().map_err(io)?;
        child.stdin.take().unwrap().write_all(&command.stdin).map_err(io)?;
        let strike = self.strike.take();
        if let Some(Strike::Killed(name, path)) = &strike
            && *name == command.program
        {
            while !path.exists() && child.try_wait().map_err(io)?.is_none() {
                std::thread::yield_now();
            }
            let group = -(child.id() as libc::pid_t);
            // SAFETY: a number, of the group that was made for this child, which has not been waited for.
            assert_eq!(unsafe { libc::kill(group, libc::SIGKILL) }, 0);
            child.wait().map_err(io)?;
            return Err(Fault::new("lost", "killed"));
        }
        let output = child.wait_with_output().map_err(io)?;
        match strike {
            Some(Strike::Harmed(name, harm)) if name == command.program => harm(),
            other => *self.strike.borrow_mut() = other,
        }
        let chunk = |error_stream, bytes| Chunk { error_stream, bytes };
        Ok(Box::new(Ran(vec![chunk(true, output.stderr), chunk(false, output.stdout)], output.status.code())))
    }
    fn connect(&self, address: &Value, protocol: &str) -> Result<Box<dyn Stream>, Fault> {
        assert_eq!(protocol, "postgres");
        let wire = match (address["unix"].as_str(), address["host"].as_str()) {
            (Some(path), _) => Wire::unix(path, address["as"].as_str().filter(|_| self.setpriv)),
            (_, Some(host)) => Wire::tcp(host, address["port"].as_u64().unwrap() as u16),
            _ => return not_here(),
        };
        Ok(Box::new(stream::Framed::new(
            wire.map_err(io)?,
            address.clone(),
            self.authority.clone(),
            self.plan.clone(),
        )))
    }
    fn read(&self, path: &str) -> Result<Vec<u8>, Fault> {
        std::fs::read(path).map_err(io)
    }
    fn replace(&self, path: &str, content: &[u8]) -> Result<(), Fault> {
        self.planned(&Effect::write(path, String::from_utf8_lossy(content)))?;
        std::fs::write(path, content).map_err(io)
    }
    fn remove(&self, path: &str) -> Result<(), Fault> {
        self.planned(&Effect::remove(path))?;
        std::fs::remove_file(path).map_err(io)
    }
    fn stat(&self, path: &str) -> Result<Stat, Fault> {
        let facts = std::fs::symlink_metadata(path).map_err(io)?;
        let kind = match facts.file_type() {
            kind if kind.is_dir() => FileKind::Folder,
            kind if kind.is_file() => FileKind::File,
            _ => FileKind::Other,
        };
        Ok(Stat { kind, bytes: facts.len(), uid: 0, gid: 0, mode: 0 })
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
    fn sleep(&self, ms: u64) -> Result<(), Fault> {
        std::thread::sleep(Duration::from_millis(ms));
        Ok(())
    }
    fn random(&self, _: u32) -> Vec<u8> {
        Vec::new()
    }
    fn secret(&self, name: &str) -> Result<String, Fault> {
        self.secrets.borrow().get(name).cloned().ok_or_else(|| Fault::new("missing", "no such secret"))
    }
    fn declared(&self, _: &str, name: &str) -> Result<Option<Value>, Fault> {
        let line = |verb: &str| json!(["control", verb]);
        let lines = json!({ "start": line("start"), "stop": line("stop"), "status": line("status") });
        Ok((name == "pg").then_some(lines))
    }
    fn mounts(&self) -> Result<Vec<Mount>, Fault> {
        not_here()
    }
    fn boot_id(&self) -> Result<String, Fault> {
        Ok(self.user.clone())
    }
}
