//! A preview: a guest on a thread of its own, with nothing to write with and nobody who writes down what it does. It must not
//! know what is done with what was shown.

use super::call::refusal;
use super::{Ask, STACK, Shared, mark};
use crate::admission::Phase;
use crate::convert;
use crate::instance::{Instance, SHOWING, Trapped};
use crate::state::Caller;
use cutwater_core::answer::Refusal;
use cutwater_core::effect::{Effect, Shown};
use cutwater_driver::ports::{CallId, PreviewCall, Report};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Previews are numbered downwards from the top, so that they never meet the driver's calls.
static NEXT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Makes it. A trap, or no answer in time, is a refusal: nothing was changed.
pub fn preview(shared: &Arc<Shared>, call: PreviewCall) -> Result<Shown, Refusal> {
    let id = CallId(NEXT.fetch_sub(1, Ordering::Relaxed));
    let (reports, inbox) = channel();
    let (answer, answered) = channel();
    let name = format!("{}.{}?", call.plugin, call.action);
    let of_thread = shared.clone();
    let work = move || {
        let shown = show(&of_thread, id, call, reports);
        of_thread.under.end(id);
        let _ = answer.send(shown);
    };
    let thread = std::thread::Builder::new().name(name).stack_size(STACK).spawn(work);
    let thread =
        thread.map_err(|error| refusal("no-thread", format!("no thread could be started: {error}"), true))?;
    drain(&inbox);
    let gone = |_| refusal("trapped", "the preview ended without an answer".into(), false);
    let shown = answered.recv().map_err(gone)?;
    let _ = thread.join();
    shown
}

fn show(
    shared: &Arc<Shared>,
    id: CallId,
    call: PreviewCall,
    reports: Sender<Report>,
) -> Result<Shown, Refusal> {
    let loaded = shared.plugin(&call.plugin, "")?;
    if !loaded.plugin.steps.contains_key(&call.action) {
        let message = format!("the plugin `{}` has no step `{}`", call.plugin, call.action);
        return Err(refusal("no-such-step", message, false));
    }
    let flags = shared.under.begin(id, Some(shared.settings.preview), None);
    let ask = Ask {
        id,
        phase: Phase::Preview,
        caller: Caller {
            mark: mark(call.run.as_str(), call.step.as_str()),
            run: call.run.as_str().to_owned(),
            step: call.step.as_str().to_owned(),
            plugin: call.plugin,
            action: call.action,
            attempt: 1,
        },
        grants: call.grants,
        admitted: Vec::new(),
        input: call.input.value.clone(),
        deadline: Some(shared.settings.preview),
        at_change: None,
    };
    let (state, context) = shared.state(ask, flags.stop.clone(), reports);
    let shown =
        Instance::open(&shared.runtime, loaded, state, SHOWING, flags.kill).and_then(|mut instance| {
            let guest = instance.step()?;
            let input = convert::partial_out(&call.input);
            let shown = guest.call_preview(&mut instance.store, &context, &input, call.undo)?;
            let redactor = instance.store.data().uses.redactor().clone();
            Ok(match shown {
                Ok(shown) => Ok(cleaned(convert::shown_in(shown).map_err(Trapped)?, &redactor)),
                Err(refused) => Err(convert::refusal_in(refused)),
            })
        });
    shown.unwrap_or_else(|trapped| {
        Err(refusal("trapped", format!("the preview ended without an answer: {trapped}"), false))
    })
}

fn cleaned(shown: Shown, redactor: &crate::capability::secret::redact::Redactor) -> Shown {
    let effect = |effect: Effect| Effect { detail: redactor.clean_value(effect.detail), ..effect };
    Shown {
        effects: shown.effects.into_iter().map(effect).collect(),
        notes: shown.notes.iter().map(|note| redactor.clean(note)).collect(),
        output: cutwater_core::partial::Partial {
            value: redactor.clean_value(shown.output.value),
            ..shown.output
        },
        ..shown
    }
}

/// Takes what the guest reports and lets it go on: a preview has no journal. Ends when the guest has.
fn drain(inbox: &Receiver<Report>) {
    while let Ok(report) = inbox.recv() {
        match report {
            Report::Used { reply: Some(reply), .. } | Report::Checkpoint { reply, .. } => {
                let _ = reply.send(true);
            }
            _ => {}
        }
    }
}
