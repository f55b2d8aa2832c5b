//! The exports of a component, over [`trait@crate::Plugin`]. It must not know single steps.

use super::holding::exports::cutwater::plugin::hold;
use super::steps::cutwater::plugin::types as wit;
use super::steps::exports::cutwater::plugin::{plugin, step};
use super::{convert, panic};
use crate::Plugin;
use crate::call::{DOUBT, Held};
use crate::hold::{Ending, GiveBack};
use std::cell::RefCell;
use std::marker::PhantomData;

/// What a plugin's component exports.
pub struct Component<P>(PhantomData<P>);

impl<P: Plugin> plugin::Guest for Component<P> {
    fn describe() -> String {
        panic::install();
        P::describe().to_string()
    }
}

impl<P: Plugin> step::Guest for Component<P> {
    fn preview(ctx: wit::Context, input: wit::Partial, undo: bool) -> Result<wit::Shown, wit::Refusal> {
        panic::install();
        let shown = P::preview(&convert::context(ctx), &convert::partial(input), undo);
        shown.map(convert::preview).map_err(convert::refusal)
    }

    fn apply(ctx: wit::Context, input: String, checkpoint: Option<String>) -> wit::Answer {
        panic::install();
        let checkpoint = checkpoint.as_deref().map(convert::value);
        convert::answer(P::apply(&convert::context(ctx), convert::value(&input), checkpoint))
    }

    fn probe(ctx: wit::Context, input: String, story: wit::Story) -> wit::Probed {
        panic::install();
        let story = convert::story(story);
        convert::probed(P::probe(&convert::context(ctx), convert::value(&input), &story))
    }

    fn undo(ctx: wit::Context, input: String, story: wit::Story) -> wit::Answer {
        panic::install();
        let story = convert::story(story);
        convert::answer(P::undo(&convert::context(ctx), convert::value(&input), &story))
    }
}

/// A hold that was taken, as the host keeps it.
pub struct Taken(RefCell<Box<dyn Held>>);

impl hold::GuestHeld for Taken {
    fn intact(&self) -> Result<(), String> {
        self.0.borrow_mut().intact()
    }

    fn release(&self, how: hold::Ending) -> wit::Answer {
        let how = match how {
            hold::Ending::Done => Ending::Done,
            hold::Ending::Failed => Ending::Failed,
            hold::Ending::Limit => Ending::Limit,
            hold::Ending::Aborted => Ending::Aborted,
        };
        convert::answer(self.0.borrow_mut().release(how))
    }
}

impl<P: Plugin> hold::Guest for Component<P> {
    type Held = Taken;

    fn take(ctx: wit::Context, input: String) -> Result<hold::Taken, wit::Refusal> {
        panic::install();
        let taken = P::take(convert::context(ctx), convert::value(&input)).map_err(|refusal| {
            // Ended without an answer, the hold is given back by a fresh instance.
            assert!(refusal.code != DOUBT, "{}", refusal.message);
            convert::refusal(refusal)
        })?;
        let give_backs = taken.give_backs.into_iter().map(|give_back| match give_back {
            GiveBack::Thaw(at) => hold::GiveBack::Thaw(at),
            GiveBack::HangUp(stream) => hold::GiveBack::HangUp(stream),
        });
        Ok(hold::Taken {
            held: hold::Held::new(Taken(RefCell::new(taken.held))),
            output: taken.output.to_string(),
            give_backs: give_backs.collect(),
        })
    }

    fn release_orphan(ctx: wit::Context, input: String) -> wit::Answer {
        panic::install();
        convert::answer(P::release_orphan(&convert::context(ctx), convert::value(&input)))
    }
}
