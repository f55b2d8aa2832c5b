//! How large a snapshot's exception store must be. Pure arithmetic; it must not know LVM's programs.
//!
//! The layout is the kernel's (drivers/md/dm-snap-persistent.c): a header chunk, then again and again one chunk of
//! metadata and the data chunks that its 16-byte records describe. The upper bound is LVM's own
//! (lib/metadata/snapshot_manip.c, `_cow_max_size`).

/// The chunk size that is used where none is asked for.
pub const CHUNK: u64 = 16 << 10;
/// What a changed page is taken to be: the smallest write that a file system makes.
const WRITE: u64 = 4096;

/// Bytes of a store that keeps `changed` chunks.
pub fn store(chunk: u64, changed: u64) -> u64 {
    let records = chunk / 16;
    chunk.saturating_mul(changed.saturating_add(2).saturating_add(changed / records))
}

/// Bytes beyond which a store of an origin this large cannot grow.
pub fn most(chunk: u64, origin: u64) -> u64 {
    let (chunks, records) = (origin.div_ceil(chunk), chunk / 16);
    chunk.saturating_mul(1 + chunks + (chunks + records) / records)
}

/// How many chunks so many bytes of scattered small writes touch at least once.
pub fn touched(chunk: u64, origin: u64, written: u64) -> u64 {
    let chunks = origin.div_ceil(chunk);
    let (n, w) = (chunks as f64, (written / WRITE) as f64);
    // n(1 - (1 - 1/n)^w), in the form that keeps its digits for large n.
    let touched = n * -f64::exp_m1(w * f64::ln_1p(-1.0 / n.max(2.0)));
    (touched.ceil() as u64).min(chunks)
}

/// What a store is sized by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Bytes in a chunk.
    pub chunk: u64,
    /// Bytes written each second, where that is known.
    pub rate: Option<u64>,
    /// For how long the snapshot must last.
    pub seconds: f64,
    /// What the model's figure is multiplied by.
    pub margin: f64,
}

/// Bytes of the store for an origin this large, in whole extents, never more than a store can use: by the model where the
/// rate is known, else room for 15 % of the origin.
pub fn cow(load: Load, origin: u64, extent: u64) -> u64 {
    let Load { chunk, rate, seconds, margin } = load;
    let bytes = match rate {
        Some(rate) => {
            let written = (rate as f64 * seconds).min(u64::MAX as f64) as u64;
            (store(chunk, touched(chunk, origin, written)) as f64 * margin).min(u64::MAX as f64) as u64
        }
        None => store(chunk, (origin / 100 * 15).div_ceil(chunk)),
    };
    let bytes = bytes.max(3 * chunk).min(most(chunk, origin));
    bytes.div_ceil(extent).saturating_mul(extent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_store_is_as_large_as_the_kernel_makes_it() {
        assert_eq!(store(4096, 500) / 512, 4024);
        assert_eq!(store(65536, 399) / 512, 51328);
    }

    #[test]
    fn the_bound_is_the_one_lvm_computes() {
        assert_eq!(most(4096, 64 * MIB) / 4096, 16450);
        assert_eq!(most(4096, 64 * MIB).div_ceil(4 * MIB) * 4, 68);
    }

    #[test]
    fn the_model_meets_what_was_measured_within_a_twentieth() {
        // 500 random writes of 4 KiB on 64 MiB: chunk size, chunks that really changed.
        for (chunk, measured) in [(4, 500_u64), (16, 477), (64, 399), (256, 228), (512, 128)] {
            let model = touched(chunk << 10, 64 * MIB, 500 * 4096);
            assert!(model.abs_diff(measured) * 20 <= measured, "{chunk} KiB: {model}, not {measured}");
        }
    }

    #[test]
    fn a_store_never_exceeds_its_bound_and_is_whole_extents() {
        let load = |rate, seconds| Load { chunk: CHUNK, rate, seconds, margin: 1.3 };
        let (origin, extent) = (1 << 30, 4 * MIB);
        let bound = most(CHUNK, origin).div_ceil(extent) * extent;
        assert_eq!(cow(load(Some(u64::MAX), 1e12), origin, extent), bound);
        let quiet = cow(load(Some(0), 60.0), origin, extent);
        assert_eq!(quiet, extent);
        let by_rule = cow(load(None, 60.0), origin, extent);
        assert!(by_rule.is_multiple_of(extent) && by_rule > origin * 15 / 100 && by_rule < origin * 16 / 100);
        let busy = cow(load(Some(MIB / 10), 600.0), origin, extent);
        assert!(busy > 4 * 60 * MIB && busy < bound, "{busy}: scattered pages of 4 KiB take a chunk each");
    }
}
