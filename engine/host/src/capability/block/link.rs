//! Offers `block` to a guest: grants and plan are asked here, then the verbs do the work. It must not know how bytes are
//! moved.

use super::device::Number;
use super::error::BlockError;
use super::request::{Compare, Copy, Erase, List, Resync, UNSHOWN};
use super::transfer::Watch;
use super::{facts, verbs};
use crate::admission::Denied;
use crate::bindings::cutwater::plugin::block;
use crate::bindings::types::Fault as Told;
use crate::fault::Fault;
use crate::state::CallState;
use cutwater_driver::ports::Report;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use wasmtime::component::{HasSelf, Linker};

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    block::add_to_linker::<_, HasSelf<_>>(linker, |state| state.called("block"))
}

impl block::Host for CallState {
    fn facts(&mut self, device: String) -> wasmtime::Result<Result<String, Told>> {
        Ok(self
            .reading("facts", &[&device], json!({ "device": device }))
            .and_then(|()| text(facts::facts(Path::new(&device)))))
    }

    fn read(&mut self, device: String, offset: u64, length: u32) -> wasmtime::Result<Result<Vec<u8>, Told>> {
        let asked = json!({ "device": device, "offset": offset, "length": length });
        let admitted = self.reading("read", &[&device], asked);
        Ok(admitted.and_then(|()| verbs::read(Path::new(&device), offset, length).map_err(told)))
    }

    fn copy(&mut self, request: String) -> wasmtime::Result<Result<String, Told>> {
        Ok(parse::<Copy>(&request).and_then(|(asked, request)| {
            let devices = Devices { reads: vec![&request.from], writes: vec![&request.to], store: None };
            // A copy of nothing only asks what stands against it.
            let changes = request.length != Some(0);
            self.changing("copy", &asked, &devices, changes, |watch| verbs::copy(&request, watch))
        }))
    }

    fn compare(&mut self, request: String) -> wasmtime::Result<Result<String, Told>> {
        Ok(parse::<Compare>(&request).and_then(|(asked, request)| {
            let (a, b) = (name(&request.a), name(&request.b));
            let snapshot = request.store.as_deref().map(|store| snapshot_of(store, self));
            let paths: Vec<&str> = [a.as_str(), b.as_str()].into_iter().chain(snapshot.as_deref()).collect();
            self.reading("compare", &paths, asked)?;
            self.watched("compare", json!({ "a": a, "b": b }), false, |watch| verbs::compare(&request, watch))
        }))
    }

    fn changed(&mut self, request: String) -> wasmtime::Result<Result<String, Told>> {
        Ok(parse::<List>(&request).and_then(|(asked, request)| {
            let snapshot = snapshot_of(&request.store, self);
            self.reading("changed", &[&snapshot], asked)?;
            text(verbs::changed(&request))
        }))
    }

    fn resync(&mut self, request: String) -> wasmtime::Result<Result<String, Told>> {
        Ok(parse::<Resync>(&request).and_then(|(asked, request)| {
            let devices = Devices {
                reads: vec![&request.from],
                writes: vec![&request.to],
                store: Some(&request.store),
            };
            self.changing("resync", &asked, &devices, true, |watch| verbs::resync(&request, watch))
        }))
    }

    fn erase(&mut self, request: String) -> wasmtime::Result<Result<String, Told>> {
        Ok(parse::<Erase>(&request).and_then(|(asked, request)| {
            let devices = Devices { reads: Vec::new(), writes: vec![&request.to], store: None };
            self.changing("erase", &asked, &devices, true, |_| verbs::erase(&request))
        }))
    }
}

struct Devices<'a> {
    reads: Vec<&'a Path>,
    writes: Vec<&'a Path>,
    store: Option<&'a Path>,
}

impl CallState {
    /// Whether all of these may be read.
    fn reading(&self, verb: &str, paths: &[&str], asked: Value) -> Result<(), Told> {
        match paths.iter().try_for_each(|path| self.rules.admit_read(path).map(drop)) {
            Ok(()) => Ok(()),
            Err(denied) => Err(self.denied_block(verb, denied, &asked).into()),
        }
    }

    fn denied_block(&self, verb: &str, denied: Denied, asked: &Value) -> Fault {
        self.denied("block", denied, json!({ "verb": verb, "request": asked }))
    }

