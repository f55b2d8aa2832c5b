//! Offers `file` to a guest: grants and plan are asked here. It must not know how a file is replaced.

use super::verbs;
use crate::admission::{Admitted, Denied};
use crate::bindings::cutwater::plugin::file;
use crate::bindings::types::Fault as Told;
use crate::fault::Fault;
use crate::state::CallState;
use cutwater_core::grant::matches;
use serde_json::{Value, json};
use wasmtime::component::{HasSelf, Linker};

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    file::add_to_linker::<_, HasSelf<_>>(linker, |state| state.called("file"))
}

impl file::Host for CallState {
    fn read(&mut self, path: String) -> wasmtime::Result<Result<Vec<u8>, Told>> {
        let admitted = self.rules.admit_read(&path);
        Ok(self.file("read", &path, admitted, |state| {
            let content = verbs::read(&path, &|real| state.real_read(real))?;
            Ok((json!({ "bytes": content.len() }), content))
        }))
    }

    fn replace(&mut self, path: String, content: Vec<u8>) -> wasmtime::Result<Result<(), Told>> {
        let admitted = self.rules.admit_write(&path, &content);
        Ok(self.file("replace", &path, admitted, |state| {
            if !state.claims() {
                verbs::replace(&path, &content, &|real| state.real_write(real))?;
            }
            Ok((json!({ "bytes": content.len() }), ()))
        }))
    }

    fn remove(&mut self, path: String) -> wasmtime::Result<Result<(), Told>> {
        let admitted = self.rules.admit_remove(&path);
        Ok(self.file("remove", &path, admitted, |state| {
            if !state.claims() {
                verbs::remove(&path, &|real| state.real_write(real))?;
            }
            Ok((json!({}), ()))
        }))
    }

    fn stat(&mut self, path: String) -> wasmtime::Result<Result<String, Told>> {
        let admitted = self.rules.admit_stat(&path);
        Ok(self.file("stat", &path, admitted, |state| {
            let facts = verbs::stat(&path, &|real| state.real_stat(real))?;
            Ok((json!({}), facts.to_string()))
        }))
    }

    fn make_folder(&mut self, path: String) -> wasmtime::Result<Result<(), Told>> {
        let admitted = self.rules.admit_folder(&path);
        Ok(self.file("make-folder", &path, admitted, |state| {
            if !state.claims() {
                verbs::make_folder(&path, &|real| state.real_folder(real))?;
            }
            Ok((json!({}), ()))
        }))
    }
}

impl CallState {
    /// Does it if it is admitted, and journals it with what `does` tells besides its result.
    fn file<T>(
        &self,
        verb: &str,
        path: &str,
        admitted: Result<Admitted, Denied>,
        does: impl FnOnce(&Self) -> Result<(Value, T), Fault>,
    ) -> Result<T, Told> {
        if let Err(denied) = admitted {
            return Err(self.denied("file", denied, json!({ "verb": verb, "path": path })).into());
        }
        let done = does(self);
        let mut what = json!({ "capability": "file", "verb": verb, "path": path });
        match &done {
            Ok((more, _)) => what["done"] = more.clone(),
            Err(fault) => what["error"] = json!({ "code": fault.code, "message": fault.message }),
        }
        self.used(what);
        done.map(|(_, result)| result).map_err(Told::from)
    }

    fn real_read(&self, real: &str) -> Result<(), Fault> {
        self.rules.admit_read(real).map(drop).map_err(leads_out)
    }

    fn real_stat(&self, real: &str) -> Result<(), Fault> {
        self.rules.admit_stat(real).map(drop).map_err(leads_out)
    }

    /// What may be written is a matter of grants here; that the plan shows it was asked for the path as it was named.
    fn real_write(&self, real: &str) -> Result<(), Fault> {
        granted(&self.rules.grants.write, real, "write")
    }

    fn real_folder(&self, real: &str) -> Result<(), Fault> {
        match self.rules.admit_folder(real) {
            Ok(_) => Ok(()),
            Err(denied) => Err(leads_out(denied)),
        }
    }
}

fn granted(patterns: &[String], real: &str, key: &'static str) -> Result<(), Fault> {
    if patterns.iter().any(|pattern| matches(pattern, real)) {
        return Ok(());
    }
    let what = format!("`{real}`");
    Err(leads_out(Denied::NotGranted { what, key, entry: real.to_owned() }))
}

fn leads_out(denied: Denied) -> Fault {
    Fault::denied(format!("a symbolic link leads out of what is granted: {denied}"))
}
