//! When a window opens and closes: times of day in a time zone as moments. It must not decide what they let begin.

use cutwater_core::plan::Window;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Why a window has no moments.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// The machine has no such zone.
    #[error(
        "this machine knows no time zone `{zone}`; write a name of the IANA list, and install tzdata if it is one"
    )]
    Zone {
        /// As it was written.
        zone: String,
        /// Why.
        #[source]
        cause: jiff::Error,
    },
    /// A time that is none, or lies outside of what a calendar holds.
    #[error("`{text}` is no time of day here")]
    Time {
        /// As it was written.
        text: String,
        /// Why.
        #[source]
        cause: jiff::Error,
    },
}

/// The first opening that has not closed by `after`: when it opens and when it closes, in milliseconds since 1970. A
/// window that closes no later than it opens closes on the next day. Where the clocks go forward over a time, it is the
/// moment after the gap; where they go back over it, the first of the two.
///
/// # Errors
/// A zone or a time that is none.
pub fn opening(window: &Window, after: i64) -> Result<(i64, i64), WindowError> {
    let cause = |cause| WindowError::Zone { zone: window.timezone.clone(), cause };
    let zone = TimeZone::get(&window.timezone).map_err(cause)?;
    let wrong = |cause| WindowError::Time { text: window.opens.clone(), cause };
    let (opens, closes) = (time(&window.opens)?, time(&window.closes)?);
    let now = Timestamp::from_millisecond(after).map_err(wrong)?.to_zoned(zone.clone());
    let mut date = now.date().yesterday().map_err(wrong)?;
    loop {
        let last = if closes <= opens { date.tomorrow().map_err(wrong)? } else { date };
        let found = (moment(date, opens, &zone).map_err(wrong)?, moment(last, closes, &zone).map_err(wrong)?);
        if found.1 > after && found.1 > found.0 {
            return Ok(found);
        }
        date = date.checked_add(1.day()).map_err(wrong)?;
    }
}

fn moment(date: Date, time: Time, zone: &TimeZone) -> Result<i64, jiff::Error> {
    Ok(date.to_datetime(time).to_zoned(zone.clone())?.timestamp().as_millisecond())
}

fn time(text: &str) -> Result<Time, WindowError> {
    Time::strptime("%H:%M", text).map_err(|cause| WindowError::Time { text: text.to_owned(), cause })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn berlin(opens: &str, closes: &str, after: &str) -> (i64, i64) {
        let (opens, closes) = (opens.to_owned(), closes.to_owned());
        opening(&Window { opens, closes, timezone: "Europe/Berlin".into() }, at(after)).unwrap()
    }

    /// Sabotage: the zone left out; an opening that has closed taken; one that is open passed over.
    #[test]
    fn the_first_opening_that_has_not_closed_is_the_one() {
        let tonight = (at("2026-11-21T01:00:00Z"), at("2026-11-21T03:00:00Z"));
        assert_eq!(berlin("02:00", "04:00", "2026-11-20T12:00:00Z"), tonight);
        assert_eq!(berlin("02:00", "04:00", "2026-11-21T02:59:59Z"), tonight);
        assert_eq!(berlin("02:00", "04:00", "2026-11-21T03:00:00Z").0, at("2026-11-22T01:00:00Z"));
    }

    /// Sabotage: a close before the opening taken for one of the same day.
    #[test]
    fn a_window_over_midnight_closes_on_the_next_day() {
        let night = (at("2026-11-20T22:00:00Z"), at("2026-11-21T01:00:00Z"));
        assert_eq!(berlin("23:00", "02:00", "2026-11-21T00:30:00Z"), night);
        assert_eq!(berlin("23:00", "02:00", "2026-11-20T12:00:00Z"), night);
        let day = berlin("02:00", "02:00", "2026-11-20T12:00:00Z");
        assert_eq!(day.1 - day.0, 24 * 3_600_000);
    }

    /// Sabotage: a fixed offset in place of the zone.
    #[test]
    fn where_the_clocks_change_the_window_follows_them() {
        // Forward: 02:30 is not there, the window opens at 03:30 summer time.
        let spring = berlin("02:30", "04:00", "2026-03-28T22:00:00Z");
        assert_eq!(spring, (at("2026-03-29T01:30:00Z"), at("2026-03-29T02:00:00Z")));
        // Back: 02:30 is there twice, the first one closes it.
        let autumn = berlin("01:30", "02:30", "2026-10-24T22:00:00Z");
        assert_eq!(autumn, (at("2026-10-24T23:30:00Z"), at("2026-10-25T00:30:00Z")));
    }

    #[test]
    fn a_zone_that_is_none_is_told_by_its_name() {
        let window =
            Window { opens: "02:00".into(), closes: "04:00".into(), timezone: "Europe/Atlantis".into() };
        assert!(opening(&window, 0).unwrap_err().to_string().contains("`Europe/Atlantis`"));
    }
}
