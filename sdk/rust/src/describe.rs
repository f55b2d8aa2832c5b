//! What a plugin says of itself, made from the types of its steps. It must not know how it is asked.

use crate::hold::Hold;
use crate::schema;
use crate::step::{Action, Check, Needs, Undo};
use serde_json::{Map, Value, json};

/// One step's entry: its name and its description.
pub type Entry = (&'static str, Value);

/// The entry of a check.
pub fn check<C: Check>() -> Entry {
    let mut entry = base("check", C::SUMMARY, &C::needs(), C::IDENTITIES);
    entry["input"] = schema::of::<C::Input>(true);
    entry["output"] = schema::of::<C::Output>(false);
    (C::NAME, entry)
}

/// The entry of an action.
pub fn action<A: Action>() -> Entry {
    let mut entry = base("action", A::SUMMARY, &A::needs(), A::IDENTITIES);
    entry["input"] = schema::of::<A::Input>(true);
    entry["output"] = schema::of::<A::Output>(false);
    entry["undo"] = json!(A::UNDO);
    if A::WATCH {
        entry["watch"] = json!(true);
    }
    if let (Undo::Discards, Some(scratch)) = (A::UNDO, A::SCRATCH) {
        entry["scratch"] = json!(scratch);
    }
    if let Some(consistency) = A::CONSISTENCY {
        entry["consistency"] = json!(consistency);
    }
    if A::OWN_ONLY {
        entry["own-only"] = json!(true);
    }
    (A::NAME, entry)
}

/// The entry of a hold.
pub fn hold<H: Hold>() -> Entry {
    let mut entry = base("hold", H::SUMMARY, &H::needs(), H::IDENTITIES);
    entry["input"] = schema::of::<H::Input>(true);
    entry["output"] = schema::of::<H::Released>(false);
    entry["taken"] = schema::of::<H::Taken>(false);
    if H::CARRIES {
        entry["carries"] = json!(true);
    }
    (H::NAME, entry)
}

fn base(kind: &str, summary: &str, needs: &Needs, identities: &[&str]) -> Value {
    json!({ "kind": kind, "summary": summary, "needs": needs, "undo": Undo::None, "identities": identities })
}

/// The whole description.
pub fn plugin(name: &str, version: &str, summary: &str, entries: impl IntoIterator<Item = Entry>) -> Value {
    let steps: Map<String, Value> =
        entries.into_iter().map(|(name, entry)| (name.to_owned(), entry)).collect();
    json!({ "name": name, "version": version, "summary": summary, "steps": steps })
}
