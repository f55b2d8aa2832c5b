//! Positions in the write-ahead log, and the names of the files that hold a stretch of it. Pure arithmetic, as in
//! PostgreSQL's xlog_internal.h. It must not know servers.

/// A position: `16/B374D848` is 0x16_B374D848.
pub fn position(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let part = |text| u32::from_str_radix(text, 16).ok().map(u64::from);
    Some(part(high)? << 32 | part(low)?)
}

/// The files from the one that holds `start` to the one that holds the byte before `stop`.
pub fn files(timeline: u32, start: u64, stop: u64, segment: u64) -> Vec<String> {
    if segment == 0 {
        return Vec::new();
    }
    let last = stop.max(start + 1) - 1;
    let each = 0x1_0000_0000 / segment;
    (start / segment..=last / segment)
        .map(|number| format!("{timeline:08X}{:08X}{:08X}", number / each, number % each))
        .collect()
}

/// The timeline that a backup label names.
pub fn timeline(label: &str) -> Option<u32> {
    label.lines().find_map(|line| line.strip_prefix("START TIMELINE: ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_with_the_file_of_its_last_byte() {
        let at = |text| position(text).unwrap();
        let of = |start, stop| files(1, at(start), at(stop), 16 << 20);
        assert_eq!(of("0/2000028", "0/2000100"), ["000000010000000000000002"]);
        assert_eq!(
            of("0/2000028", "0/3000000"),
            ["000000010000000000000002"],
            "the stop is the first byte after it"
        );
        assert_eq!(of("0/FF000000", "1/1"), ["0000000100000000000000FF", "000000010000000100000000"]);
        assert_eq!(files(0x1f, at("0/40000000"), at("0/40000001"), 1 << 30), ["0000001F0000000000000001"]);
        assert_eq!((position("2000028"), position("0/x")), (None, None));
    }
}
