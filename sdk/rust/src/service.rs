//! A service of the machine: a unit of systemd, or three programs that the host's policy declares where there is no
//! systemd. How it is told whether it runs, started, stopped, and barred from starting by itself. It must not know
//! what the service does.

use crate::answer::{Failure, Fault, Refusal, Stop};
use crate::context::Context;
use crate::effect::Effect;
use crate::host::{Command, Host};
use serde::{Deserialize, Serialize};

/// A service, by the name that workflows and grants use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The name, as it was given.
    pub name: String,
    how: How,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum How {
    Systemd,
    Declared(Declared),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Declared {
    start: Vec<String>,
    stop: Vec<String>,
    status: Vec<String>,
    #[serde(default)]
    fence_file: Option<String>,
}

/// Whether a service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It runs.
    Running,
    /// It does not.
    Stopped,
    /// It is on the way from one to the other.
    Changing,
}

const SYSTEMD: &str = "/etc/systemd/system";
const ADMITTED: &str = "/run/cutwater/admitted";

impl Service {
    /// The service of that name: as the policy declares it, else a unit of systemd.
    ///
    /// # Errors
    /// A name that is none, or the host's own fault.
    pub fn find(ctx: &Context<'_>, name: &str) -> Result<Self, Refusal> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "@._:-\\".contains(c);
        if name.is_empty() || name.starts_with('-') || name.contains("..") || !name.chars().all(legal) {
            return Err(Refusal::new(
                "invalid-input",
                format!("`{}` is no name of a service", name.escape_debug()),
            ));
        }
        let how = match ctx.host().declared("service", name)? {
            None => How::Systemd,
            Some(value) => How::Declared(serde_json::from_value(value).map_err(|error| {
                Refusal::new("invalid-policy", format!("the policy's service `{name}`: {error}"))
            })?),
        };
        Ok(Self { name: name.to_owned(), how })
    }

    /// Whether it runs. Changes nothing.
    ///
    /// # Errors
    /// There is no such service, or nobody can tell.
    pub fn state(&self, ctx: &Context<'_>) -> Result<State, Refusal> {
        match &self.how {
            How::Systemd => self.systemd_state(ctx),
            How::Declared(declared) => {
                let told = ctx.host().run(&command(&declared.status, true)?)?;
                match told.status {
                    Some(0) => Ok(State::Running),
                    Some(1..=3) => Ok(State::Stopped),
                    _ => {
                        let message = format!(
                            "the status of `{}` cannot be told ({}); the program that the policy declares must leave with 0 \
                             while it runs and with 3 while it does not, also where its data is not there",
                            self.name,
                            told.words()
                        );
                        Err(Refusal::new("no-status", message))
                    }
                }
            }
        }
    }

    fn systemd_state(&self, ctx: &Context<'_>) -> Result<State, Refusal> {
        let unit = self.unit();
        let show =
            Command::reading("systemctl").args(["show", "-p", "LoadState", "-p", "ActiveState", &unit]);
        let told = match ctx.host().run(&show) {
            Err(fault) if fault.is_missing() => return Err(self.undeclared()),
            told => told?.or_refuse("no-status")?,
        };
        let text = told.text();
        let property = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        if property("LoadState") == Some("not-found") {
            return Err(Refusal::new("no-such-service", format!("there is no unit {unit}")));
        }
        match property("ActiveState") {
            Some("active" | "reloading") => Ok(State::Running),
            Some("inactive" | "failed") => Ok(State::Stopped),
            Some(_) => Ok(State::Changing),
            None => Err(Refusal::new("no-status", format!("systemctl does not tell the state of {unit}"))),
        }
    }

    fn undeclared(&self) -> Refusal {
        let message = format!(
            "there is no systemd here, and the host's policy declares no service `{0}`; declare \
             `services: {{ {0}: {{ start: […], stop: […], status: […], fence-file: … }} }}`",
            self.name
        );
        Refusal::new("no-such-service", message)
    }

    /// The command that starts it.
    pub fn start_command(&self) -> Result<Command, Refusal> {
        match &self.how {
            How::Systemd => Ok(Command::new("systemctl").args(["start", &self.unit()])),
            How::Declared(declared) => Ok(command(&declared.start, false)?),
        }
    }

    /// The command that stops it.
    pub fn stop_command(&self) -> Result<Command, Refusal> {
        match &self.how {
            How::Systemd => Ok(Command::new("systemctl").args(["stop", &self.unit()])),
            How::Declared(declared) => Ok(command(&declared.stop, false)?),
        }
    }

    /// What [`Service::start`] does.
    pub fn start_effects(&self, ctx: &Context<'_>) -> Result<Vec<Effect>, Refusal> {
        let admission = self.admission().map(|path| Effect::write(path, admission_text(ctx)));
        Ok(admission.into_iter().chain([Effect::run(&self.start_command()?)]).collect())
    }

