//! Times, sizes and rates as people read them. It must not know runs.

use cutwater_core::figures;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How long, since a moment that may lie ahead by another clock.
pub fn duration(ms: i64) -> String {
    figures::time(u64::try_from(ms).unwrap_or(0))
}

/// An amount of a plugin's unit.
pub fn amount(count: u64, unit: &str) -> String {
    if unit == "bytes" {
        figures::bytes(count)
    } else {
        format!("{count} {}", cutwater_core::fault::escaped(unit))
    }
}

/// A figure under its name: `minutes until overflow 6.4`.
pub fn gauge(name: &str, value: f64) -> String {
    format!("{} {value:.1}", cutwater_core::fault::escaped(name))
}

/// The time of day, here.
pub fn time(at: i64) -> String {
    Timestamp::from_millisecond(at)
        .map(|stamp| stamp.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string())
        .unwrap_or_else(|_| "--:--:--".to_owned())
}

/// Date and time, here.
pub fn date_time(at: i64) -> String {
    Timestamp::from_millisecond(at)
        .map(|stamp| stamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_else(|_| "----------".to_owned())
}

/// The part of a plan's hash that people type.
pub fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