    /// Asks grants and plan, and that no target carries what Cutwater itself stands on; then does it.
    fn changing<T: Serialize>(
        &self,
        verb: &str,
        asked: &Value,
        devices: &Devices<'_>,
        changes: bool,
        does: impl FnOnce(Watch<'_>) -> Result<T, BlockError>,
    ) -> Result<String, Told> {
        let shown = shown(asked);
        let mut reads: Vec<String> = devices.reads.iter().map(|path| name(path)).collect();
        reads.extend(devices.store.map(|store| snapshot_of(store, self)));
        let reads: Vec<&str> = reads.iter().map(String::as_str).collect();
        let writes: Vec<String> = devices.writes.iter().map(|path| name(path)).collect();
        let writes: Vec<&str> = writes.iter().map(String::as_str).collect();
        if let Err(denied) = self.rules.admit_block(verb, &shown, &reads, &writes) {
            return Err(self.denied_block(verb, denied, asked).into());
        }
        for path in &devices.writes {
            if let Some(what) = super::carried::by(path, &self.ground.carried).map_err(told)? {
                let why = format!("{} carries {}, which Cutwater stands on", path.display(), what.display());
                let denied = Denied::Unclear { what: format!("block.{verb}"), why };
                return Err(self.denied_block(verb, denied, asked).into());
            }
        }
        self.watched(verb, shown, changes && self.claims(), does)
    }

    /// Journals start and end around a bulk verb.
    fn watched<T: Serialize>(
        &self,
        verb: &str,
        asked: Value,
        loses_a_piece: bool,
        does: impl FnOnce(Watch<'_>) -> Result<T, BlockError>,
    ) -> Result<String, Told> {
        self.used(json!({ "capability": "block", "verb": verb, "phase": "start", "request": asked }));
        let (reports, id) = (Mutex::new(self.reports.clone()), self.id);
        let progress = |done, total| {
            if let Ok(reports) = reports.lock() {
                let _ = reports.send(Report::Progress { call: id, done, total, unit: "bytes".to_owned() });
            }
        };
        let stop = &self.stop;
        let done = does(Watch { stop: &|| stop.load(Ordering::Relaxed), progress: &progress, loses_a_piece });
        let mut end = json!({ "capability": "block", "verb": verb, "phase": "end" });
        match &done {
            Ok(result) => end["result"] = serde_json::to_value(result).unwrap_or_default(),
            Err(error) => end["error"] = json!({ "code": error.code(), "message": error.full() }),
        }
        self.used(end);
        text(done)
    }
}

/// What stands for an exception store in grants: the snapshot whose store it is, as `/dev/VG/LV`. Device-mapper ties
/// the two by their uuids: the store's is the snapshot's with `-cow` behind it. Anything else stands for itself.
fn snapshot_of(store: &Path, call: &CallState) -> String {
    let own = name(store);
    if call.rules.admit_read(&own).is_ok() {
        return own;
    }
    tied_snapshot(store).unwrap_or(own)
}

fn tied_snapshot(store: &Path) -> Option<String> {
    let number = Number::of(&std::fs::metadata(store).ok()?);
    let uuid = facts::dm(number, "uuid")?;
    let wanted = uuid.strip_suffix("-cow")?;
    let snapshot = facts::holders(number)
        .iter()
        .filter_map(|name| facts::number_of(name))
        .find(|&number| facts::dm(number, "uuid").as_deref() == Some(wanted))?;
    let (group, volume) = split_dm_name(&facts::dm(snapshot, "name")?)?;
    Some(format!("/dev/{group}/{volume}"))
}

/// LVM joins group and volume by one hyphen and doubles those inside either.
fn split_dm_name(name: &str) -> Option<(String, String)> {
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'-', Some(b'-')) => at += 2,
            (b'-', _) => {
                let part = |text: &str| text.replace("--", "-");
                return Some((part(&name[..at]), part(&name[at + 1..])));
            }
            _ => at += 1,
        }
    }
    None
}

/// A request without what a plan does not show.
fn shown(asked: &Value) -> Value {
    let mut shown = asked.clone();
    if let Some(shown) = shown.as_object_mut() {
        shown.retain(|key, _| !UNSHOWN.contains(&key.as_str()));
    }
    shown
}

fn parse<T: DeserializeOwned>(request: &str) -> Result<(Value, T), Told> {
    let wrong = |error: serde_json::Error| {
        Told::from(Fault::invalid(format!("the request is not understood: {error}")))
    };
    let asked: Value = serde_json::from_str(request).map_err(wrong)?;
    let request = T::deserialize(&asked).map_err(wrong)?;
    Ok((asked, request))
}

fn text<T: Serialize>(done: Result<T, BlockError>) -> Result<String, Told> {
    let json = serde_json::to_string(&done.map_err(told)?);
    json.map_err(|error| Fault::invalid(error.to_string()).into())
}

fn told(error: BlockError) -> Told {
    Told { code: error.code().to_owned(), message: error.full() }
}

fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_mapper_name_is_split_at_the_only_single_hyphen() {
        let split = |name| split_dm_name(name).map(|(group, volume)| format!("{group}/{volume}"));
        assert_eq!(split("vg00-dat"), Some("vg00/dat".to_owned()));
        assert_eq!(split("my--vg-dat--cutwater"), Some("my-vg/dat-cutwater".to_owned()));
        assert_eq!(split("vg00--dat"), None);
    }

    #[test]
    fn a_plan_does_not_show_what_changes_from_part_to_part() {
        let asked = json!({ "from": "/dev/a", "to": "/dev/b", "offset": 1, "base": {}, "resume": true });
        assert_eq!(shown(&asked), json!({ "from": "/dev/a", "to": "/dev/b" }));
    }
}
