//! How much is written to volumes, by the kernel's own count. It must not know snapshots.

use cutwater_lvm2::Group;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Bytes written to each active volume of a group, by its name, since its device appeared.
fn written(group: &Group) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir("/sys/class/block").into_iter().flatten().flatten() {
        let text = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let uuid = text("dm/uuid");
        let Some(volume) = uuid.trim().strip_prefix("LVM-").and_then(|both| both.strip_prefix(&group.uuid))
        else {
            continue;
        };
        // The seventh figure is sectors written.
        let sectors = text("stat").split_whitespace().nth(6).and_then(|word| word.parse::<u64>().ok());
        let name = group.volumes.iter().find(|(_, known)| known.uuid == volume).map(|(name, _)| name.clone());
        if let (Some(name), Some(sectors)) = (name, sectors) {
            all.insert(name, sectors * 512);
        }
    }
    all
}

/// Bytes a second written to each active volume of each group, measured for so long.
pub fn measure(groups: &[&Group], time: Duration) -> Vec<BTreeMap<String, u64>> {
    let before: Vec<_> = groups.iter().map(|group| written(group)).collect();
    let began = Instant::now();
    std::thread::sleep(time);
    let seconds = began.elapsed().as_secs_f64();
    let rate = |bytes: u64| (bytes as f64 / seconds).ceil() as u64;
    let after = groups.iter().map(|group| written(group));
    let rates = before.into_iter().zip(after).map(|(before, after)| {
        let since = |(name, bytes): (String, u64)| {
            let base = *before.get(&name)?;
            Some((name, rate(bytes.saturating_sub(base))))
        };
        after.into_iter().filter_map(since).collect()
    });
    rates.collect()
}
