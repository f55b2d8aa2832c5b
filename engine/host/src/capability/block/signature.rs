//! Recognises what a device holds by the magic numbers at fixed places, so that nothing is overwritten unasked.
//! It must not know what is done about it. The places are those of the on-disk formats' own headers:
//! xfs `sb_magicnum` at 0; ext2/3/4 `s_magic` at 1024+56; btrfs at 64 KiB+64; LVM2 `LABELONE` in one of the first four
//! sectors; swap at the end of the first page (4 to 64 KiB); LUKS at 0; md 1.1 at 0, 1.2 at 4 KiB, 1.0 8 KiB before the
//! end, 0.90 64 KiB before it; GPT in sector 1 (512 or 4096 bytes) and the last one; MBR at 510; the others beside them.

use super::device::Device;
use super::error::BlockError;

/// Everything recognised lies within this many bytes of either end.
pub const EDGE: u64 = 1 << 20;

/// One thing that was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// What it is, by the name that `blkid` uses where it has one.
    pub kind: &'static str,
    /// Where its magic number lies.
    pub at: u64,
    /// The UUID of what lies there, where its place is known.
    pub uuid: Option<String>,
}

struct Magic {
    kind: &'static str,
    at: usize,
    bytes: &'static [u8],
    uuid: Option<usize>,
}

const fn magic(kind: &'static str, at: usize, bytes: &'static [u8], uuid: Option<usize>) -> Magic {
    Magic { kind, at, bytes, uuid }
}

/// Places counted from the beginning.
const HEAD: &[Magic] = &[
    magic("xfs", 0, b"XFSB", Some(32)),
    magic("ext", 1024 + 56, &[0x53, 0xef], Some(1024 + 104)),
    magic("btrfs", 65536 + 64, b"_BHRfS_M", Some(65536 + 32)),
    magic("LVM2_member", 0, b"LABELONE", None),
    magic("LVM2_member", 512, b"LABELONE", None),
    magic("LVM2_member", 1024, b"LABELONE", None),
    magic("LVM2_member", 1536, b"LABELONE", None),
    magic("crypto_LUKS", 0, b"LUKS\xba\xbe", None),
    magic("crypto_LUKS", 16384, b"SKUL\xba\xbe", None),
    magic("BitLocker", 3, b"-FVE-FS-", None),
    magic("linux_raid_member", 0, &[0xfc, 0x4e, 0x2b, 0xa9], None),
    magic("linux_raid_member", 4096, &[0xfc, 0x4e, 0x2b, 0xa9], None),
    magic("bcache", 4096 + 24, &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca], None),
    magic("DM_snapshot_cow", 0, b"SnAp", None),
    magic("gpt", 512, b"EFI PART", None),
    magic("gpt", 4096, b"EFI PART", None),
    magic("dos", 510, &[0x55, 0xaa], None),
    magic("swap", 4096 - 10, b"SWAPSPACE2", Some(1036)),
    magic("swap", 8192 - 10, b"SWAPSPACE2", Some(1036)),
    magic("swap", 16384 - 10, b"SWAPSPACE2", Some(1036)),
    magic("swap", 65536 - 10, b"SWAPSPACE2", Some(1036)),
    magic("swap", 4096 - 10, b"SWAP-SPACE", None),
    magic("f2fs", 1024, &[0x10, 0x20, 0xf5, 0xf2], None),
    magic("erofs", 1024, &[0xe2, 0xe1, 0xf5, 0xe0], None),
    magic("squashfs", 0, b"hsqs", None),
    magic("iso9660", 32768 + 1, b"CD001", None),
    magic("ntfs", 3, b"NTFS    ", None),
    magic("exfat", 3, b"EXFAT   ", None),
    magic("vfat", 54, b"FAT1", None),
    magic("vfat", 82, b"FAT32   ", None),
    magic("jfs", 32768, b"JFS1", None),
    magic("reiserfs", 65536 + 52, b"ReIsEr", None),
    magic("nilfs2", 1024 + 6, &[0x34, 0x34], None),
    magic("bcachefs", 4096 + 24, &[0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9], None),
    magic("gfs2", 65536, &[0x01, 0x16, 0x19, 0x70], None),
    magic("ocfs2", 2 * 4096, b"OCFSV2", None),
    magic("drbd", 4096 - 4, &[0x83, 0x74, 0x02, 0x6b], None),
    magic("oracleasm", 32, b"ORCLDISK", None),
    magic("vdo", 0, b"dmvdo001", None),
    magic("stratis", 512 + 4, b"!Stra0tis\x86\xff\x02^\x41rh", None),
];

const ZFS: u64 = 0x00ba_b10c;

/// What the device holds; empty: nothing that is known.
pub fn probe(device: &Device) -> Result<Vec<Signature>, BlockError> {
    let size = device.bytes();
    let head = device.read_range(0, EDGE as usize)?;
    let mut found = in_head(&head);
    let tail_at = size.saturating_sub(EDGE);
    let tail = device.read_range(tail_at, EDGE as usize)?;
    found.extend(in_tail(&tail, tail_at, size));
    Ok(found)
}

fn in_head(head: &[u8]) -> Vec<Signature> {
    let mut found: Vec<Signature> = HEAD
        .iter()
        .filter(|magic| head.get(magic.at..magic.at + magic.bytes.len()) == Some(magic.bytes))
        .map(|magic| Signature {
            kind: magic.kind,
            at: magic.at as u64,
            uuid: magic.uuid.and_then(|at| head.get(at..at + 16)).map(uuid_text),
        })
        .collect();
    if let Some(at) = zfs_uberblock(head) {
        found.push(Signature { kind: "zfs_member", at: at as u64, uuid: None });
    }
    found
}

/// A ZFS label keeps its uberblocks from 128 KiB on, each at a multiple of 1 KiB, in either byte order.
fn zfs_uberblock(head: &[u8]) -> Option<usize> {
    (128 << 10..256 << 10).step_by(1024).find(|&at| {
        head.get(at..at + 8)
            .is_some_and(|b| b == ZFS.to_le_bytes().as_slice() || b == ZFS.to_be_bytes().as_slice())
    })
}

fn in_tail(tail: &[u8], tail_at: u64, size: u64) -> Vec<Signature> {
    let places: [(&'static str, Option<u64>, &[u8]); 5] = [
        ("gpt", size.checked_sub(512), b"EFI PART"),
        ("gpt", size.checked_sub(4096), b"EFI PART"),
        ("linux_raid_member", (size / 4096 * 4096).checked_sub(8192), &[0xfc, 0x4e, 0x2b, 0xa9]),
        ("linux_raid_member", (size / 65536 * 65536).checked_sub(65536), &[0xfc, 0x4e, 0x2b, 0xa9]),
        ("drbd", (size / 4096 * 4096).checked_sub(4), &[0x83, 0x74, 0x02, 0x6b]),
    ];
    places
        .into_iter()
        .filter_map(|(kind, at, bytes)| {
            let at = at?;
            let from = usize::try_from(at.checked_sub(tail_at)?).ok()?;
            (tail.get(from..from + bytes.len()) == Some(bytes)).then_some(Signature { kind, at, uuid: None })
        })
        .collect()
}

fn uuid_text(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    match (hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..)) {
        (Some(a), Some(b), Some(c), Some(d), Some(e)) => format!("{a}-{b}-{c}-{d}-{e}"),
        _ => hex,
    }
}
