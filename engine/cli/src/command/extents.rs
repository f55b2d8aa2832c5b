//! Whether the volume groups of this machine have room for snapshots: read from the physical volumes themselves, so it needs
//! neither LVM's tools nor a plan. It must not change anything.

mod find;
mod load;

use crate::args::{Extents, Global};
use crate::exit::{Failure, Kind};
use crate::screen;
use cutwater_core::fault::escaped;
use cutwater_core::figures;
use cutwater_lvm2::Group;
use cutwater_lvm2::sizing::{self, Load};
use cutwater_lvm2::survey::Found;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// A group and the room that it has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Room {
    vg: String,
    uuid: String,
    seqno: u64,
    /// Bytes in an extent.
    extent: u64,
    extents: u64,
    free: u64,
    needed: u64,
    /// Extents that are missing.
    deficit: u64,
    doubts: Vec<String>,
    physical: Vec<Physical>,
    volumes: Vec<Need>,
}

#[derive(Debug, Serialize)]
struct Physical {
    uuid: String,
    device: Option<String>,
    extents: u64,
    free: u64,
}

/// A volume and the store that its snapshot would need.
#[derive(Debug, Serialize)]
struct Need {
    name: String,
    bytes: u64,
    /// Bytes written a second, where that is known.
    rate: Option<u64>,
    /// Bytes of the store, in whole extents.
    store: u64,
}

/// Looks at everything; fails where there is too little room, or where a group cannot be believed.
pub fn run(global: &Global, args: &Extents) -> Result<(), Failure> {
    let devices = match args.devices.as_slice() {
        [] => find::devices().map_err(|error| Failure::new(Kind::Undone, error))?,
        named => named.to_vec(),
    };
    let mut all = find::find(&devices);
    let asked = |found: &Found| args.groups.is_empty() || args.groups.contains(&found.group.name);
    all.groups.retain(asked);
    if let Some(name) =
        args.groups.iter().find(|name| all.groups.iter().all(|found| found.group.name != **name))
    {
        let text = format!("there is no volume group `{}` on {} devices", escaped(name), devices.len());
        return Err(Failure::words(Kind::Undone, text + &troubles(&all.troubles)));
    }
    let groups: Vec<&Group> = all.groups.iter().map(|found| &found.group).collect();
    if let Some(ms) = args.measure.filter(|_| !global.json && !args.host_report) {
        screen::complain(&format!("measuring what is written, for {}\n", figures::span(ms)));
    }
    let measured = args.measure.map(|ms| load::measure(&groups, Duration::from_millis(ms)));
    let none = BTreeMap::new();
    let rooms: Vec<Room> = all
        .groups
        .iter()
        .enumerate()
        .map(|(n, found)| room(found, args, measured.as_ref().map_or(&none, |rates| &rates[n])))
        .collect();
    match (args.host_report, global.json) {
        (true, _) => {
            screen::print_json(&json!({ "host": host(), "groups": rooms, "troubles": all.troubles }))
        }
        (false, true) => screen::print_json(&json!({ "groups": rooms, "troubles": all.troubles })),
        (false, false) => print(&rooms, args, &all.troubles),
    }
    // On a disk that cannot be read there may be anything.
    let unsure = !all.troubles.is_empty();
    let short = unsure || rooms.iter().any(|room| room.deficit > 0 || !room.doubts.is_empty());
    if short { Err(Failure::said(Kind::Undone)) } else { Ok(()) }
}

fn room(found: &Found, args: &Extents, measured: &BTreeMap<String, u64>) -> Room {
    let group = &found.group;
    let volumes: Vec<Need> = group
        .volumes
        .iter()
        .filter(|(name, _)| group.takes_snapshots(name))
        .map(|(name, volume)| {
            let bytes = volume.extents().saturating_mul(group.extent);
            let rate = args.rate.or_else(|| measured.get(name).copied());
            let seconds = args.lasting as f64 / 1000.0;
            let load = Load { chunk: args.chunk, rate, seconds, margin: args.margin };
            Need { name: name.clone(), bytes, rate, store: sizing::cow(load, bytes, group.extent.max(1)) }
        })
        .collect();
    let needed = volumes.iter().map(|need| need.store / group.extent.max(1)).sum();
    let physical = group.physical.iter().map(|(uuid, physical)| Physical {
        uuid: uuid.clone(),
        device: found.devices.get(uuid).cloned(),
        extents: physical.extents,
        free: physical.free,
    });
    Room {
        vg: group.name.clone(),
        uuid: group.uuid.clone(),
        seqno: group.seqno,
        extent: group.extent,
        extents: group.physical.values().map(|physical| physical.extents).sum(),
        free: group.free(),
        needed,
        deficit: needed.saturating_sub(group.free()),
        doubts: found.doubts.iter().map(ToString::to_string).collect(),
        physical: physical.collect(),
        volumes,
    }
}

fn print(rooms: &[Room], args: &Extents, unread: &[String]) {
    let lasting = figures::span(args.lasting);
    if rooms.is_empty() {
        screen::print("there is no volume group on these devices\n");
    }
    for room in rooms {
        let (vg, extent) = (escaped(&room.vg), figures::bytes(room.extent));
        screen::print(&format!("{vg}: {} of {} extents of {extent} are free\n", room.free, room.extents));
        for need in &room.volumes {
            let by = match need.rate {
                Some(rate) => format!("{}/s for {lasting}", figures::bytes(rate)),
                None => "15 % of it: how much is written is not known".to_owned(),
            };
            let (size, store) = (figures::bytes(need.bytes), figures::bytes(need.store));
            let extents = need.store / room.extent.max(1);
            screen::print(&format!(
                "  {:<16} {size:>10}  a snapshot needs {store:>10}, {extents} extents ({by})\n",
                escaped(&need.name)
            ));
        }
        for doubt in &room.doubts {
            screen::print(&format!("  in doubt: {}\n", escaped(doubt)));
        }
        let missing = figures::bytes(room.deficit.saturating_mul(room.extent));
        screen::print(&match (room.deficit, room.volumes.is_empty()) {
            (0, true) => "  it has no volume of which a classic snapshot can be taken\n".to_owned(),
            (0, false) => format!("  room for a snapshot of each: {} extents are needed\n", room.needed),
            (deficit, _) => format!(
                "  TOO LITTLE: {} extents are needed, {deficit} ({missing}) are missing\n  -> vgextend {vg} DEVICE, with \
                 {missing} or more on it\n",
                room.needed
            ),
        });
    }
    if !unread.is_empty() {
        screen::complain(troubles(unread).trim_start());
    }
}

fn troubles(all: &[String]) -> String {
    all.iter().map(|trouble| format!("\nnot read: {}", escaped(trouble))).collect::<String>() + "\n"
}

/// What tells this host from others.
fn host() -> serde_json::Value {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    json!({ "name": text(uname.nodename()), "kernel": text(uname.release()), "machine": text(uname.machine()) })
}
