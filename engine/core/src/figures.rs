//! Figures and foreign texts for people: sizes, times, rates, and texts without control characters. It must not know
//! what they are about.

use crate::fault::escaped;

/// `1.5 GiB`, `512 B`: three digits at most before and one behind the point.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    let mut scaled = count as f64;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if unit == 0 || scaled >= 100.0 || scaled.fract() < 0.05 {
        format!("{scaled:.0} {}", UNITS[unit])
    } else {
        format!("{scaled:.1} {}", UNITS[unit])
    }
}

/// `84 ms`, `5.2 s`, `3 min 20 s`, `2 h 5 min`.
pub fn time(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// A limit or a delay as people write it: `60 s`, `1 h 30 min`; nothing that is nought.
pub fn span(ms: u64) -> String {
    if ms == 0 {
        return "0 s".to_owned();
    }
    let parts = [
        (ms / 3_600_000, "h"),
        (ms % 3_600_000 / 60_000, "min"),
        (ms % 60_000 / 1_000, "s"),
        (ms % 1_000, "ms"),
    ];
    let words: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    words.join(" ")
}

/// Bytes a second over a time; none where the time is too short to say.
pub fn rate(count: u64, ms: u64) -> Option<String> {
    (ms > 0).then(|| {
        format!("{}/s", bytes(u64::try_from(u128::from(count) * 1_000 / u128::from(ms)).unwrap_or(u64::MAX)))
    })
}

/// The text with every character spelled out that could move a cursor or turn the direction of writing.
pub fn plain(text: &str) -> String {
    escaped(&text.replace('\n', "\\n"))
}

/// The text for XML and SVG, control characters spelled out.
pub fn xml(text: &str) -> String {
    plain(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_say_them() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(1 << 30), "1 GiB");
        assert_eq!(bytes(u64::MAX), "16 EiB");
        assert_eq!(
            (time(84), time(5_240), time(200_000), time(7_500_000)),
            ("84 ms".into(), "5.2 s".into(), "3 min 20 s".into(), "2 h 5 min".into())
        );
        assert_eq!(
            (span(60_000), span(5_400_000), span(250)),
            ("1 min".into(), "1 h 30 min".into(), "250 ms".into())
        );
        assert_eq!(rate(80 << 20, 500), Some("160 MiB/s".into()));
        assert_eq!(rate(1, 0), None);
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor_nor_leave_its_tag() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\\n");
        assert_eq!(xml("<b a='1'>&\u{0}"), "&lt;b a=&#39;1&#39;&gt;&amp;\\u{0}");
    }
}
