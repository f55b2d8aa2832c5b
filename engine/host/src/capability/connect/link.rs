//! Offers `connect` to a guest: grants and plan are asked here. It must not know sockets.

use super::stream::{Place, Stream};
use crate::bindings::cutwater::plugin::connect;
use crate::bindings::types::Fault as Told;
use crate::fault::Fault;
use crate::limits;
use crate::state::CallState;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{HasSelf, Linker, Resource};

/// Longest address, in bytes.
const ADDRESS: usize = 4 << 10;

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    connect::add_to_linker::<_, HasSelf<_>>(linker, |state| state.called("connect"))
}

impl connect::Host for CallState {
    fn open(
        &mut self,
        address: String,
        protocol: String,
    ) -> wasmtime::Result<Result<Resource<Stream>, Told>> {
        match self.open_stream(&address, &protocol) {
            Ok(stream) => Ok(Ok(self.table.push(stream)?)),
            Err(fault) => Ok(Err(fault.into())),
        }
    }
}

impl connect::HostStream for CallState {
    fn id(&mut self, stream: Resource<Stream>) -> wasmtime::Result<u32> {
        Ok(self.table.get(&stream)?.id())
    }

    fn read(
        &mut self,
        stream: Resource<Stream>,
        max: u32,
        wait_ms: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Told>> {
        let stop = Arc::clone(&self.stop);
        let wait = Duration::from_millis(wait_ms.into());
        Ok(self.table.get_mut(&stream)?.read(max as usize, wait, &stop).map_err(Told::from))
    }

    fn write(&mut self, stream: Resource<Stream>, bytes: Vec<u8>) -> wasmtime::Result<Result<(), Told>> {
        let Self { table, rules, uses, stop, .. } = self;
        let stream = table.get_mut(&stream)?;
        let (address, id) = (stream.address().clone(), stream.id());
        let mut admit = |text: &str| match rules.admit_sql(&address, text) {
            Ok(admitted) => {
                let changes = admitted == crate::admission::Admitted::Changes;
                uses.tell(json!({ "capability": "sql", "stream": id, "text": text, "changes": changes }));
                Ok(())
            }
            Err(denied) => {
                let why = denied.to_string();
                uses.tell(
                    json!({ "capability": "sql", "stream": id, "text": text, "denied": true, "why": why }),
                );
                Err(Fault::denied(why))
            }
        };
        Ok(stream.write(&bytes, &mut admit, stop).map_err(Told::from))
    }

    fn start_tls(
        &mut self,
        stream: Resource<Stream>,
        server_name: String,
    ) -> wasmtime::Result<Result<Vec<u8>, Told>> {
        let stop = Arc::clone(&self.stop);
        Ok(self.table.get_mut(&stream)?.start_tls(&server_name, &stop).map_err(Told::from))
    }

    fn drop(&mut self, stream: Resource<Stream>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

impl CallState {
    fn open_stream(&mut self, address: &str, protocol: &str) -> Result<Stream, Fault> {
        let address = limits::json("the address", address, ADDRESS).map_err(Fault::invalid)?;
        if !matches!(protocol, "postgres" | "opaque") {
            return Err(Fault::invalid(format!("the protocol `{}` is not known", protocol.escape_default())));
        }
        let grant = match self.rules.admit_connect(&address, protocol) {
            Ok(grant) => grant,
            Err(denied) => {
                let what = json!({ "address": address, "protocol": protocol });
                return Err(self.denied("connect", denied, what));
            }
        };
        let place = Place { streams: &self.ground.streams, uses: &self.uses, stop: &self.stop };
        Stream::open(&address, grant, protocol == "postgres", &place)
    }
}
