//! The label of a physical volume, in one of the first four sectors. It must not know groups.

use crate::{Damage, crc, senseless, u32_at, u64_at};

const SECTOR: usize = 512;

/// A physical volume, as its label tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its uuid, 32 letters without hyphens.
    pub uuid: String,
    /// Size of the device in bytes, as LVM saw it.
    pub bytes: u64,
    /// Where its metadata lies; none for a volume that carries no copy of it.
    pub metadata: Vec<Area>,
}

/// A stretch of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Label {
    /// The label in the first [`crate::LABEL_BYTES`] of a device; none: it is no physical volume.
    ///
    /// # Errors
    /// There is one, and it is damaged.
    pub fn find(first: &[u8]) -> Result<Option<Self>, Damage> {
        for (number, sector) in first.chunks_exact(SECTOR).take(4).enumerate() {
            if sector.starts_with(b"LABELONE") && &sector[24..32] == b"LVM2 001" {
                return Self::read(sector, number as u64).map(Some);
            }
        }
        Ok(None)
    }

    fn read(sector: &[u8], number: u64) -> Result<Self, Damage> {
        let cut = || senseless("the label", "it is cut off");
        if u32_at(sector, 16) != Some(crc::of(&[&sector[20..]])) {
            return Err(Damage::Checksum { what: "the label" });
        }
        if u64_at(sector, 8) != Some(number) {
            return Err(senseless("the label", "it was written for another sector"));
        }
        let at = u32_at(sector, 20).ok_or_else(cut)? as usize;
        let uuid = sector.get(at..at + 32).ok_or_else(cut)?;
        let bytes = u64_at(sector, at + 32).ok_or_else(cut)?;
        // Two lists, each ended by a zero: data, metadata.
        let mut at = at + 40;
        let mut lists = [Vec::new(), Vec::new()];
        for list in &mut lists {
            loop {
                let area = Area {
                    offset: u64_at(sector, at).ok_or_else(cut)?,
                    bytes: u64_at(sector, at + 8).ok_or_else(cut)?,
                };
                at += 16;
                if area.offset == 0 {
                    break;
                }
                list.push(area);
            }
        }
        let [_, metadata] = lists;
        Ok(Self { uuid: String::from_utf8_lossy(uuid).into_owned(), bytes, metadata })
    }
}
