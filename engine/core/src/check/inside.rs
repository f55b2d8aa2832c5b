//! What may stand inside what: nobody is waited for while something is held or down, and `finally` only ends things. It
//! must not know limits.

use super::checker::Checker;
use crate::document::Does;
use crate::fault::{Fault, Severity, codes};

/// Reports everything that stands where it may not.
pub(super) fn places(check: &mut Checker<'_>) {
    let doc = check.doc;
    for (index, step) in doc.steps.iter().enumerate() {
        if let Does::Approve { by, .. } = &step.does {
            for role in by {
                role_exists(check, &role.value, role.span);
            }
            if let Some(around) = doc.around(index).next() {
                let outer = &doc.steps[around];
                let held = if matches!(outer.does, Does::Hold { .. }) { "is held" } else { "is down" };
                let message =
                    format!("step `{}` waits for a person while something {held}", check.name(index));
                let place = check.source().place(outer.name.span);
                let fault = check.error(codes::WAITS_INSIDE, step.name.span, message);
                let help = format!("approve before `{}`, and let it need the approval", outer.name.value);
                check.push(fault.related(place, "inside this").help(help));
            }
        }
        if step.finally {
            let what = match &step.does {
                Does::Hold { .. } => "a hold",
                Does::Outage { .. } => "an outage",
                Does::Approve { .. } => "an approval",
                _ if step.mark.is_some() => "the point of no return",
                _ => continue,
            };
            let fault = check.error(
                codes::NOT_AT_THE_END,
                step.name.span,
                format!("{what} cannot stand under `finally`"),
            );
            check.push(fault.help("`finally` runs in whatever state the run ended: it can only tidy up"));
        }
    }
}

/// Root may answer every approval, so a role without members is worth a warning only.
fn role_exists(check: &mut Checker<'_>, role: &str, span: crate::document::Span) {
    let Some(policy) = check.policy else { return };
    if !policy.roles.contains_key(role) {
        let message = format!("this machine's policy gives nobody the role `{role}`");
        let fault = check.error(codes::NO_ROLE, span, message);
        let fault = fault.help_names(role, policy.roles.keys().map(String::as_str));
        check.push(Fault { severity: Severity::Warning, ..fault });
    }
}
