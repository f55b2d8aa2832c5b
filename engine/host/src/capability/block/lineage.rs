//! Whether a snapshot's exception store tells in what a device differs from that snapshot: the origin does, and so does another
//! snapshot of the same origin whose own list is part of this one. It must not know what is copied by the list.
//!
//! Let S be the snapshot whose store is read and L the other. If L is the later one, they differ only where the origin was
//! written in between, which S lists. If it is the earlier one they differ only in what L lists, and by the rule above S lists
//! that, too. Whatever was written through L itself is in its list, and in S's only by chance: then L is refused. So the rule needs
//! no clock, and holds whichever came first.

use super::device::{Access, Device, Number};
use super::error::BlockError;
use super::facts;
use super::store::Changed;
use super::verbs::list;
use std::path::Path;
use std::time::Duration;

/// A write to the origin is recorded in one store a moment before the other.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// What a device is to a store.
pub enum Kin {
    /// The origin, or an image file, which is taken at the caller's word.
    Origin,
    /// Another snapshot of the same origin, with its own store.
    Snapshot(Box<Device>),
}

/// Tells it by the devices that device mapper has put together: whoever holds the store also stands on the origin's
/// `-real` device.
pub fn of(store: &Device, device: &Device) -> Result<Kin, BlockError> {
    let (Some(_), Some(uuid)) = (facts::dm(store.number(), "uuid"), facts::dm(device.number(), "uuid"))
    else {
        return Ok(Kin::Origin);
    };
    let foreign =
        || BlockError::ForeignStore { store: store.path().to_owned(), from: device.path().to_owned() };
    let reals: Vec<Number> = facts::holders(store.number())
        .iter()
        .filter_map(|name| facts::number_of(name))
        .flat_map(real_of)
        .collect();
    let real = format!("{uuid}-real");
    if reals.iter().any(|&number| facts::dm(number, "uuid").as_deref() == Some(&real)) {
        return Ok(Kin::Origin);
    }
    let stands_on = facts::slaves(device.number());
    let slaves = || stands_on.iter().filter_map(|name| Some((name, facts::number_of(name)?)));
    let own =
        slaves().find(|(_, number)| is(*number, "-cow")).filter(|(_, number)| *number != store.number());
    match own {
        Some((name, _)) if slaves().any(|(_, number)| reals.contains(&number)) => {
            let own = Device::open(&Path::new("/dev").join(name), Access::Read)?;
            Ok(Kin::Snapshot(Box::new(own)))
        }
        _ => Err(foreign()),
    }
}

/// What the store lists, where that is all in which the device may differ from the store's snapshot.
pub fn told(store: &Device, device: &Device, kin: &Kin) -> Result<Changed, BlockError> {
    let Kin::Snapshot(own) = kin else { return list(store, Some(device.bytes())) };
    let mut looks = 0;
    loop {
        let theirs = list(own, Some(device.bytes()))?;
        let ours = list(store, Some(device.bytes()))?;
        let Some(why) = outside(&theirs, &ours) else { return Ok(ours) };
        looks += 1;
        if looks == LOOKS {
            let (from, store) = (device.path().to_owned(), store.path().to_owned());
            return Err(BlockError::NotLater { from, store, why });
        }
        std::thread::sleep(PAUSE);
    }
}

/// Why `part` is not all in `whole`.
fn outside(part: &Changed, whole: &Changed) -> Option<String> {
    if part.chunk != whole.chunk {
        return Some(format!("its chunks have {} bytes, and those of the other {}", part.chunk, whole.chunk));
    }
    let missing = part.chunks.iter().find(|chunk| whole.chunks.binary_search(chunk).is_err())?;
    Some(format!("it was written itself, or is the older one: chunk {missing} differs"))
}

fn real_of(holder: Number) -> Vec<Number> {
    let slaves = facts::slaves(holder);
    slaves.iter().filter_map(|name| facts::number_of(name)).filter(|&number| is(number, "-real")).collect()
}

fn is(number: Number, ending: &str) -> bool {
    facts::dm(number, "uuid").is_some_and(|uuid| uuid.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(chunk: u64, chunks: &[u64]) -> Changed {
        Changed { chunk, chunks: chunks.to_vec() }
    }

    /// Sabotage: the rule left out (a snapshot that was mounted read-write passes for the origin at a moment).
    #[test]
    fn a_snapshot_counts_only_where_its_list_is_part_of_the_other_s() {
        let whole = listed(4096, &[1, 5, 9]);
        for part in [&[][..], &[1], &[5, 9], &[1, 5, 9]] {
            assert_eq!(outside(&listed(4096, part), &whole), None, "{part:?}");
        }
        assert!(outside(&listed(4096, &[1, 6]), &whole).unwrap().contains("chunk 6"));
        assert!(outside(&listed(8192, &[]), &whole).unwrap().contains("8192"));
    }
}
