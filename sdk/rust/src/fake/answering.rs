//! How the fake host answers: from its own world, after writing the call down. It must not know steps.

use super::Host;
use crate::answer::Fault;
use crate::host::*;
use serde_json::Value;
use std::collections::VecDeque;

pub(super) fn missing(what: &str) -> Fault {
    Fault::new("missing", format!("there is no {what}"))
}

fn known(text: &crate::Maybe<String>) -> Result<String, Fault> {
    text.get().cloned().ok_or_else(|| Fault::new("invalid", "an unknown value was handed to the host"))
}

struct Running(VecDeque<Chunk>, i32);

impl Child for Running {
    fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        Ok(self.0.pop_front())
    }
    fn wait(&mut self) -> Result<Ended, Fault> {
        Ok(Ended { status: Some(self.1), signal: None })
    }
}

impl crate::host::Host for Host {
    fn log(&self, _level: Level, text: &str) {
        self.words.borrow_mut().push(text.to_owned());
    }
    fn progress(&self, _done: u64, _total: u64, _unit: &str) {}
    fn gauge(&self, name: &str, value: Option<f64>) {
        self.gauges.borrow_mut().push((name.to_owned(), value));
    }
    fn save(&self, state: &Value) -> Result<(), Fault> {
        self.asked("save".into())?;
        self.saved.borrow_mut().push(state.clone());
        Ok(())
    }
    fn start(&self, command: &Command) -> Result<Box<dyn Child>, Fault> {
        let line = command.to_string();
        self.asked(format!("{} {line}", if command.reads { "look" } else { "run" }))?;
        self.told_to_stop()?;
        let scripted = self
            .scripts
            .borrow_mut()
            .iter_mut()
            .find(|(begins, _)| line.starts_with(begins.as_str()))
            .and_then(
                |(_, outputs)| if outputs.len() > 1 { outputs.pop_front() } else { outputs.front().cloned() },
            );
        let output = match (scripted, self.programs.borrow().get(&command.program)) {
            (Some(output), _) => output,
            (None, Some(program)) => program(self, command),
            (None, None) => return Err(missing(&format!("program {}", command.program))),
        };
        let chunk = |error_stream, text: String| Chunk { error_stream, bytes: text.into_bytes() };
        let chunks = [chunk(false, output.stdout), chunk(true, output.stderr)];
        Ok(Box::new(Running(
            chunks.into_iter().filter(|chunk| !chunk.bytes.is_empty()).collect(),
            output.status,
        )))
    }
    fn connect(&self, address: &Value, protocol: &str) -> Result<Box<dyn Stream>, Fault> {
        self.asked(format!("connect {protocol} {address}"))?;
        match &*self.server.borrow() {
            Some(serve) => serve(address),
            None => Err(missing("server")),
        }
    }
    fn read(&self, path: &str) -> Result<Vec<u8>, Fault> {
        self.asked(format!("read {path}"))?;
        self.files.borrow().get(path).cloned().ok_or_else(|| missing(path))
    }
    fn replace(&self, path: &str, content: &[u8]) -> Result<(), Fault> {
        self.asked(format!("replace {path}"))?;
        self.files.borrow_mut().insert(path.to_owned(), content.to_vec());
        Ok(())
    }
    fn remove(&self, path: &str) -> Result<(), Fault> {
        self.asked(format!("remove {path}"))?;
        self.files.borrow_mut().remove(path);
        Ok(())
    }
    fn stat(&self, path: &str) -> Result<Stat, Fault> {
        self.asked(format!("stat {path}"))?;
        let stat = |kind, bytes| Stat { kind, bytes, uid: 0, gid: 0, mode: 0o755 };
        if let Some(content) = self.files.borrow().get(path) {
            return Ok(stat(FileKind::File, content.len() as u64));
        }
        if let Some(facts) = self.devices.borrow().get(path) {
            return Ok(stat(FileKind::Block, facts.bytes));
        }
        match self.folders.borrow().contains(path) {
            true => Ok(stat(FileKind::Folder, 0)),
            false => Err(missing(path)),
        }
    }
    fn make_folder(&self, path: &str) -> Result<(), Fault> {
        self.asked(format!("make-folder {path}"))?;
        self.folders.borrow_mut().insert(path.to_owned());
        Ok(())
    }
    fn facts(&self, device: &str) -> Result<BlockFacts, Fault> {
        self.asked(format!("facts {device}"))?;
        let facts = self.devices.borrow().get(device).cloned().ok_or_else(|| missing(device))?;
        Ok(BlockFacts { written: facts.written + self.load.get() * self.time.get() / 1000, ..facts })
    }
    fn read_block(&self, device: &str, offset: u64, length: u32) -> Result<Vec<u8>, Fault> {
        self.asked(format!("read {device} {offset} {length}"))?;
        let content = self.content(device)?;
        let range = offset as usize..offset as usize + length as usize;
        content
            .get(range)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| Fault::new("invalid", "past the end of the device"))
    }
    fn copy(&self, request: &CopyRequest) -> Result<Copied, Fault> {
        let (from, to) = (known(&request.from)?, known(&request.to)?);
        let part = request.offset.zip(request.length).map(|(at, length)| format!(" {at} {length}"));
        self.asked(format!("copy {from} {to}{}", part.unwrap_or_default()))?;
        let content = self.content(&from)?;
        let begin = request.offset.unwrap_or(0) as usize;
        let end = request.length.map_or(content.len(), |length| begin + length as usize);
        let part =
            content.get(begin..end).ok_or_else(|| Fault::new("invalid", "past the end of the source"))?;
        self.written(&to, begin..end, part)?;
        let bytes = part.len() as u64;
        Ok(Copied { bytes, read: bytes, milliseconds: 1, next: None, base: self.base(&to)? })
    }
    fn compare(&self, request: &CompareRequest) -> Result<Compared, Fault> {
        self.asked(format!("compare {} {}", request.a, request.b))?;
        let (a, b) = (self.content(&request.a)?, self.content(&request.b)?);
        let whole = vec![(0, a.len() as u64)];
        let mut compared = Compared { equal: true, bytes: 0, first_difference: None, stopped: false };
        for &(offset, length) in request.only.as_ref().unwrap_or(&whole) {
            compared.bytes += length;
            for at in offset as usize..(offset + length) as usize {
                if a.get(at) != b.get(at) && compared.equal {
                    compared.equal = false;
                    compared.first_difference = Some(at as u64);
                }
            }
        }
        Ok(compared)
    }
    fn changed(&self, store: &str, _chunk_limit: Option<u64>) -> Result<Changed, Fault> {
        self.asked(format!("changed {store}"))?;
        let listed = self.stores.borrow().get(store).cloned().ok_or_else(|| missing(store))?;
        let more = (self.load.get() * 512 * self.time.get() / 1000).checked_div(listed.chunk).unwrap_or(0);
        Ok(Changed { chunks: listed.chunks + more, bytes: listed.bytes + more * listed.chunk, ..listed })
    }
    fn resync(&self, request: &ResyncRequest) -> Result<Resynced, Fault> {
        let (store, from, to) = (known(&request.store)?, known(&request.from)?, known(&request.to)?);
        self.asked(format!("resync {store} {from} {to}"))?;
        self.first.set(request.first);
        let (base, now) = (request.base.get().cloned().unwrap_or_default(), self.base(&to)?);
        let allowed = base.written..=base.written + request.slack.unwrap_or(0);
        if (&base.to, &base.boot) != (&now.to, &now.boot) || !allowed.contains(&now.written) {
            return Err(Fault::new("base-moved", "the target was written since its base was recorded"));
        }
        let changed = self.stores.borrow().get(&store).cloned().ok_or_else(|| missing(&store))?;
        let content = self.content(&from)?;
        for &(offset, length) in &changed.ranges {
            let range = offset as usize..(offset + length) as usize;
            let bytes = content.get(range.clone()).ok_or_else(|| Fault::new("invalid", "past the end"))?;
            self.written(&to, range, bytes)?;
        }
        let Changed { chunk, chunks, bytes, .. } = changed;
        Ok(Resynced { chunk, chunks, bytes, milliseconds: 1, stopped: false, base: self.base(&to)? })
    }
    fn erase(&self, to: &str) -> Result<(), Fault> {
        self.asked(format!("erase {to}"))?;
        let length = self.content(to)?.len();
        let edge = length.min(1 << 20);
        self.written(to, 0..edge, &vec![0; edge])?;
        self.written(to, length - edge..length, &vec![0; edge])
    }
    fn freeze(&self, at: &str) -> Result<(), Fault> {
        self.asked(format!("freeze {at}"))?;
        match self.frozen.borrow_mut().insert(at.to_owned()) {
            true => Ok(()),
            false => Err(Fault::new("io", "device or resource busy")),
        }
    }
    fn thaw(&self, at: &str) -> Result<(), Fault> {
        self.asked(format!("thaw {at}"))?;
        self.frozen.borrow_mut().remove(at);
        Ok(())
    }
    fn now(&self) -> u64 {
        self.time.get()
    }
    fn monotonic(&self) -> u64 {
        self.time.get()
    }
    fn sleep(&self, ms: u64) -> Result<(), Fault> {
        self.time.set(self.time.get() + ms);
        self.told_to_stop()?;
        let planned = self.faults.borrow().iter().position(|(begins, _)| begins == "sleep");
        planned.map_or(Ok(()), |at| Err(self.faults.borrow_mut().remove(at).1))
    }
    fn random(&self, count: u32) -> Vec<u8> {
        (0..count).map(|at| at as u8).collect()
    }
    fn secret(&self, name: &str) -> Result<String, Fault> {
        self.asked(format!("secret {name}"))?;
        self.secrets.borrow().get(name).cloned().ok_or_else(|| missing("secret"))
    }
    fn declared(&self, kind: &str, name: &str) -> Result<Option<Value>, Fault> {
        self.asked(format!("declared {kind} {name}"))?;
        Ok(self.declared.borrow().get(&format!("{kind} {name}")).cloned())
    }
    fn mounts(&self) -> Result<Vec<Mount>, Fault> {
        self.asked("mounts".into())?;
        Ok(self.mounts.borrow().clone())
    }
    fn boot_id(&self) -> Result<String, Fault> {
        Ok(self.boot.borrow().clone())
    }
}
