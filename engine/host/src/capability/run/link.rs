//! Offers `run` to a guest: grants and plan are asked here, then the program is started. It must not know how.

use super::child::{Child, Command};
use crate::admission::{Admitted, Denied, Program};
use crate::bindings::cutwater::plugin::run;
use crate::bindings::types::Fault as Told;
use crate::capability::freeze::carriers;
use crate::state::CallState;
use cutwater_core::trees::{self, Trees};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker, Resource};

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    run::add_to_linker::<_, HasSelf<_>>(linker, |state| state.called("run"))
}

impl run::Host for CallState {
    fn start(&mut self, asked: run::Command) -> wasmtime::Result<Result<Resource<Child>, Told>> {
        let run::Command { program, args, user, stdin } = asked;
        let mut command = Command { program, args, user, stdin };
        match self.admit_program(&command) {
            Err(denied) => {
                let what = json!({ "program": command.program, "args": command.args, "as": command.user });
                return Ok(Err(self.denied("run", denied, what).into()));
            }
            // In the place of a program whose work is only claimed runs one that does nothing.
            Ok(admitted) if admitted != Admitted::Reads && self.claims() => {
                command = Command { program: "true".into(), args: Vec::new(), user: None, stdin: Vec::new() };
            }
            Ok(_) => {}
        }
        match Child::start(&command, &self.ground.programs, &self.uses) {
            Ok(child) => Ok(Ok(self.table.push(child)?)),
            Err(fault) => Ok(Err(fault.into())),
        }
    }
}

impl run::HostChild for CallState {
    fn next(&mut self, child: Resource<Child>) -> wasmtime::Result<Result<Option<run::Chunk>, Told>> {
        let stop = Arc::clone(&self.stop);
        let chunk = self.table.get_mut(&child)?.next(&stop);
        let chunk = chunk.map(|chunk| {
            chunk.map(|chunk| run::Chunk { error_stream: chunk.error_stream, bytes: chunk.bytes })
        });
        Ok(chunk.map_err(Told::from))
    }

    fn wait(&mut self, child: Resource<Child>) -> wasmtime::Result<Result<run::Ending, Told>> {
        let stop = Arc::clone(&self.stop);
        let ending = self.table.get_mut(&child)?.wait(&stop);
        let ending = ending.map(|ending| run::Ending { status: ending.status, signal: ending.signal });
        Ok(ending.map_err(Told::from))
    }

    fn drop(&mut self, child: Resource<Child>) -> wasmtime::Result<()> {
        self.table.delete(child)?;
        Ok(())
    }
}

impl CallState {
    /// A secret may be what a program reads, and never an argument: those everybody on the machine can see.
    fn admit_program(&self, command: &Command) -> Result<Admitted, Denied> {
        let redactor = self.uses.redactor();
        let line = command.args.join(" ");
        if redactor.clean(&line) != line {
            return Err(Denied::Unclear {
                what: format!("`{} {}`", command.program, redactor.clean(&line)),
                why: "a secret is no argument; everybody on this machine could see it".into(),
            });
        }
        let stdin = match std::str::from_utf8(&command.stdin) {
            Ok(text) => redactor.clean(text).into_bytes(),
            Err(_) => command.stdin.clone(),
        };
        let admitted = self.rules.admit_run(Program {
            name: &command.program,
            args: &command.args,
            user: command.user.as_deref(),
            stdin: &stdin,
        })?;
        if matches!(command.program.as_str(), "umount" | "fsfreeze" | "mount") {
            command.args.iter().try_for_each(|arg| self.not_carrying(&command.program, arg))?;
        }
        if let Some(Ok(line)) = trees::parse(&command.program, &command.args) {
            self.real_trees(&command.program, &line)?;
        }
        Ok(admitted)
    }

    /// Where the folders of the line really are must be granted as well, and nothing that Cutwater stands on may lie in the
    /// one that is changed.
    fn real_trees(&self, program: &str, line: &Trees) -> Result<(), Denied> {
        let real = |folder: &String| {
            let found = Path::new(folder).canonicalize().ok().filter(|found| found.is_dir());
            found.map(|found| found.to_string_lossy().into_owned()).ok_or_else(|| Denied::Unclear {
                what: format!("`{program}` in {folder}"),
                why: "there is no such folder".into(),
            })
        };
        let reads = line.reads.iter().map(real).collect::<Result<_, _>>()?;
        let writes = line.writes.as_ref().map(real).transpose()?;
        let covered = |folder: &String| self.ground.carried.iter().find(|file| file.starts_with(folder));
        if let Some((folder, file)) = writes.as_ref().and_then(|folder| Some((folder, covered(folder)?))) {
            return Err(Denied::Unclear {
                what: format!("`{program}` in {folder}"),
                why: format!("it carries {}, which Cutwater stands on", file.display()),
            });
        }
        self.rules
            .tree_grants(&Trees { reads, writes }, &format!("`{program}`, where its folders really are"))
    }

    /// What carries the journal, the guard, the binary or its cache is never unmounted or mounted over.
    fn not_carrying(&self, program: &str, arg: &str) -> Result<(), Denied> {
        let at = Path::new(arg);
        if !at.is_absolute() || !at.is_dir() {
            return Ok(());
        }
        let covered = self.ground.carried.iter().find(|file| file.starts_with(at));
        let carried =
            if program == "mount" { Ok(covered) } else { carriers::carried(at, &self.ground.carried) };
        match carried {
            Ok(None) => Ok(()),
            Ok(Some(file)) => Err(Denied::Unclear {
                what: format!("`{program} {arg}`"),
                why: format!("{arg} carries {}, which Cutwater stands on", file.display()),
            }),
            Err(error) => Err(Denied::Unclear { what: format!("`{program} {arg}`"), why: error.to_string() }),
        }
    }
}
