//! The host over the imports of `sdk/wit`. It must not know what a step wants with it.

use super::steps::cutwater::plugin as wit;
use crate::answer::Fault;
use crate::host::*;
use serde::Serialize;
use serde_json::Value;

/// The host that the component's imports lead to.
#[derive(Clone, Copy)]
pub struct Imports;

fn fault(fault: wit::types::Fault) -> Fault {
    Fault { code: fault.code, message: fault.message }
}

fn text(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::new("invalid", error.to_string()))
}

/// Reads JSON that the host made.
fn parse<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, Fault> {
    serde_json::from_str(json)
        .map_err(|error| Fault::new("invalid", format!("the host's answer is not understood: {error}")))
}

fn found<T: serde::de::DeserializeOwned>(result: Result<String, wit::types::Fault>) -> Result<T, Fault> {
    parse(&result.map_err(fault)?)
}

impl Host for Imports {
    fn log(&self, level: Level, text: &str) {
        let level = match level {
            Level::Debug => wit::log::Level::Debug,
            Level::Info => wit::log::Level::Info,
            Level::Warn => wit::log::Level::Warn,
            Level::Error => wit::log::Level::Error,
        };
        wit::log::log(level, text);
    }
    fn progress(&self, done: u64, total: u64, unit: &str) {
        wit::progress::report(done, total, unit);
    }
    fn gauge(&self, name: &str, value: Option<f64>) {
        wit::gauge::show(name, value);
    }
    fn save(&self, state: &Value) -> Result<(), Fault> {
        wit::checkpoint::save(&state.to_string()).map_err(fault)
    }
    fn start(&self, command: &Command) -> Result<Box<dyn Child>, Fault> {
        let command = wit::run::Command {
            program: command.program.clone(),
            args: command.args.clone(),
            user: command.user.clone(),
            stdin: command.stdin.clone(),
        };
        Ok(Box::new(wit::run::start(&command).map_err(fault)?))
    }
    fn connect(&self, address: &Value, protocol: &str) -> Result<Box<dyn Stream>, Fault> {
        Ok(Box::new(wit::connect::open(&address.to_string(), protocol).map_err(fault)?))
    }
    fn read(&self, path: &str) -> Result<Vec<u8>, Fault> {
        wit::file::read(path).map_err(fault)
    }
    fn replace(&self, path: &str, content: &[u8]) -> Result<(), Fault> {
        wit::file::replace(path, content).map_err(fault)
    }
    fn remove(&self, path: &str) -> Result<(), Fault> {
        wit::file::remove(path).map_err(fault)
    }
    fn stat(&self, path: &str) -> Result<Stat, Fault> {
        found(wit::file::stat(path))
    }
    fn make_folder(&self, path: &str) -> Result<(), Fault> {
        wit::file::make_folder(path).map_err(fault)
    }
    fn facts(&self, device: &str) -> Result<BlockFacts, Fault> {
        found(wit::block::facts(device))
    }
    fn read_block(&self, device: &str, offset: u64, length: u32) -> Result<Vec<u8>, Fault> {
        wit::block::read(device, offset, length).map_err(fault)
    }
    fn copy(&self, request: &CopyRequest) -> Result<Copied, Fault> {
        found(wit::block::copy(&text(request)?))
    }
    fn compare(&self, request: &CompareRequest) -> Result<Compared, Fault> {
        found(wit::block::compare(&text(request)?))
    }
    fn changed(&self, store: &str, chunk_limit: Option<u64>) -> Result<Changed, Fault> {
        let mut request = serde_json::json!({ "store": store });
        if let Some(limit) = chunk_limit {
            request["chunk-limit"] = limit.into();
        }
        found(wit::block::changed(&request.to_string()))
    }
    fn resync(&self, request: &ResyncRequest) -> Result<Resynced, Fault> {
        found(wit::block::resync(&text(request)?))
    }
    fn erase(&self, to: &str) -> Result<(), Fault> {
        wit::block::erase(&serde_json::json!({ "to": to }).to_string()).map(drop).map_err(fault)
    }
    fn freeze(&self, at: &str) -> Result<(), Fault> {
        wit::freeze::freeze(at).map_err(fault)
    }
    fn thaw(&self, at: &str) -> Result<(), Fault> {
        wit::freeze::thaw(at).map_err(fault)
    }
    fn now(&self) -> u64 {
        wit::clock::now()
    }
    fn monotonic(&self) -> u64 {
        wit::clock::monotonic()
    }
    fn sleep(&self, ms: u64) -> Result<(), Fault> {
        wit::clock::sleep(ms).map_err(fault)
    }
    fn random(&self, count: u32) -> Vec<u8> {
        wit::random::bytes(count)
    }
    fn secret(&self, name: &str) -> Result<String, Fault> {
        wit::secret::get(name).map_err(fault)
    }
    fn declared(&self, kind: &str, name: &str) -> Result<Option<Value>, Fault> {
        match wit::machine::declared(kind, name).map_err(fault)? {
            Some(json) => Ok(Some(parse(&json)?)),
            None => Ok(None),
        }
    }
    fn mounts(&self) -> Result<Vec<Mount>, Fault> {
        found(wit::machine::mounts())
    }
    fn boot_id(&self) -> Result<String, Fault> {
        wit::machine::boot_id().map_err(fault)
    }
}

impl Child for wit::run::Child {
    fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        let chunk = wit::run::Child::next(self).map_err(fault)?;
        Ok(chunk.map(|chunk| Chunk { error_stream: chunk.error_stream, bytes: chunk.bytes }))
    }
    fn wait(&mut self) -> Result<Ended, Fault> {
        let ended = wit::run::Child::wait(self).map_err(fault)?;
        Ok(Ended { status: ended.status, signal: ended.signal })
    }
}

impl Stream for wit::connect::Stream {
    fn id(&self) -> u32 {
        wit::connect::Stream::id(self)
    }
    fn read(&mut self, max: u32, wait_ms: u32) -> Result<Vec<u8>, Fault> {
        wit::connect::Stream::read(self, max, wait_ms).map_err(fault)
    }
    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        wit::connect::Stream::write(self, bytes).map_err(fault)
    }
    fn start_tls(&mut self, server_name: &str) -> Result<Vec<u8>, Fault> {
        wit::connect::Stream::start_tls(self, server_name).map_err(fault)
    }
}
