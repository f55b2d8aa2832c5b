//! That every command which reads a workflow refuses it alike, harmlessly, in time, and touches nothing.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use super::{Place, Said, touched};
use std::path::PathBuf;
use std::time::Duration;

pub const SECOND: Duration = Duration::from_secs(1);
/// How a workflow begins.
pub const HEAD: &str = "cutwater: 1\nname: x\n";

/// Every command that reads a workflow answers the same: status 3, no panic, in time, nothing written.
pub fn refused(place: &Place, file: &str, inputs: &[&str], within: Duration) -> Said {
    let mut first: Option<Said> = None;
    for command in ["check", "plan", "run"] {
        let mut args = vec![command, file];
        for input in inputs {
            args.extend(["--input", input]);
        }
        let said = place.cutwater(&args);
        assert_eq!(said.code, 3, "{args:?}: {said:?}");
        assert!(!said.err.contains("panicked"), "{args:?}: {}", said.err);
        assert!(said.took < within, "{args:?} took {:?}", said.took);
        harmless(&said);
        // Left alone, `check` does not ask for inputs; so only what all of them say is compared.
        if let Some(first) = first.as_ref().filter(|_| !inputs.is_empty()) {
            assert_eq!(said.err, first.err, "{command} says something else");
        }
        first.get_or_insert(said);
    }
    assert_eq!(touched(), Vec::<PathBuf>::new());
    first.unwrap()
}

/// Nothing that a terminal obeys is in it.
pub fn harmless(said: &Said) {
    let steers = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    for text in [&said.out, &said.err] {
        assert!(!text.contains(steers), "{text:?}");
    }
}
