//! What lies in a tree, as restic lists a backup and as `find` lists a folder, in the same words. It must not know which is
//! right.

use cutwater_sdk::{Deserialize, serde_json};
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// One thing in a tree, without its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// As `find` has it: `f`, `d`, `l`, `p`, `b`, `c`, `s`.
    pub kind: char,
    /// Permissions, with the bits above them; none for a link, which has no use for them.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Of a file.
    pub bytes: Option<u64>,
    /// When it was changed: seconds since 1970, and nanoseconds.
    pub changed: (i64, u32),
}

/// A path below the tree's root (the root's own is empty), and what is there. A byte that is no UTF-8 is U+FFFD.
pub type Named = (String, Entry);

/// Lets `find` write what [`found`] reads.
pub const FORMAT: &str = r"%y %m %U %G %s %T@ %P\0";

/// Reads one entry of `find`. None: it is not understood.
pub fn found(piece: &[u8]) -> Option<Named> {
    let mut parts = piece.splitn(7, |byte| *byte == b' ');
    let mut text = || std::str::from_utf8(parts.next()?).ok();
    let kind = text()?.chars().next()?;
    let mode = u32::from_str_radix(text()?, 8).ok()?;
    let (uid, gid) = (text()?.parse().ok()?, text()?.parse().ok()?);
    let bytes: u64 = text()?.parse().ok()?;
    let changed = seconds(text()?)?;
    let entry = Entry {
        kind,
        mode: (kind != 'l').then_some(mode),
        uid,
        gid,
        bytes: (kind == 'f').then_some(bytes),
        changed,
    };
    Some((plain(parts.next()?), entry))
}

#[derive(Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
struct Node {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    mode: u32,
    uid: u32,
    gid: u32,
    #[serde(default)]
    size: u64,
    mtime: String,
}

/// What a line of `restic ls --json` is.
#[derive(Debug, PartialEq, Eq)]
pub enum Listed {
    /// Part of the tree.
    Entry(Named),
    /// The backup itself, a folder above the tree, or restic's own words.
    Other,
    /// An entry that is not understood.
    Unclear,
}

/// Reads one line of `restic ls --json` of a backup of `root`.
pub fn listed(line: &[u8], root: &str) -> Listed {
    let Ok(value) = serde_json::from_slice::<cutwater_sdk::Value>(line) else { return Listed::Other };
    if value.get("struct_type").and_then(|kind| kind.as_str()) != Some("node") {
        return Listed::Other;
    }
    let Ok(node) = serde_json::from_value::<Node>(value) else { return Listed::Unclear };
    let Some(path) = node.path.strip_prefix(root) else { return Listed::Other };
    if !path.is_empty() && !path.starts_with('/') {
        return Listed::Other;
    }
    let kind = match node.kind.as_str() {
        "file" => 'f',
        "dir" => 'd',
        "symlink" => 'l',
        "fifo" => 'p',
        "dev" => 'b',
        "chardev" => 'c',
        "socket" => 's',
        _ => return Listed::Unclear,
    };
    let Some(changed) = instant(&node.mtime) else { return Listed::Unclear };
    let entry = Entry {
        kind,
        mode: (kind != 'l').then(|| bits(node.mode)),
        uid: node.uid,
        gid: node.gid,
        bytes: (kind == 'f').then_some(node.size),
        changed,
    };
    Listed::Entry((path.trim_start_matches('/').to_owned(), entry))
}

/// A hash of a name or an entry, the same in each listing.
pub fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// The mode of Go's `os.FileMode`, which keeps the three upper bits elsewhere, as the kernel has it.
fn bits(mode: u32) -> u32 {
    let upper = [(23, 0o4000), (22, 0o2000), (20, 0o1000)];
    upper.iter().fold(mode & 0o777, |bits, (at, bit)| if mode >> at & 1 == 1 { bits | bit } else { bits })
}

