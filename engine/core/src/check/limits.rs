//! Limits and timeouts: each is read, and each inner one fits into the one around it. It must not know clocks.

use super::checker::Checker;
use super::top::duration;
use crate::document::{Does, Span};
use crate::fault::codes;

/// The times of one step, in milliseconds; none where there is none, it is wrong, or not known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    pub limit: Option<u64>,
    pub timeout: Option<u64>,
    pub expires: Option<u64>,
}

/// Reads all times and compares inner with outer.
pub(super) fn times(check: &mut Checker<'_>) -> Vec<Times> {
    let doc = check.doc;
    let mut all = Vec::with_capacity(doc.steps.len());
    for step in &doc.steps {
        let mut times = Times::default();
        if let Does::Hold { limit, .. } | Does::Outage { limit } = &step.does {
            times.limit = duration(check, "limit", limit);
        }
        if let Does::Approve { expires: Some(expires), .. } = &step.does {
            times.expires = duration(check, "expires", expires);
        }
        if let Some(timeout) = &step.timeout {
            times.timeout = duration(check, "timeout", timeout);
        }
        all.push(times);
    }
    for (index, step) in doc.steps.iter().enumerate() {
        let Some((around, outer)) = doc.around(index).find_map(|at| all[at].limit.map(|limit| (at, limit)))
        else {
            continue;
        };
        let waits =
            2_u64.saturating_pow(step.retry.times).saturating_sub(1).saturating_mul(step.retry.wait_ms);
        let limit_span = match &step.does {
            Does::Hold { limit, .. } | Does::Outage { limit } => limit.span,
            _ => step.name.span,
        };
        let own = [
            ("limit", all[index].limit, limit_span),
            ("timeout", all[index].timeout, step.timeout.as_ref().map_or(step.name.span, |text| text.span)),
            ("retry", Some(waits).filter(|&waits| waits > 0), step.retry_span.unwrap_or(step.name.span)),
        ];
        for (what, inner, span) in own {
            if let Some(inner) = inner.filter(|&inner| inner > outer) {
                does_not_fit(check, index, around, (what, inner, span), outer);
            }
        }
    }
    all
}

fn does_not_fit(check: &mut Checker<'_>, index: usize, around: usize, own: (&str, u64, Span), outer: u64) {
    let (what, inner, span) = own;
    let verb = if what == "retry" { "may wait" } else { "may take" };
    let message = format!(
        "step `{}` {verb} {}, and `{}` around it ends after {}",
        check.name(index),
        words(inner),
        check.name(around),
        words(outer)
    );
    let fault = check.error(codes::DOES_NOT_FIT, span, message);
    let place = match &check.doc.steps[around].does {
        Does::Hold { limit, .. } | Does::Outage { limit } => check.source().place(limit.span),
        _ => check.source().place(check.doc.steps[around].name.span),
    };
    check.push(fault.related(place, "the outer limit"));
}

/// A duration as people write it.
fn words(ms: u64) -> String {
    match ms {
        ms if ms % 3_600_000 == 0 && ms > 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 && ms > 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}
