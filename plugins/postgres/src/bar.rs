//! `postgres.bar`: lets no client in but this run, from the next connection on. Its undo lets them in again. It must not
//! know sessions that are open already: that is `drain`.

use crate::address::Address;
use crate::hba;
use crate::session::Session;
use crate::statement::{LOADED, RELOAD};
use crate::trouble::Trouble;
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Done, Effect, Failure, Host, JsonSchema, Needs, Path, Probed,
    Refusal, Serialize, Shown, Stop, Story, Undo, Value, json,
};

/// Lets no client in but this run.
pub struct Bar;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// Where the server is; its role alone is let in.
    #[serde(default)]
    pub address: Address,
    /// The server's pg_hba.conf.
    pub hba: Path,
}

/// What an undo saves before it does anything.
#[derive(Debug, Deserialize)]
pub struct Undoing {
    /// Always.
    pub undoing: bool,
}

/// Where clients are barred.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The file.
    pub hba: Path,
}

impl Action for Bar {
    const NAME: &'static str = "bar";
    const SUMMARY: &'static str = "Lets no client in but this run.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().connect().write(&["with:/hba"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let content = hba::barred(&read(ctx, &input.hba)?, &ctx.run, &input.address)?;
        Ok(Shown::new(effects(&input.address, &input.hba, content)?)
            .output(Output { hba: input.hba.clone() }))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        let content = hba::admitted(&read(ctx, &input.hba)?, &ctx.run)?;
        Ok(Shown::new(effects(&input.address, &input.hba, content)?))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let content = hba::barred(&read(ctx, &input.hba)?, &ctx.run, &input.address)?;
        let session = Session::open(ctx, &input.address)?;
        put(ctx, &input.hba, &content, Some(session))?;
        Ok(Done::Changed(Output { hba: input.hba.clone() }))
    }

    fn probe(ctx: &Context<'_>, input: &Input, story: &Story) -> Result<Probed<Output>, Stop> {
        // The file may be as it was, and the server still keep to the one before: undoing again makes it read.
        if story.checkpoint::<Undoing>().is_some_and(|saved| saved.undoing) {
            return Ok(Probed::PartWay(story.checkpoint.clone()));
        }
        match hba::is_barred(&read(ctx, &input.hba)?, &ctx.run)? {
            // Whether the server has read it is not to be seen; applying again makes it.
            true => Ok(Probed::PartWay(None)),
            false => Ok(Probed::NotApplied),
        }
    }

    fn undo(ctx: &Context<'_>, input: &Input, _: &Story) -> Answer<()> {
        ctx.host().save(&json!({ "undoing": true }))?;
        let content = hba::admitted(&read(ctx, &input.hba)?, &ctx.run)?;
        put(ctx, &input.hba, &content, session_if_up(ctx, &input.address)?)?;
        Ok(Done::Changed(()))
    }
}

/// A session, or none where the server is down: that one reads the file when it starts.
pub fn session_if_up(ctx: &Context<'_>, address: &Address) -> Result<Option<Session>, Stop> {
    match Session::open(ctx, address) {
        Ok(session) => Ok(Some(session)),
        Err(trouble) if trouble.is_down() => Ok(None),
        Err(trouble) => Err(trouble.into()),
    }
}

/// The file's text.
pub fn read(ctx: &Context<'_>, hba: &Path) -> Result<String, Refusal> {
    let missing = || Refusal::new("no-such-file", format!("there is no {hba}"));
    ctx.host().read_text(hba.as_str())?.ok_or_else(missing)
}

/// What [`put`] does.
pub fn effects(address: &Address, hba: &Path, content: String) -> Result<Vec<Effect>, Refusal> {
    let to = address.connect()?;
    Ok(vec![Effect::write(hba, content), Effect::sql_read(&to, LOADED), Effect::sql(&to, RELOAD)])
}

/// Replaces the file and makes a running server read it before this returns.
pub fn put(ctx: &Context<'_>, hba: &Path, content: &str, session: Option<Session>) -> Result<(), Stop> {
    if read(ctx, hba)? != content {
        ctx.host().replace(hba.as_str(), content.as_bytes())?;
    }
    let Some(mut session) = session else { return Ok(()) };
    ctx.host().touch();
    let unread = |trouble: Trouble| {
        let refusal = Refusal::from(trouble);
        let left = format!("{hba} is written, and the server has not read it yet");
        Failure::new(refusal.code, refusal.message, left).again()
    };
    match reload(ctx, &mut session) {
        Ok(true) => {
            session.close();
            Ok(())
        }
        Ok(false) => {
            Err(unread(Trouble::Protocol("the server does not read its configuration".into())).into())
        }
        Err(Trouble::Fault(fault)) => Err(fault.into()),
        Err(trouble) => Err(unread(trouble).into()),
    }
}

/// Whether the server, told to, has read its configuration within ten seconds. A session reads it after the postmaster
/// was told, and the postmaster lets nobody in before it has read pg_hba.conf too.
fn reload(ctx: &Context<'_>, session: &mut Session) -> Result<bool, Trouble> {
    let before = session.query(LOADED)?;
    session.query(RELOAD)?;
    let until = ctx.host().monotonic() + 10_000;
    while session.query(LOADED)? == before {
        if ctx.host().monotonic() > until {
            return Ok(false);
        }
        ctx.host().sleep(10)?;
    }
    Ok(true)
}