/// Go puts one U+FFFD for each byte that is no UTF-8.
fn plain(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::new(), |mut text, chunk| {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        text
    })
}

/// `find` writes `%T@` as seconds with ten digits behind the point.
fn seconds(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.')?;
    let nanos: u32 = fraction.get(..9)?.parse().ok()?;
    let seconds: i64 = whole.parse().ok()?;
    match (whole.starts_with('-'), nanos) {
        (true, 1..) => Some((seconds - 1, 1_000_000_000 - nanos)),
        _ => Some((seconds, nanos)),
    }
}

/// RFC 3339, with whatever offset.
fn instant(text: &str) -> Option<(i64, u32)> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let rest = text.get(19..)?;
    let (fraction, zone) = rest.split_at(rest.find(['Z', '+', '-'])?);
    let digits = fraction.strip_prefix('.').unwrap_or_default();
    let nanos = format!("{digits:0<9}").parse().ok()?;
    let offset = match zone {
        "Z" => 0,
        zone => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if zone.starts_with('-') { -minutes * 60 } else { minutes * 60 }
        }
    };
    Some((days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset, nanos))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. The year is taken to begin with March, so that the day that is
/// not always there is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_listings_have_the_same_words_for_a_thing() {
        let line = br#"{"name":"f","type":"file","path":"/srv/x/a b/f","uid":3,"gid":4,"size":5,"mode":8389101,"mtime":"2026-11-27T15:58:11.81510075+01:00","struct_type":"node"}"#;
        let Listed::Entry(of_restic) = listed(line, "/srv/x") else { panic!("not read") };
        assert_eq!(found(b"f 4755 3 4 5 1795791491.8151007500 a b/f"), Some(of_restic.clone()));
        assert_eq!((of_restic.0.as_str(), of_restic.1.mode), ("a b/f", Some(0o4755)));
    }

    /// Go's JSON holds U+FFFD once for each byte that is no UTF-8.
    #[test]
    fn a_name_that_is_no_text_is_the_same_in_both() {
        let (path, _) = found(b"f 644 0 0 1 5.0000000000 a\xff\xe2\x82b").unwrap();
        assert_eq!(path, "a\u{fffd}\u{fffd}\u{fffd}b");
    }

    #[test]
    fn what_is_not_of_the_tree_is_no_entry() {
        let node = |path: &str| {
            format!(
                r#"{{"name":"x","type":"dir","path":"{path}","uid":0,"gid":0,"mode":493,"mtime":"2000-02-29T00:00:00Z","struct_type":"node"}}"#
            )
        };
        for path in ["/", "/srv", "/srv/xy"] {
            assert_eq!(listed(node(path).as_bytes(), "/srv/x"), Listed::Other, "{path}");
        }
        assert!(
            matches!(listed(node("/srv/x").as_bytes(), "/srv/x"), Listed::Entry((path, _)) if path.is_empty())
        );
        assert_eq!(listed(b"reading repository password from stdin", "/srv/x"), Listed::Other);
        assert_eq!(listed(br#"{"struct_type":"node","path":"/srv/x/y"}"#, "/srv/x"), Listed::Unclear);
    }

    #[test]
    fn times_are_the_same_instant_whoever_tells_them() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", (0, 0)),
            ("2000-02-29T23:59:59.5Z", (951_868_799, 500_000_000)),
            ("2026-11-27T20:28:11.81510075+05:30", (1_795_791_491, 815_100_750)),
            ("2026-11-27T11:28:11.81510075-03:30", (1_795_791_491, 815_100_750)),
            ("1969-12-31T23:59:58.25Z", (-2, 250_000_000)),
            ("2100-03-01T00:00:00Z", (4_107_542_400, 0)),
        ] {
            assert_eq!(instant(text), Some(expected), "{text}");
        }
        assert_eq!(seconds("1795791491.8151007500"), Some((1_795_791_491, 815_100_750)));
        assert_eq!(seconds("-1.7500000000"), Some((-2, 250_000_000)));
    }
}
