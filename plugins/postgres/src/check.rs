//! `postgres.check`: asks the server who it is and, where wanted, a question, in a transaction that cannot write. It must
//! not know what the answer is for.

use crate::address::Address;
use crate::session::Session;
use crate::statement::{END, IDENTITY, READ_ONLY};
use cutwater_sdk::{Context, Deserialize, Effect, JsonSchema, Maybe, Needs, Refusal, Serialize, Shown, json};

/// Asks the server.
pub struct Check;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Input {
    /// Where the server is.
    #[serde(default)]
    pub address: Address,
    /// The identity that the cluster must have.
    #[serde(default)]
    pub same_as: Option<Maybe<String>>,
    /// One statement that reads.
    #[serde(default)]
    pub query: Option<String>,
    /// What the first value of the first row must be.
    #[serde(default)]
    pub expect: Option<String>,
    /// What the first value of the first row must be, from another step.
    #[serde(default)]
    pub equals: Option<Maybe<String>>,
    /// What the first value of the first row, a whole number, must not be less than.
    #[serde(default)]
    pub at_least: Option<Maybe<String>>,
}

/// What it answered.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The system identifier, as text.
    pub identity: String,
    /// The first value of the first row.
    pub value: Option<String>,
    /// All rows.
    pub rows: Vec<Vec<Option<String>>>,
}

impl cutwater_sdk::Check for Check {
    const NAME: &'static str = "check";
    const SUMMARY: &'static str = "Asks the server who it is, and a question whose answer may be compared.";
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().connect()
    }

    /// Planning does not connect: the answer is known after the step.
    fn preview(_: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let to = input.address.connect()?;
        let mut effects = vec![Effect::sql_read(&to, IDENTITY)];
        if let Some(query) = &input.query {
            effects.extend([READ_ONLY, query, END].map(|text| Effect::sql_read(&to, text)));
        }
        Ok(Shown::new(effects))
    }

    fn run(ctx: &Context<'_>, input: &Input) -> Result<Output, Refusal> {
        let mut session = Session::open(ctx, &input.address)?;
        let identity = session.query(IDENTITY)?.text(0)?;
        if let Some(wanted) = &input.same_as {
            compare("the cluster's identity", &identity, wanted.known()?)?;
        }
        let mut rows = Vec::new();
        if let Some(query) = &input.query {
            session.query(READ_ONLY)?;
            rows = session.single(query)?.0;
            session.query(END)?;
        }
        session.close();
        let value = rows.first().and_then(|row| row.first()).cloned().flatten();
        let shown = value.as_deref().unwrap_or("nothing");
        if let Some(wanted) = &input.expect {
            compare("the answer", shown, wanted)?;
        }
        if let Some(wanted) = &input.equals {
            compare("the answer", shown, wanted.known()?)?;
        }
        if let Some(least) = &input.at_least {
            not_less(shown, least.known()?)?;
        }
        Ok(Output { identity, value, rows })
    }
}

fn not_less(found: &str, least: &str) -> Result<(), Refusal> {
    match (found.parse::<i128>(), least.parse::<i128>()) {
        (Ok(number), Ok(wanted)) if number >= wanted => Ok(()),
        (Ok(_), Ok(_)) => {
            let details = json!({ "found": found, "least": least });
            let message = format!("the answer is {found}, and should be {least} at least");
            Err(Refusal::new("too-few", message).details(details))
        }
        _ => {
            let message = format!("`at-least` compares whole numbers, not {found} and {least}");
            Err(Refusal::new("invalid-input", message))
        }
    }
}

fn compare(what: &str, found: &str, wanted: &str) -> Result<(), Refusal> {
    if found == wanted {
        return Ok(());
    }
    let details = json!({ "found": found, "wanted": wanted });
    Err(Refusal::new("not-the-same", format!("{what} is {found}, and should be {wanted}")).details(details))
}
