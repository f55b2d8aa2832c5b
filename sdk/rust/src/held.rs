//! The mark in the root of a folder that holds a copy which nobody may use yet. Who copies writes it before the first byte;
//! only whoever releases the copy takes it away; who starts something on the folder asks for it first. It must not know how
//! anything is copied.

use crate::answer::{Fault, Refusal};
use crate::context::Context;
use crate::host::Host;
use std::fmt::Display;

/// The file's name.
pub const NAME: &str = ".cutwater-held";

const BY: &str = "held by ";

/// What the mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The copy that it was born with.
    pub by: String,
    /// How far that is.
    pub state: State,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is being made, or waits for a further pass.
    Unfinished,
    /// It is whole and verified, and waits for nothing but its release.
    Verified,
    /// It is being taken back.
    Removed,
}

impl State {
    const ALL: [Self; 3] = [Self::Unfinished, Self::Verified, Self::Removed];

    fn word(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Verified => "verified",
            Self::Removed => "being removed",
        }
    }
}

/// Where the mark of a folder is.
pub fn path(folder: impl Display) -> String {
    format!("{folder}/{NAME}")
}

/// What stands in it.
pub fn text(by: impl Display, state: State) -> String {
    format!(
        "{BY}{by}\n{}\nNobody may use what is in this folder until `files.release` has lifted this. Whoever removes this \
         file by hand\nanswers for it: an unfinished copy holds files that are torn, or missing.\n",
        state.word()
    )
}

/// Who holds the folder. A mark that cannot be read as one holds it all the same.
///
/// # Errors
/// The host's own fault; reading the mark needs a grant of its path.
pub fn of(ctx: &Context<'_>, folder: &str) -> Result<Option<Held>, Fault> {
    let Some(text) = ctx.host().read_text(&path(folder))? else { return Ok(None) };
    let mut lines = text.lines();
    let by = lines.next().and_then(|line| line.strip_prefix(BY)).unwrap_or_default().to_owned();
    let word = lines.next().unwrap_or_default();
    let state = State::ALL.into_iter().find(|state| state.word() == word).unwrap_or(State::Unfinished);
    Ok(Some(Held { by, state }))
}

/// Refuses a folder that is held.
///
/// # Errors
/// It is held, or nobody can tell.
pub fn must_be_free(ctx: &Context<'_>, folder: &str) -> Result<(), Refusal> {
    match of(ctx, folder)? {
        None => Ok(()),
        Some(Held { by, state }) => {
            let state = state.word();
            let message = format!(
                "{folder} holds a copy that is not released ({state}, held by {by}); `files.release` does that"
            );
            Err(Refusal::new("held", message))
        }
    }
}
