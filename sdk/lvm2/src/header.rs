//! The header of a metadata area, and where the text that it names lies in the ring. It must not know what the text says.

use crate::{Area, Damage, HEADER_BYTES, crc, senseless, u32_at, u64_at};

const MAGIC: &[u8; 16] = b" LVM2 x[5A%r0N*>";
const IGNORED: u32 = 1;

/// One sector, written in one piece: a commit is a new header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The text that counts; none: no group yet, or a copy that LVM ignores.
    pub committed: Option<Stamp>,
    /// A text that is being written, or whose writer died before it committed.
    pub in_transition: bool,
    area: Area,
}

/// What changes with every commit: two equal stamps of one area are the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// From the area's start.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
    /// Of the text.
    pub checksum: u32,
}

/// Where a text lies on the device: one stretch, or two where it passes the ring's end.
pub type Place = Vec<Area>;

impl Header {
    /// The header in the first [`HEADER_BYTES`] of the area.
    ///
    /// # Errors
    /// It is torn, or is of another area.
    pub fn read(sector: &[u8], area: Area) -> Result<Self, Damage> {
        let wrong = |why: &str| senseless("the header of the metadata", why);
        let sector = sector.get(..HEADER_BYTES).ok_or_else(|| wrong("it is cut off"))?;
        if u32_at(sector, 0) != Some(crc::of(&[&sector[4..]])) {
            return Err(Damage::Checksum { what: "the header of the metadata" });
        }
        if &sector[4..20] != MAGIC || u32_at(sector, 20) != Some(1) {
            return Err(wrong("it is not LVM2's, or of a version that is not known"));
        }
        if (u64_at(sector, 24), u64_at(sector, 32)) != (Some(area.offset), Some(area.bytes)) {
            return Err(wrong("it is of another area"));
        }
        let slot = |at: usize| {
            let stamp = Stamp {
                offset: u64_at(sector, at)?,
                bytes: u64_at(sector, at + 8)?,
                checksum: u32_at(sector, at + 16)?,
            };
            let ignored = u32_at(sector, at + 20)? & IGNORED != 0;
            (stamp.offset != 0 && !ignored).then_some(stamp)
        };
        let committed = slot(40);
        let room = area.bytes.saturating_sub(HEADER_BYTES as u64);
        let fits = |stamp: &Stamp| {
            stamp.offset >= HEADER_BYTES as u64 && stamp.offset < area.bytes && stamp.bytes <= room
        };
        if committed.is_some_and(|stamp| !fits(&stamp)) {
            return Err(wrong("its text lies outside of the area"));
        }
        Ok(Self { committed, in_transition: slot(64).is_some(), area })
    }

    /// Where the committed text lies.
    pub fn place(&self) -> Place {
        let Some(stamp) = self.committed else { return Vec::new() };
        let first = stamp.bytes.min(self.area.bytes - stamp.offset);
        let head = Area { offset: self.area.offset + stamp.offset, bytes: first };
        let rest = Area { offset: self.area.offset + HEADER_BYTES as u64, bytes: stamp.bytes - first };
        [head, rest].into_iter().filter(|part| part.bytes > 0).collect()
    }
}

impl Stamp {
    /// The text, given the bytes of its place.
    ///
    /// # Errors
    /// They are not the ones that were committed: they were overwritten since, or are torn.
    pub fn text<'a>(&self, bytes: &'a [u8]) -> Result<&'a str, Damage> {
        if bytes.len() as u64 != self.bytes || crc::of(&[bytes]) != self.checksum {
            return Err(Damage::Checksum { what: "the metadata's text" });
        }
        let text =
            std::str::from_utf8(bytes).map_err(|_| senseless("the metadata's text", "it is not UTF-8"))?;
        Ok(text.trim_end_matches('\0'))
    }
}
