//! Every code of a fault, with its title and advice. Codes are stable: a new one goes at the end of its group, and one
//! that is no longer used is not used again.

use serde::{Serialize, Serializer};
use std::fmt;

/// A stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    text: &'static str,
    title: &'static str,
    advice: &'static str,
}

impl Code {
    /// `CW0107`.
    pub fn as_str(self) -> &'static str {
        self.text
    }

    /// What is wrong, in a line.
    pub fn title(self) -> &'static str {
        self.title
    }

    /// What to do about it.
    pub fn advice(self) -> &'static str {
        self.advice
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text)
    }
}

macro_rules! codes {
    ($($(#[doc = $group:literal])* $name:ident $code:literal $title:literal $advice:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Code = Code { text: $code, title: $title, advice: $advice };
        )*
        /// All of them, in order.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    // The text.
    SYNTAX "CW0001" "the text is not YAML"
        "Look at the marked place and the line above it: most often an indentation, a missing `:` or an unclosed quote.";
    TOO_LARGE "CW0002" "the document is too large"
        "A document holds at most 8 MiB and 500,000 values. Split the work into several workflows.";
    TOO_DEEP "CW0003" "the document is nested too deeply"
        "A document is nested at most 48 deep.";
    ALIASES "CW0004" "an alias does not end or expands to too much"
        "Write the value out, or make it an input.";
    LONG_TEXT "CW0005" "a text is too long"
        "A single text holds at most 256 KiB.";
    SEVERAL "CW0006" "more than one document in a file"
        "A workflow is one document: remove the `---` or move the rest to a file of its own.";
    DUPLICATE_KEY "CW0007" "a key stands twice in one mapping"
        "Keep one of the two.";
    KEY_NOT_TEXT "CW0008" "a key is not a text"
        "Keys are plain texts.";
    TAG "CW0009" "tags and directives are not used here"
        "Remove the `!tag` or `%DIRECTIVE`; types come from the schema.";
    CONTROL "CW0010" "a control character where there may be none"
        "Remove it; names are letters, digits and `-`.";

    // The shape of the document, and expressions.
    VERSION "CW0101" "the document does not begin with a version that this program knows"
        "Begin with `cutwater: 1`.";
    UNKNOWN_KEY "CW0102" "a key that does not belong here"
        "Compare with the nearest known name; `cutwater schema` gives the whole list to an editor.";
    NOT_YET "CW0103" "a part of the language that this version does not carry out"
        "Leave it out, or use a newer Cutwater.";
    MISSING_KEY "CW0104" "something that must be said is not said"
        "Add the key.";
    WRONG_KIND "CW0105" "a value of the wrong kind"
        "The message says what is expected and what was found.";
    BAD_NAME "CW0106" "a name that is not allowed"
        "Names of workflows and steps are lower-case letters, digits and `-`, begin with a letter and have at most 64 characters.";
    EXPRESSION "CW0107" "an expression that cannot be right"
        "Every reference must exist and every part must have the right type before anything runs.";
    DUPLICATE_STEP "CW0108" "two steps of the same name"
        "Names are unique in the whole document, inner steps and `finally` included.";
    UNIT "CW0109" "a quantity that cannot be read"
        "Durations look like `500ms`, `60s`, `30m`, `2h`, `1d`; sizes like `80MiB`; rates like `80MiB/s`; times of day like `02:00`.";
    ONE_OF "CW0110" "a step is not exactly one thing"
        "A step has exactly one of `uses`, `hold`, `outage` and `approve`, and only the keys that go with it.";
    INPUTS_ONLY "CW0111" "something that is fixed in the plan reads more than the inputs"
        "`grants`, `limit`, `timeout`, `window` and `lock` read `inputs` only.";
    EMPTY "CW0112" "something is empty that may not be"
        "Add a step, or remove the key.";

    // Inputs.
    UNKNOWN_INPUT "CW0201" "an input that the workflow does not have"
        "Compare with the inputs that the document declares.";
    MISSING_INPUT "CW0202" "an input without a value"
        "Give it with `--input name=value`, or a `default` in the document.";
    BAD_INPUT "CW0203" "an input's value does not fit its type"
        "The message says what is expected.";
    BAD_DECLARATION "CW0204" "an input is not declared well"
        "`type` is one of string, integer, number, boolean, device, path, bytes, duration, enum (with `values`), list or map (with `items`).";

    // Plugins and what they are given.
    UNKNOWN_PLUGIN "CW0301" "a plugin that is not installed"
        "`cutwater plugin list` shows what is installed and where it is looked for.";
    UNKNOWN_ACTION "CW0302" "a plugin has no such step"
        "`cutwater plugin inspect NAME` shows its steps.";
    MISSING_FIELD "CW0303" "`with` lacks something that the step needs"
        "Add it; `cutwater plugin inspect NAME` shows the schema.";
    UNKNOWN_FIELD "CW0304" "`with` has something that the step does not know"
        "Compare with the nearest known name.";
    WRONG_TYPE "CW0305" "`with` has a value of the wrong type"
        "The message says what is expected and what was found.";
    WRONG_USE "CW0306" "a step is used as something that it is not"
        "What holds stands under `hold:`, everything else under `uses:`.";
    BAD_SCHEMA "CW0307" "a plugin describes itself in a way that Cutwater does not read"
        "Its schema steps outside the stated subset of JSON Schema; this is for the plugin's author.";

    // Grants.
    PROGRAM "CW0401" "a program is not granted"
        "Add it to the plugin's `run` list under `grants`.";
    UNGRANTED "CW0402" "something that a step reaches for is not granted"
        "Add it, or a pattern that matches it, to the plugin's list under `grants`.";
    BAD_GRANT "CW0403" "a grant cannot be read"
        "Grants are lists under `run`, `on`, `mount`, `read`, `write`, `units`, `freeze`, `connect` and `secrets`.";
    NO_CONNECT "CW0404" "a step connects, and its plugin may not connect anywhere"
        "Add the address to the plugin's `connect` list under `grants`.";
    GRANT_TO_NOBODY "CW0405" "a grant to a plugin that is not installed"
        "Compare with the nearest plugin's name.";
    NO_SECRET "CW0406" "a secret that this machine does not have"
        "The host's policy names where each secret comes from.";
    NO_ROLE "CW0407" "a role that this machine does not have"
        "The host's policy maps users to roles.";

    // Order.
    CYCLE "CW0501" "steps wait for one another"
        "Remove one of the needs or references on the way round.";
    UNKNOWN_NEED "CW0502" "a need on a step that does not exist"
        "Compare with the nearest step's name.";
    AFTER_THE_END "CW0503" "a step needs one of `finally`"
        "What is under `finally` runs when everything else has ended.";
    NEEDS_AROUND "CW0504" "a step needs itself, or the hold or outage that it stands in"
        "Remove the need: an inner step starts after what encloses it anyway.";

    // Outages, holds and the point of no return.
    NO_UNDO "CW0601" "a step before the point of no return cannot be undone"
        "Move it after the mark, use a step that can be undone, or make it the mark.";
    WAITS_INSIDE "CW0602" "a person is waited for while something is held or down"
        "Approve before the hold or outage begins.";
    DOES_NOT_FIT "CW0603" "an inner limit does not fit into the outer one"
        "Make the inner one shorter or the outer one longer.";
    TWO_MARKS "CW0604" "more than one point of no return"
        "After the first nothing can be undone: split the work into two workflows.";
    MARK_MISPLACED "CW0605" "a point of no return where it cannot be"
        "The mark is a step that changes something, inside an outage, outside any hold, not repeated by `for-each`.";
    RELIES_ON_UNDO "CW0606" "an outage that could not be undone any more"
        "An outage must have ended before the mark, or hold the mark: after it nothing is undone.";
    NOT_FIXED "CW0607" "a `for-each` over something that the plan cannot know"
        "`for-each` goes over inputs or outputs of steps that only check.";
    NO_FOR_EACH "CW0608" "a `for-each` on something that cannot be repeated"
        "Only a step that `uses` a plugin can be repeated.";
    NOT_AT_THE_END "CW0609" "something that cannot stand under `finally`"
        "Under `finally` stand steps that `uses` a plugin, and nothing else.";
    BESIDE_THE_MARK "CW0610" "a step of the outage that may run before or after the point of no return"
        "Until the mark it would be undone, after it not: say with `needs` on which side it belongs.";
    WAITS_FOR_A_WATCH "CW0611" "a watch that something would wait for"
        "A watch goes on until all else has ended: nothing needs it, stands around it, repeats it or comes after it.";
    DIRECT_COPY "CW0612" "a copy that is not read from a snapshot, in a workflow that is no migration"
        "A copy of what lies there may hold files of different moments. It is a last resort of migrations, which say `purpose: migration`; for disaster recovery copy from a snapshot.";
    NOT_STILL "CW0613" "a copy that is said to be quiesced, and nothing is held or down around it"
        "Put it inside the hold or outage that keeps everybody from writing; else it is `live`.";
    LAST_PASS "CW0614" "a last pass that is not read from a snapshot, without a hold or outage and a waiver"
        "The last pass is `quiesced`, inside a hold or outage, and its `waiver: { by, because }` says who answers for it and why. From a snapshot it needs none of that.";

    // Warnings.
    UNUSED_INPUT "CW0901" "an input that nothing reads"
        "Remove it, or use it.";
    UNUSED_GRANT "CW0902" "a grant that nothing needs"
        "Remove it: what is not granted cannot go wrong.";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn codes_are_in_order_and_each_stands_once() {
        assert!(ALL.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
        assert!(ALL.iter().all(|code| code.as_str().len() == 6 && !code.advice().is_empty()));
    }
}
