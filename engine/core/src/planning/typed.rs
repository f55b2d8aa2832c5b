//! What a plugin's own schemas say about one step: whether an input fits, which outputs drift. It must not know plans.

use crate::describe::{Catalog, StepType};
use crate::partial::Partial;
use crate::schema::Type;

/// The description of an action, where there is one.
pub(super) fn describe<'a>(catalog: &'a Catalog, (plugin, action): (&str, &str)) -> Option<&'a StepType> {
    catalog.get(plugin).and_then(|plugin| plugin.steps.get(action))
}

/// Everything in an input that the plugin would not take, as pointer and words.
pub(super) fn misfits(of: &StepType, input: &Partial) -> Vec<(String, String)> {
    match Type::from_schema(&of.input) {
        Ok(wanted) => wanted.accepts_partial(input).err().unwrap_or_default(),
        Err(fault) => vec![(String::new(), fault.to_string())],
    }
}

/// The paths of the outputs that drift.
pub(super) fn estimates(catalog: &Catalog, uses: (&str, &str)) -> Vec<Vec<String>> {
    let schema = describe(catalog, uses).map(|of| &of.output);
    schema.and_then(|schema| Type::from_schema(schema).ok()).map(|of| of.estimates()).unwrap_or_default()
}
