//! The smallest plugin that does something: it keeps a file at a given content. It must not know more than its file.

use cutwater_sdk::*;

plugin! {
    name: "first",
    summary: "Keeps a file at a given content.",
    actions: [Keep],
}

/// Gives a file a content, and the old one back on undo.
pub struct Keep;

/// What `with:` holds.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The file.
    pub path: Path,
    /// Its content.
    pub content: Maybe<String>,
}

/// What later steps can use.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// What was there before; nothing if there was no file.
    pub before: Option<String>,
}

impl Action for Keep {
    const NAME: &'static str = "keep";
    const SUMMARY: &'static str = "Gives a file a content.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().write(&["with:/path"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let before = ctx.host().read_text(input.path.as_str())?;
        let shown = Shown::new([Effect::write(&input.path, &input.content)]);
        Ok(shown.output(Output { before }))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([match ctx.host().read_text(input.path.as_str())? {
            Some(before) => Effect::write(&input.path, before),
            None => Effect::remove(&input.path),
        }]))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let before = ctx.host().read_text(input.path.as_str())?;
        let content = input.content.known()?;
        if before.as_ref() == Some(content) {
            return Ok(Done::Unchanged(Output { before }));
        }
        ctx.host().save(&json!(before))?;
        ctx.host().replace(input.path.as_str(), content.as_bytes())?;
        Ok(Done::Changed(Output { before }))
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        let now = ctx.host().read_text(input.path.as_str())?;
        match story.checkpoint() {
            Some(before) if now.as_ref() == Some(input.content.known()?) => {
                Ok(Probed::Applied(Output { before }))
            }
            _ => Ok(Probed::NotApplied),
        }
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        match story.output::<Output>().map(|output| output.before).or_else(|| story.checkpoint()) {
            Some(Some(before)) => ctx.host().replace(input.path.as_str(), before.as_bytes())?,
            Some(None) => ctx.host().remove(input.path.as_str())?,
            None => return Ok(Done::Unchanged(())),
        }
        Ok(Done::Changed(()))
    }
}
