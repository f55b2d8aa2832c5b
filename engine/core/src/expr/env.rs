//! What an expression may read, by type. It must not know values.

use crate::schema::Type;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The names that stand for something by themselves.
pub const ROOTS: [&str; 5] = ["inputs", "steps", "each", "run", "hosts"];

/// The types of the roots that may be read in one place of a document. Cheap to copy.
#[derive(Debug, Clone, Default)]
pub struct Env {
    roots: BTreeMap<&'static str, Arc<Type>>,
}

impl Env {
    /// Nothing may be read.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, and `root` (one of [`ROOTS`]) may be read too. For `steps` the type is an object with a place for each
    /// step: nullable where the step may be skipped.
    #[must_use]
    pub fn with(mut self, root: &str, of: impl Into<Arc<Type>>) -> Self {
        if let Some(root) = ROOTS.into_iter().find(|known| *known == root) {
            self.roots.insert(root, of.into());
        }
        self
    }

    pub(super) fn root(&self, name: &str) -> Option<&Type> {
        self.roots.get(name).map(Arc::as_ref)
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.roots.keys().copied().collect()
    }
}

/// The type of `run`: `id` and `workflow`.
pub fn run_type() -> Type {
    Type::object([("id", Type::Text), ("workflow", Type::Text)])
}

/// The value of `run`.
pub fn run_value(id: &str, workflow: &str) -> Value {
    json!({ "id": id, "workflow": workflow })
}
