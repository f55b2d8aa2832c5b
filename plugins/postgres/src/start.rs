//! `postgres.start`: starts the server's service with clients still barred, and waits until it answers. Its undo stops it.
//! It must not know which volume it starts on.

use crate::address::Address;
use crate::session::Session;
use crate::statement::IDENTITY;
use crate::trouble::Trouble;
use crate::{bar, hba};
use cutwater_sdk::service::{Service, State};
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Done, Duration, Effect, Failure, Host, JsonSchema, Maybe, Needs,
    Path, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Starts the server with clients barred.
pub struct Start;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// The service: a unit of systemd, or a name that the host's policy declares.
    pub unit: String,
    /// Where the server will be.
    #[serde(default)]
    pub address: Address,
    /// The server's pg_hba.conf; needed with `only-cutwater`.
    #[serde(default)]
    pub hba: Option<Path>,
    /// Who may come in from the first moment on.
    #[serde(default)]
    pub admit: Whom,
    /// How long it may take until it answers; 60s if none.
    #[serde(default)]
    pub within: Option<Duration>,
}

/// Who may come in from the first moment on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// This run alone: `bar` must have been done and not been taken back.
    #[default]
    OnlyCutwater,
    /// Whoever pg_hba.conf lets in.
    Everyone,
}

/// What answers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The system identifier, as text.
    pub identity: Maybe<String>,
}

impl Action for Start {
    const NAME: &'static str = "start";
    const SUMMARY: &'static str = "Starts the server with clients barred and waits until it answers.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().connect().units(&["with:/unit"]).write(&["with:/hba"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        if input.admit == Whom::OnlyCutwater && input.hba.is_none() {
            return Err(Refusal::new(
                "invalid-input",
                "`admit: only-cutwater` needs `hba`, the server's pg_hba.conf",
            ));
        }
        let mut effects = Service::find(ctx, &input.unit)?.start_effects(ctx)?;
        effects.push(Effect::sql_read(&input.address.connect()?, IDENTITY));
        Ok(Shown::new(effects).output(Output { identity: Maybe::later() }))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new(Service::find(ctx, &input.unit)?.stop_effects()?))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        barred(ctx, input)?;
        let within = input.within.map_or(60_000, |within| within.0);
        let until = ctx.host().monotonic() + within;
        let started = Service::find(ctx, &input.unit)?.start(ctx)?;
        loop {
            match identity(ctx, input) {
                Ok(identity) if started => return Ok(Done::Changed(Output { identity: identity.into() })),
                Ok(identity) => return Ok(Done::Unchanged(Output { identity: identity.into() })),
                Err(trouble) if trouble.is_down() && ctx.host().monotonic() < until => {
                    ctx.host().sleep(50)?
                }
                Err(Trouble::Fault(fault)) if fault.is_stopping() => return Err(fault.into()),
                Err(trouble) => {
                    let why = Refusal::from(trouble);
                    let left = format!("`{}` is started, and does not answer", input.unit);
                    return Err(Failure::new("no-answer", why.message, left).again().into());
                }
            }
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        Ok(match Service::find(ctx, &input.unit)?.state(ctx)? {
            State::Stopped => Probed::NotApplied,
            State::Changing => Probed::StillRunning,
            State::Running => match identity(ctx, input) {
                Ok(identity) => Probed::Applied(Output { identity: identity.into() }),
                Err(trouble) if trouble.is_down() => Probed::StillRunning,
                Err(trouble) => Probed::CannotTell(Refusal::from(trouble).message),
            },
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, _: &Story) -> Answer<()> {
        match Service::find(ctx, &input.unit)?.stop(ctx)? {
            true => Ok(Done::Changed(())),
            false => Ok(Done::Unchanged(())),
        }
    }
}

/// A server that starts with clients let in could take writes that an undo would lose.
fn barred(ctx: &Context<'_>, input: &Input) -> Result<(), Refusal> {
    match (&input.hba, input.admit) {
        (_, Whom::Everyone) => Ok(()),
        (Some(file), Whom::OnlyCutwater) if hba::is_barred(&bar::read(ctx, file)?, &ctx.run)? => Ok(()),
        (Some(file), Whom::OnlyCutwater) => {
            let message =
                format!("clients are not barred by this run in {file}; `postgres.bar` comes before");
            Err(Refusal::new("not-barred", message))
        }
        (None, Whom::OnlyCutwater) => {
            Err(Refusal::new("invalid-input", "`admit: only-cutwater` needs `hba`"))
        }
    }
}

fn identity(ctx: &Context<'_>, input: &Input) -> Result<String, Trouble> {
    let mut session = Session::open(ctx, &input.address)?;
    let identity = session.query(IDENTITY)?.text(0)?;
    session.close();
    Ok(identity)
}