    /// What [`Service::stop`] does.
    pub fn stop_effects(&self) -> Result<Vec<Effect>, Refusal> {
        Ok(vec![Effect::run(&self.stop_command()?)])
    }

    /// Starts it, fenced or not, and sees that it runs. False: it ran already.
    ///
    /// # Errors
    /// It does not run.
    pub fn start(&self, ctx: &Context<'_>) -> Result<bool, Stop> {
        if self.state(ctx)? == State::Running {
            return Ok(false);
        }
        if let Some(admission) = self.admission()
            && self.fenced_by(ctx)?.is_some()
        {
            ctx.host().replace(&admission, admission_text(ctx).as_bytes())?;
        }
        let started = ctx.host().run(&self.start_command()?)?;
        match self.state_after(ctx, "was started")? {
            State::Running => Ok(true),
            _ => {
                let left = format!("`{}` does not run", self.name);
                let words = if started.success() {
                    "it was started, and does not run".into()
                } else {
                    started.words()
                };
                Err(Failure::new("start-failed", words, left).again().into())
            }
        }
    }

    /// Once its program ran, a status that nobody can tell is no refusal: something may have happened.
    fn state_after(&self, ctx: &Context<'_>, done: &str) -> Result<State, Failure> {
        self.state(ctx).map_err(|refusal| {
            let left = format!("`{}` {done}, and its status cannot be told", self.name);
            Failure { again: refusal.again, ..Failure::new(refusal.code, refusal.message, left) }
        })
    }

    /// Stops it and sees that it is stopped. False: it was stopped already.
    ///
    /// # Errors
    /// It still runs.
    pub fn stop(&self, ctx: &Context<'_>) -> Result<bool, Stop> {
        if self.state(ctx)? == State::Stopped {
            return Ok(false);
        }
        let stopped = ctx.host().run(&self.stop_command()?)?;
        match self.state_after(ctx, "was stopped")? {
            State::Stopped => Ok(true),
            _ => {
                let left = format!("`{}` still runs", self.name);
                Err(Failure::new("stop-failed", stopped.words(), left).again().into())
            }
        }
    }

    /// The file that bars it from starting by itself: a drop-in of its unit, or the declared one.
    ///
    /// # Errors
    /// The policy declares none.
    pub fn fence_file(&self) -> Result<String, Refusal> {
        match &self.how {
            How::Systemd => Ok(format!("{SYSTEMD}/{}.d/cutwater.conf", self.unit())),
            How::Declared(declared) => declared.fence_file.clone().ok_or_else(|| {
                let message = format!("the policy's service `{}` has no `fence-file`", self.name);
                Refusal::new("no-fence-file", message)
            }),
        }
    }

    /// What the fence file holds: the mark of the step that made it, and for a unit the condition that only a start by
    /// Cutwater in this very boot meets.
    pub fn fence_text(&self, mark: &str) -> String {
        match self.admission() {
            None => format!("# fenced by {mark}\n"),
            Some(admission) => {
                format!("# fenced by {mark}\n[Unit]\nConditionPathExists={}\n", admission.replace('%', "%%"))
            }
        }
    }

    /// The mark in the fence file, where there is one.
    pub fn fenced_by(&self, ctx: &Context<'_>) -> Result<Option<String>, Stop> {
        let Some(text) = ctx.host().read_text(&self.fence_file()?)? else { return Ok(None) };
        let mark = text.lines().next().and_then(|line| line.strip_prefix("# fenced by "));
        Ok(Some(mark.unwrap_or("somebody else").to_owned()))
    }

    /// The file that a start under a fence needs; a declared service needs none.
    pub fn admission(&self) -> Option<String> {
        match self.how {
            How::Systemd => Some(format!("{ADMITTED}/{}", self.unit())),
            How::Declared(_) => None,
        }
    }

    /// The command that makes a changed fence file count; a declared service needs none.
    pub fn reload_command(&self) -> Option<Command> {
        match self.how {
            How::Systemd => Some(Command::new("systemctl").arg("daemon-reload")),
            How::Declared(_) => None,
        }
    }

    fn unit(&self) -> String {
        let kinds = [".service", ".socket", ".target", ".mount", ".timer", ".path", ".scope", ".slice"];
        match kinds.iter().any(|kind| self.name.ends_with(kind)) {
            true => self.name.clone(),
            false => format!("{}.service", self.name),
        }
    }
}

fn admission_text(ctx: &Context<'_>) -> String {
    format!("{}\n", ctx.mark)
}

fn command(line: &[String], reads: bool) -> Result<Command, Fault> {
    let (program, args) = line
        .split_first()
        .ok_or_else(|| Fault::new("invalid", "the policy declares an empty command line"))?;
    let command = if reads { Command::reading(program) } else { Command::new(program) };
    Ok(command.args(args))
}
