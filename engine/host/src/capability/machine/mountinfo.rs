//! Reads /proc/self/mountinfo (proc(5)): `36 35 98:0 /root /at rw,noatime shared:1 - type device options`. It must not know
//! who asks.

use serde::Serialize;

/// One mount, in the order in which they were made: the last one at a place is the one seen there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// The mount point.
    pub at: String,
    /// What was named as its device.
    pub device: String,
    /// Major number of the file system's device.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// The file system's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Options of the mount and of the file system, as the kernel joins them.
    pub options: String,
    /// What of the file system is mounted: `/`, or the folder of a bind mount.
    pub root: String,
}

/// All mounts; a line that is not understood is left out.
pub fn mounts(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<_> = left.split(' ').collect();
    let [_, _, number, root, at, own, ..] = left.as_slice() else { return None };
    let mut right = right.splitn(3, ' ');
    let (kind, device, of_system) = (right.next()?, right.next()?, right.next()?);
    let (major, minor) = number.split_once(':')?;
    Some(Mount {
        at: unescaped(at),
        device: unescaped(device),
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        kind: kind.to_owned(),
        options: joined(own, of_system),
        root: unescaped(root),
    })
}

/// `rw,noatime` and `rw,attr2` as `rw,noatime,attr2`.
fn joined(own: &str, of_system: &str) -> String {
    let known: Vec<_> = own.split(',').collect();
    let more =
        of_system.split(',').filter(|option| !known.contains(option) && !matches!(*option, "rw" | "ro"));
    known.iter().copied().chain(more).collect::<Vec<_>>().join(",")
}

/// The kernel writes blank, tab, line break and backslash as `\` and three octal digits.
fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'\\').then(|| tail.get(..3)).flatten();
        let code = code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match code {
            Some(byte) => {
                out.push(byte);
                rest = &tail[3..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_its_escapes_and_both_kinds_of_options() {
        let text = "36 35 98:3 / /srv/my\\040data rw,noatime shared:1 master:2 - xfs /dev/mapper/vg00-dat ro,attr2\n\
                    37 36 0:41 /x /proc rw - proc proc rw\nnonsense\n";
        let mounts = mounts(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!((mounts[0].at.as_str(), mounts[0].options.as_str()), ("/srv/my data", "rw,noatime,attr2"));
        assert_eq!((mounts[0].major, mounts[0].minor, mounts[0].kind.as_str()), (98, 3, "xfs"));
        assert_eq!((mounts[1].root.as_str(), mounts[1].device.as_str()), ("/x", "proc"));
    }
}
