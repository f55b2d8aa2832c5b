//! A plan without asking any plugin: previews that show nothing, and outputs made up from the plugins' own schemas. It
//! must not know a system: what a step would really give is not known here.

use cutwater_core::answer::{Answer, Refusal};
use cutwater_core::check::{Checked, Given};
use cutwater_core::describe::{Catalog, Needs, StepType};
use cutwater_core::document::Document;
use cutwater_core::effect::Shown;
use cutwater_core::grant::Grants;
use cutwater_core::names::StepName;
use cutwater_core::partial::Partial;
use cutwater_core::plan::{Plan, PlanStep};
use cutwater_core::planning::{self, Facts, PlanningFailure, PlanningFault, Previewer};
use cutwater_core::schema::{Type, Unit};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How long made-up lists are tried to be: an expression may read the third of something.
const LENGTHS: [usize; 4] = [2, 4, 8, 16];

/// What steps give in a simulated run.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    given: BTreeMap<StepName, Value>,
    taken: BTreeMap<StepName, Value>,
}

impl Outputs {
    /// Of a step that is done; of a hold that is given back.
    pub fn of(&self, step: &StepName) -> Value {
        self.given.get(step).cloned().unwrap_or_else(|| json!({}))
    }

    /// Of a hold that is taken.
    pub fn taken(&self, step: &StepName) -> Value {
        self.taken.get(step).cloned().unwrap_or_else(|| json!({}))
    }
}

/// The inputs as given; those that have neither a value nor a default are made up from their types.
pub fn given_or_made_up(document: &Document, given: Given) -> Given {
    let mut values = given.values;
    for input in document.inputs.iter().filter(|input| input.default.is_none()) {
        let name = &input.name.value;
        if !values.contains_key(name)
            && let Ok(of) = Type::from_schema(&input.schema)
        {
            values.insert(name.clone(), made_up(&of, name, 1));
        }
    }
    Given { values, partial: false }
}

/// Plans a checked document over made-up outputs. Grants are not looked at again, the window counts as open.
///
/// # Errors
/// What does not fit together even so: an expression without a value, a `for-each` that is not known beforehand.
pub fn plan(checked: &Checked, catalog: &Catalog) -> Result<(Plan, Outputs), PlanningFailure> {
    let facts = Facts { catalog: without_needs(catalog), ..Facts::default() };
    let mut result = Err(PlanningFailure { faults: Vec::new() });
    for length in LENGTHS {
        let mut previewer = MadeUp { catalog, length, outputs: Outputs::default() };
        result = planning::plan(checked.clone(), &facts, &mut previewer).map(|plan| {
            let plan = Plan { document: String::new(), window: None, ..plan };
            (plan, previewer.outputs)
        });
        let longer = |failure: &PlanningFailure| {
            failure.faults.iter().any(|fault| matches!(fault, PlanningFault::Unfit { .. }))
        };
        if !result.as_ref().is_err_and(longer) {
            break;
        }
    }
    result
}

/// What steps need granted is held against real values elsewhere; made-up ones would only be in the way.
fn without_needs(catalog: &Catalog) -> Catalog {
    let mut catalog = catalog.clone();
    for step in catalog.values_mut().flat_map(|plugin| plugin.steps.values_mut()) {
        step.needs = Needs::default();
    }
    catalog
}

struct MadeUp<'a> {
    catalog: &'a Catalog,
    length: usize,
    outputs: Outputs,
}

impl MadeUp<'_> {
    fn described(&self, step: &PlanStep) -> Option<&StepType> {
        let (plugin, action) = step.body.uses()?;
        self.catalog.get(plugin)?.steps.get(action)
    }

    fn make_up(&mut self, step: &PlanStep) -> Value {
        let of = |schema: &Value| {
            Type::from_schema(schema).map_or_else(|_| json!({}), |of| made_up(&of, "value", self.length))
        };
        let Some(described) = self.described(step) else { return json!({}) };
        let given = of(&described.output);
        let taken = described.taken.as_ref().map(of);
        self.outputs.taken.extend(taken.map(|taken| (step.name.clone(), taken)));
        self.outputs.given.insert(step.name.clone(), given.clone());
        given
    }
}

impl Previewer for MadeUp<'_> {
    fn check(&mut self, step: &PlanStep, _: Value, _: &Grants) -> Answer {
        Answer::Changed { output: self.make_up(step) }
    }

    fn preview(&mut self, step: &PlanStep, _: Partial, _: &Grants, _: bool) -> Result<Shown, Refusal> {
        self.make_up(step);
        Ok(Shown { output: Partial::after(step.name.as_str()), ..Shown::default() })
    }
}

/// A value of the type; `name` shows in texts, lists have `length` different items.
fn made_up(of: &Type, name: &str, length: usize) -> Value {
    match of {
        Type::Null => Value::Null,
        Type::Boolean => json!(true),
        Type::Integer { least, most } => json!(least.unwrap_or(1).min(most.unwrap_or(i64::MAX))),
        Type::Number => json!(1.0),
        Type::Any | Type::Text => json!(name),
        Type::Unit(Unit::Device) => json!(format!("/dev/simulated/{name}")),
        Type::Unit(Unit::Path) => json!(format!("/simulated/{name}")),
        Type::Unit(unit) => json!(unit.example()),
        Type::Enum(words) => words.first().map_or(Value::Null, |word| json!(word)),
        Type::Array(item) => {
            (1..=length).map(|n| made_up(item, &format!("{name}-{n}"), length)).collect::<Vec<_>>().into()
        }
        Type::Object(fields) => {
            let mut map = Map::new();
            for (name, field) in &fields.named {
                map.insert(name.clone(), made_up(&field.of, name, length));
            }
            Value::Object(map)
        }
        Type::Nullable(of) => made_up(of, name, length),
    }
}
