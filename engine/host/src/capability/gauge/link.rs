//! Offers `gauge` to a guest. It must not know who looks.

use crate::bindings::cutwater::plugin::gauge;
use crate::state::CallState;
use cutwater_driver::ports::Report;
use wasmtime::component::{HasSelf, Linker};

/// How long a figure's name may be.
const NAME: usize = 40;

/// Adds it to the linker.
pub fn add(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    gauge::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl gauge::Host for CallState {
    /// Passes on ten a second at most. What is no number is no value.
    fn show(&mut self, name: String, value: Option<f64>) -> wasmtime::Result<()> {
        let now = self.ground.clock.monotonic();
        if self.limits.gauge(now) {
            let (name, value) = plain(&name, value);
            let _ = self.reports.send(Report::Gauge { call: self.id, name, value });
        }
        Ok(())
    }
}

/// The figure as it can be shown and journalled.
fn plain(name: &str, value: Option<f64>) -> (String, Option<f64>) {
    (name.chars().filter(|c| !c.is_control()).take(NAME).collect(), value.filter(|value| value.is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sabotage: a figure that JSON has no word for, which no journal could be read with; a name that moves the cursor.
    #[test]
    fn what_is_no_number_is_no_value_and_a_name_is_short_and_plain() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(plain("left", Some(odd)).1, None);
        }
        assert_eq!(plain("a\u{1b}[2Jb", Some(0.5)), ("a[2Jb".to_owned(), Some(0.5)));
        assert_eq!(plain(&"x".repeat(100), None).0.len(), NAME);
    }
}
