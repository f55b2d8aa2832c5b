//! The point of no return: there is at most one, it stands where it can, everything before it can be undone, and no
//! outage relies on an undo that is not there any more. It must not know how steps are undone.

use super::checker::Checker;
use super::order::Order;
use crate::describe::{Kind, Undo};
use crate::document::Does;
use crate::fault::codes;
use std::collections::BTreeSet;

/// Checks the mark itself.
pub(super) fn place(check: &mut Checker<'_>) {
    let doc = check.doc;
    let mut first: Option<usize> = None;
    for (index, step) in doc.steps.iter().enumerate() {
        let Some(span) = step.mark else { continue };
        if let Some(other) = first {
            let fault = check.error(
                codes::TWO_MARKS,
                span,
                format!("`{}` is a second point of no return", check.name(index)),
            );
            let place = check.source().place(doc.steps[other].mark.unwrap_or(span));
            check.push(fault.related(place, "the first").help("after the first nothing can be undone"));
        }
        first = first.or(Some(index));
        let kind = check.signatures[index].as_ref().map(|signature| signature.step.kind);
        let in_hold = doc.around(index).any(|at| matches!(doc.steps[at].does, Does::Hold { .. }));
        let in_outage =
            doc.around(index).any(|at| matches!(doc.steps[at].does, Does::Outage { .. } | Does::Broken));
        let why = if !matches!(step.does, Does::Uses(_) | Does::Broken) || kind == Some(Kind::Check) {
            "only a step that changes something can be the point of no return"
        } else if in_hold {
            "the point of no return cannot stand inside a hold"
        } else if !in_outage && !step.finally {
            "the point of no return must stand inside an outage"
        } else if step.for_each.is_some() {
            "the point of no return cannot be repeated"
        } else {
            continue;
        };
        let fault = check.error(codes::MARK_MISPLACED, span, why);
        let help = "it is the last moment: the step of an outage that lets clients in on the new side";
        check.push(fault.help(help));
    }
}

/// Checks what the order says about the mark: undo before it, no open outage after it.
pub(super) fn ways_back(check: &mut Checker<'_>, order: &Order) {
    let doc = check.doc;
    let mark = doc.steps.iter().position(|step| step.mark.is_some());
    let after = mark.map(|mark| order.after(mark)).unwrap_or_default();
    for (index, step) in doc.steps.iter().enumerate() {
        let Some(signature) = &check.signatures[index] else { continue };
        let changes = signature.step.kind == Kind::Action && signature.step.undo == Undo::None;
        // What the run itself made on what a hold lends cannot outlive the hold.
        let lent = |at: usize| check.signatures[at].as_ref().is_some_and(|around| around.step.carries);
        let goes_with_it = signature.step.own_only && doc.around(index).any(lent);
        if !changes || Some(index) == mark || after.contains(&index) || step.finally || goes_with_it {
            continue;
        }
        let uses = step.uses().map(|uses| (format!("{}.{}", uses.plugin, uses.action), uses.span));
        let Some((name, span)) = uses else { continue };
        let message = match mark {
            Some(mark) => format!(
                "`{name}` cannot be undone, and may run before the point of no return `{}`",
                check.name(mark)
            ),
            None => format!("`{name}` cannot be undone, and there is no point of no return before it"),
        };
        let fault = check.error(codes::NO_UNDO, span, message);
        let help = match mark {
            Some(mark) => format!("add `needs: [{}]` if it belongs after it", check.name(mark)),
            None => {
                "use a step that can be undone, or make it the point of no return of an outage".to_owned()
            }
        };
        check.push(fault.help(help));
    }
    if let Some(mark) = mark {
        outages(check, order, mark);
        beside(check, order, mark, &after);
    }
}

/// What changes something in the mark's own outage has ended when the mark is crossed, or begins after it.
fn beside(check: &mut Checker<'_>, order: &Order, mark: usize, after: &BTreeSet<usize>) {
    let doc = check.doc;
    let outage = |at: &usize| matches!(doc.steps[*at].does, Does::Outage { .. });
    let Some(around) = doc.around(mark).filter(outage).last() else { return };
    let before = order.before(mark);
    for (index, step) in doc.steps.iter().enumerate() {
        let changes =
            check.signatures[index].as_ref().is_some_and(|signature| signature.step.kind == Kind::Action);
        let inside = doc.around(index).any(|at| at == around);
        if !changes || !inside || index == mark || before.contains(&index) || after.contains(&index) {
            continue;
        }
        let (name, mark_name) = (check.name(index), check.name(mark));
        let message = format!("`{name}` may be under way when `{mark_name}` crosses the point of no return");
        let help = format!("name it in the `needs` of `{mark_name}`, or give it `needs: [{mark_name}]`");
        let fault = check.error(codes::BESIDE_THE_MARK, step.name.span, message);
        let place = doc.steps[mark].mark.map(|span| check.source().place(span)).unwrap_or_default();
        check.push(fault.related(place, "nothing is undone after this").help(help));
    }
}

fn outages(check: &mut Checker<'_>, order: &Order, mark: usize) {
    let doc = check.doc;
    let around: BTreeSet<usize> = doc.around(mark).collect();
    let before = order.before(mark);
    for (index, step) in doc.steps.iter().enumerate() {
        let outage = matches!(step.does, Does::Outage { .. });
        if !outage || around.contains(&index) || before.contains(&index) {
            continue;
        }
        let message = format!(
            "outage `{}` may be open when `{}` crosses the point of no return, and could not be undone then",
            check.name(index),
            check.name(mark)
        );
        let fault = check.error(codes::RELIES_ON_UNDO, step.name.span, message);
        let place = doc.steps[mark].mark.map(|span| check.source().place(span)).unwrap_or_default();
        check.push(
            fault
                .related(place, "nothing is undone after this")
                .help("let it end before, or split the work into two workflows"),
        );
    }
}
