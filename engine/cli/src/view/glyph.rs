//! One sign and one word for each state of a step. It must not know the run.

use cutwater_core::answer::Ending;
use cutwater_core::plan::Body;
use cutwater_core::state::Status;

/// A sign (Unicode, ASCII), a word and a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glyph {
    unicode: &'static str,
    ascii: &'static str,
    /// The state in a word.
    pub word: &'static str,
    /// ANSI colour, such as `32`.
    pub colour: &'static str,
}

const fn glyph(
    unicode: &'static str,
    ascii: &'static str,
    word: &'static str,
    colour: &'static str,
) -> Glyph {
    Glyph { unicode, ascii, word, colour }
}

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const BLUE: &str = "34";
const GREY: &str = "2";

impl Glyph {
    /// The sign.
    pub fn sign(&self, unicode: bool) -> &'static str {
        if unicode { self.unicode } else { self.ascii }
    }

    /// Of a step's state. A check changes nothing, so that it "was so already" is no news.
    pub fn of(status: &Status, body: &Body) -> Self {
        match status {
            Status::Applied { .. }
                if matches!(body, Body::Check { .. } | Body::Approve { .. } | Body::Gather { .. }) =>
            {
                glyph("✓", "+", "done", GREEN)
            }
            Status::Waiting => glyph("○", ".", "waits", GREY),
            Status::Skipped => glyph("◌", "-", "skipped", GREY),
            Status::Applying => glyph("▶", ">", "runs", BLUE),
            Status::Doubtful { .. } => glyph("?", "?", "in doubt", YELLOW),
            Status::PartWay => glyph("◐", "%", "part-way", YELLOW),
            Status::Refused { .. } => glyph("✗", "x", "refused", RED),
            Status::Failed { .. } => glyph("✗", "x", "failed", RED),
            Status::Applied { changed: true } => glyph("✓", "+", "done", GREEN),
            Status::Applied { changed: false } => glyph("=", "=", "was so already", GREEN),
            Status::Asked { .. } => glyph("☐", "?", "waits for a yes", YELLOW),
            Status::Taken => glyph("❚", "H", "held", YELLOW),
            Status::Confirmed => glyph("❚", "H", "held, inner steps done", YELLOW),
            Status::Orphaned { .. } => glyph("!", "!", "held, its holder is gone", RED),
            Status::Releasing { how: Ending::Done } => glyph("▷", ">", "is given back", BLUE),
            Status::Releasing { .. } => glyph("◁", "<", "is given back", YELLOW),
            Status::ReleaseDoubtful { .. } => glyph("?", "?", "given back? in doubt", YELLOW),
            Status::Released { well: true } => glyph("✓", "+", "given back", GREEN),
            Status::Released { well: false } => glyph("↩", "<", "given back early", YELLOW),
            Status::Open => glyph("▣", "O", "open", YELLOW),
            Status::Ended => glyph("✓", "+", "over", GREEN),
            Status::Undoing => glyph("◀", "<", "is undone", YELLOW),
            Status::UndoDoubtful { .. } => glyph("?", "?", "undone? in doubt", YELLOW),
            Status::UndoFailed { .. } => glyph("✗", "x", "undo failed", RED),
            Status::Undone => glyph("↩", "<", "undone", YELLOW),
            Status::Stuck { .. } => glyph("!", "!", "needs a person", RED),
        }
    }
}

/// Why a step is as it is, where there is more than a word to say.
pub fn reason(status: &Status) -> Option<String> {
    match status {
        Status::Refused { refusal } => Some(refusal.message.clone()),
        Status::Failed { failure } => Some(match failure.left.as_str() {
            "" => failure.message.clone(),
            left => format!("{}; left behind: {left}", failure.message),
        }),
        Status::Doubtful { why }
        | Status::Orphaned { why }
        | Status::UndoDoubtful { why }
        | Status::UndoFailed { why }
        | Status::Stuck { why, .. } => Some(why.clone()),
        _ => None,
    }
}
