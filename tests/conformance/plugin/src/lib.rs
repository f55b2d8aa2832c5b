//! A plugin that keeps a file and a note beside it, once as it should be and in four steps that each break one promise. It
//! must not know how it is found out.

use cutwater_sdk::*;
use std::marker::PhantomData;

plugin! {
    name: "careless",
    summary: "Keeps a file and a note beside it, in one way that is right and four that are not.",
    actions: [Keep<Sound>, Keep<Appends>, Keep<Greedy>, Keep<Hasty>, Keep<Forgetful>],
}

/// What is wrong with a step.
pub trait Flaw {
    /// The step's name.
    const NAME: &'static str;
    /// Each apply adds to the file.
    const APPENDS: bool = false;
    /// Undo removes the file whoever made it.
    const GREEDY: bool = false;
    /// The probe is content with the file alone.
    const HASTY: bool = false;
    /// Undo knows what to do only where apply had answered.
    const FORGETFUL: bool = false;
}

macro_rules! flaws {
    ($($(#[$doc:meta])* $name:ident => $step:literal $(, $flaw:ident)?;)*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl Flaw for $name {
            const NAME: &'static str = $step;
            $(const $flaw: bool = true;)?
        }
    )*};
}

flaws! {
    /// Nothing.
    Sound => "sound";
    /// See [`Flaw::APPENDS`].
    Appends => "appends", APPENDS;
    /// See [`Flaw::GREEDY`].
    Greedy => "greedy", GREEDY;
    /// See [`Flaw::HASTY`].
    Hasty => "hasty", HASTY;
    /// See [`Flaw::FORGETFUL`].
    Forgetful => "forgetful", FORGETFUL;
}

/// Makes a file that carries the mark, and a note beside it.
pub struct Keep<F>(PhantomData<F>);

/// What `with:` holds.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The file.
    pub path: Path,
}

/// What later steps can use.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The file.
    pub path: Path,
}

impl Input {
    fn note(&self) -> String {
        format!("{}.note", self.path.as_str())
    }

    fn file(&self, ctx: &Context<'_>) -> Result<Option<String>, Refusal> {
        Ok(ctx.host().read_text(self.path.as_str())?)
    }

    fn has_note(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        Ok(ctx.host().read_text(&self.note())?.is_some())
    }

    fn output(&self) -> Output {
        Output { path: self.path.clone() }
    }
}

fn ours(ctx: &Context<'_>, text: &str) -> bool {
    text.starts_with(&ctx.mark)
}

/// What the file is to hold, given what it holds.
fn content<F: Flaw>(ctx: &Context<'_>, now: Option<&str>) -> Result<String, Refusal> {
    match now {
        Some(text) if !ours(ctx, text) => {
            Err(Refusal::new("somebody-elses", "the file is there, and not of this step"))
        }
        Some(text) if F::APPENDS => Ok(format!("{text}{}\n", ctx.mark)),
        _ => Ok(format!("{}\n", ctx.mark)),
    }
}

impl<F: Flaw> Action for Keep<F> {
    const NAME: &'static str = F::NAME;
    const SUMMARY: &'static str = "Makes a file that carries the mark, and a note beside it.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().write(&["with:/path"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let content = content::<F>(ctx, input.file(ctx)?.as_deref())?;
        let effects = [Effect::write(&input.path, content), Effect::write(input.note(), "made\n")];
        Ok(Shown::new(effects).output(input.output()))
    }

    fn preview_undo(_: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new([Effect::remove(input.note()), Effect::remove(&input.path)]))
    }

    fn apply(ctx: &Context<'_>, input: &Input, checkpoint: Option<Value>) -> Answer<Output> {
        let now = input.file(ctx)?;
        let content = content::<F>(ctx, now.as_deref())?;
        let done = now.as_ref() == Some(&content) && input.has_note(ctx)?;
        if done && checkpoint.is_none() {
            return Ok(Done::Unchanged(input.output()));
        }
        ctx.host().save(&json!("begun"))?;
        ctx.host().replace(input.path.as_str(), content.as_bytes())?;
        ctx.host().replace(&input.note(), b"made\n")?;
        Ok(Done::Changed(input.output()))
    }

    fn probe(ctx: &Context<'_>, input: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        Ok(match input.file(ctx)? {
            Some(text) if !ours(ctx, &text) => Probed::NotApplied,
            Some(_) if F::HASTY || input.has_note(ctx)? => Probed::Applied(input.output()),
            Some(_) => Probed::PartWay(None),
            None => Probed::NotApplied,
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, story: &Story) -> Answer<()> {
        if F::FORGETFUL && story.output.is_none() {
            return Ok(Done::Unchanged(()));
        }
        match input.file(ctx)? {
            Some(text) if ours(ctx, &text) || F::GREEDY => {
                ctx.host().remove(&input.note())?;
                ctx.host().remove(input.path.as_str())?;
                Ok(Done::Changed(()))
            }
            _ => Ok(Done::Unchanged(())),
        }
    }
}
