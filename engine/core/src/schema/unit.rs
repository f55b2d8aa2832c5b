//! Texts with a meaning: sizes, rates, durations, devices, paths. It must not know schemas.

/// The `format`s that a string may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// `512MiB`, `4kB`, or a whole number of bytes.
    Bytes,
    /// `1h30m`, `250ms`.
    Duration,
    /// The path of a device: `/dev/vg00/dat`.
    Device,
    /// An absolute path without `..`.
    Path,
    /// Bytes a second: `80MiB/s`, or a whole number.
    Rate,
}

impl Unit {
    /// By its name in `format` and in `inputs`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Duration => "duration",
            Self::Device => "device",
            Self::Path => "path",
            Self::Rate => "rate",
        }
    }

    /// All of them.
    pub const ALL: [Self; 5] = [Self::Bytes, Self::Duration, Self::Device, Self::Path, Self::Rate];

    /// Whether a whole number may stand for it too.
    pub const fn counts(self) -> bool {
        matches!(self, Self::Bytes | Self::Rate)
    }

    /// Whether the text has this meaning.
    pub fn holds(self, text: &str) -> bool {
        match self {
            Self::Bytes => bytes_of(text).is_some(),
            Self::Rate => text.strip_suffix("/s").is_some_and(|amount| bytes_of(amount).is_some()),
            Self::Duration => milliseconds_of(text).is_some(),
            Self::Device => text.starts_with("/dev/") && is_path(text),
            Self::Path => is_path(text),
        }
    }

    /// How such a text looks, for messages.
    pub const fn example(self) -> &'static str {
        match self {
            Self::Bytes => "512MiB",
            Self::Duration => "1h30m",
            Self::Device => "/dev/vg00/dat",
            Self::Path => "/srv/postgresql",
            Self::Rate => "80MiB/s",
        }
    }
}

fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= 4096
        && !text.contains(|c: char| c.is_control())
        && !text.split('/').any(|part| part == "..")
}

/// The bytes that `512MiB`, `1.5GiB`, `4kB`, `100` stand for: powers of 1024 (`KiB`) and of 1000 (`kB`).
pub fn bytes_of(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (amount, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "PiB" => 1 << 50,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    let (whole, part) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.is_empty() || part.len() > 9 || amount.ends_with('.') {
        return None;
    }
    let mut total = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if !part.is_empty() {
        let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
        let below = part.parse::<u128>().ok()? * u128::from(factor) / scale;
        total = total.checked_add(u64::try_from(below).ok()?)?;
    }
    Some(total)
}

/// The milliseconds that `1h30m`, `60s`, `250ms`, `2d` stand for: whole numbers with d, h, m, s or ms, largest first.
pub fn milliseconds_of(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let mut rest = text;
    let mut total: u64 = 0;
    let mut above = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (name, factor) = UNITS.into_iter().find(|(name, _)| {
            rest.strip_prefix(name).is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_alphabetic()))
        })?;
        if factor >= above {
            return None;
        }
        above = factor;
        total = total.checked_add(count.checked_mul(factor)?)?;
        rest = &rest[name.len()..];
    }
    (!text.is_empty()).then_some(total)
}
