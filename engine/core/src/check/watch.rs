//! Steps that watch: they go on until all else has ended, so nothing may wait for one. It must not know what is watched.

use super::checker::Checker;
use super::reads::Waits;
use crate::fault::codes;

/// Reports every watch that something would wait for, by its own words or because the watch stands inside it.
pub(super) fn places(check: &mut Checker<'_>, waits: &Waits) {
    let doc = check.doc;
    let watches: Vec<bool> =
        check.signatures.iter().map(|known| known.as_ref().is_some_and(|known| known.step.watch)).collect();
    for (index, step) in doc.steps.iter().enumerate() {
        for wait in waits[index].iter().filter(|wait| watches[wait.on] && !step.finally) {
            let message = format!(
                "step `{}` waits for `{}`, which watches until everything else has ended",
                check.name(index),
                check.name(wait.on)
            );
            let fault = check.error(codes::WAITS_FOR_A_WATCH, wait.span, message);
            check.push(fault.help("let it need what the watch needs"));
        }
        if !watches[index] {
            continue;
        }
        let place = match &step.for_each {
            _ if step.finally => "`finally`",
            _ if step.within.is_some() => "a hold or outage",
            Some(_) => "a `for-each`",
            None => continue,
        };
        let message = format!(
            "`{}` watches until everything else has ended, and {place} would wait for it",
            check.name(index)
        );
        let fault = check.error(codes::WAITS_FOR_A_WATCH, step.name.span, message);
        check.push(fault.help(
            "make it a step of its own among the outermost ones; it goes on while others hold or are down",
        ));
    }
}
