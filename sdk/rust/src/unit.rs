//! Values with a unit, written as people write them: `80MiB`, `30m`, `80MiB/s`, and the names of devices and paths.
//! Each has its own `format` in the JSON Schema. It must not know which step uses them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A number of bytes: `80MiB`, `1.5GiB`, `512B`, or an integer. Powers of 1024 (`KiB`) and of 1000 (`kB`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// Bytes each second: `80MiB/s`, or an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub u64);

/// A length of time in milliseconds, written `30m`, `1h30m`, `500ms`, `2d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub u64);

/// The path of a block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Device(pub String);

/// An absolute path.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Path(pub String);

const SIZES: [(&str, u64); 11] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A text that is no such value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAUnit(&'static str);

impl fmt::Display for NotAUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Bytes {
    type Err = NotAUnit;

    fn from_str(text: &str) -> Result<Self, NotAUnit> {
        let wrong = NotAUnit("expected a number of bytes such as 80MiB");
        let text = text.trim();
        let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..at], text[at..].trim());
        let scale = SIZES.iter().find(|(name, _)| *name == unit).ok_or(wrong.clone())?.1;
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(scale).map(Self).ok_or(wrong);
        }
        let bytes = number.parse::<f64>().map_err(|_| wrong.clone())? * scale as f64;
        if bytes.is_finite() && bytes < u64::MAX as f64 { Ok(Self(bytes as u64)) } else { Err(wrong) }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let unit = units.iter().find(|(_, bits)| self.0 != 0 && self.0.is_multiple_of(1 << bits));
        match unit {
            Some((unit, bits)) => write!(f, "{}{unit}", self.0 >> bits),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl FromStr for Rate {
    type Err = NotAUnit;

    fn from_str(text: &str) -> Result<Self, NotAUnit> {
        let wrong = NotAUnit("expected bytes each second such as 80MiB/s");
        let bytes: Bytes = text.trim().strip_suffix("/s").ok_or(wrong.clone())?.parse().map_err(|_| wrong)?;
        Ok(Self(bytes.0))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Bytes(self.0))
    }
}

impl FromStr for Duration {
    type Err = NotAUnit;

    fn from_str(text: &str) -> Result<Self, NotAUnit> {
        let wrong = NotAUnit("expected a length of time such as 30m or 1h30m");
        let mut rest = text.trim();
        let mut sum = 0u64;
        if rest.is_empty() {
            return Err(wrong);
        }
        while !rest.is_empty() {
            let at = rest.find(|c: char| !c.is_ascii_digit()).ok_or(wrong.clone())?;
            let number: u64 = rest[..at].parse().map_err(|_| wrong.clone())?;
            let end = rest[at..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| at + end);
            let unit = rest[at..end].trim();
            let scale = TIMES.iter().find(|(name, _)| *name == unit).ok_or(wrong.clone())?.1;
            sum = number.checked_mul(scale).and_then(|ms| sum.checked_add(ms)).ok_or(wrong.clone())?;
            rest = &rest[end..];
        }
        Ok(Self(sum))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in TIMES.iter().rev() {
            if rest >= *scale {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

struct Text<T> {
    expected: &'static str,
    from_integer: Option<fn(u64) -> T>,
}

impl<T: FromStr<Err = NotAUnit>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        match self.from_integer {
            Some(from) => Ok(from(number)),
            None => Err(E::invalid_type(Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }
}

macro_rules! unit {
    ($type:ident, $format:literal, $from:expr, $expected:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Text { expected: $expected, from_integer: $from })
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        schema!($type, $format);
    };
}

macro_rules! schema {
    ($type:ident, $format:literal) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format })
            }
        }
    };
}

unit!(Bytes, "bytes", Some(Bytes), "a number of bytes such as 80MiB");
unit!(Rate, "rate", Some(Rate), "bytes each second such as 80MiB/s");
unit!(Duration, "duration", None, "a length of time such as 30m");
schema!(Device, "device");
schema!(Path, "path");

macro_rules! text {
    ($type:ident) => {
        impl $type {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $type {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

text!(Device);
text!(Path);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_what_they_write() {
        for (text, bytes) in [("80MiB", 80 << 20), ("0B", 0), ("1025B", 1025), ("3TiB", 3 << 40)] {
            assert_eq!(text.parse::<Bytes>().unwrap().0, bytes);
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        for (text, ms) in [("30m", 1_800_000), ("1h30m", 5_400_000), ("500ms", 500), ("2d", 172_800_000)] {
            assert_eq!(text.parse::<Duration>().unwrap().0, ms);
            assert_eq!(Duration(ms).to_string(), text);
        }
        assert_eq!("1.5GiB".parse::<Bytes>().unwrap().0, 3 << 29);
        assert_eq!(serde_json::from_str::<Rate>("\"80MiB/s\"").unwrap(), Rate(80 << 20));
        assert_eq!(serde_json::from_str::<Bytes>("4096").unwrap(), Bytes(4096));
    }

    #[test]
    fn what_is_no_unit_says_what_was_expected() {
        for text in ["", "MiB", "80", "80MiB/m", "-1B/s", "99999999999999PiB/s", "é/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for text in ["", "30", "m", "30x", "é"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
        let error = serde_json::from_str::<Duration>("30").unwrap_err().to_string();
        assert!(error.contains("such as 30m"), "{error}");
    }
}
