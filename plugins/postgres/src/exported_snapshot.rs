//! `postgres.exported-snapshot`: one moment of a database, kept open by one session and exported, so that dumps that begin
//! at different times see that moment. Nobody waits for it. It must not know who looks at it.

use crate::address::Address;
use crate::orphan;
use crate::session::Session;
use crate::statement::{ALIVE, END, EXPORT, IDENTITY, ONE_MOMENT, terminate_own};
use cutwater_sdk::{
    Answer, Context, Deserialize, Done, Effect, Ending, Failure, GiveBack, Hold, JsonSchema, Maybe, Needs,
    Refusal, Serialize, Shown, Stop, Take,
};

/// A moment of a database.
pub struct ExportedSnapshot;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Where the server is, and which database: a snapshot is of one database.
    #[serde(default)]
    pub address: Address,
}

/// What inner steps can use.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Taken {
    /// The system identifier, as text.
    pub identity: Maybe<String>,
    /// The snapshot's name. It can be used as long as the hold lasts.
    pub snapshot: Maybe<String>,
}

/// Nothing: with the hold, the snapshot is gone.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Released {}

/// The session whose transaction is the snapshot's life.
pub struct Held(Option<Session>);

impl Hold for ExportedSnapshot {
    const NAME: &'static str = "exported-snapshot";
    const SUMMARY: &'static str = "One moment of a database: dumps made inside it see that moment.";
    type Input = Input;
    type Taken = Taken;
    type Released = Released;
    type Held = Held;

    fn needs() -> Needs {
        Needs::default().connect()
    }

    fn preview(_: &Context<'_>, input: &Input) -> Result<Shown<Taken>, Refusal> {
        let to = input.address.connect()?;
        let reads = [IDENTITY, ONE_MOMENT, ALIVE].map(|text| Effect::sql_read(&to, text));
        let shown = Shown::new(reads.into_iter().chain([Effect::sql(&to, EXPORT)]));
        let shown = shown.note("vacuum removes no row that was dead at that moment or later while it lasts");
        Ok(shown.output(Taken { identity: Maybe::later(), snapshot: Maybe::later() }))
    }

    fn preview_release(ctx: &Context<'_>, input: &Input) -> Result<Shown<Released>, Refusal> {
        let to = input.address.connect()?;
        let effects = [Effect::sql_read(&to, END), Effect::sql(&to, terminate_own(&ctx.mark))];
        Ok(Shown::new(effects)
            .output(Released {})
            .note("the second statement only where the session's holder has died"))
    }

    fn take(ctx: &Context<'_>, input: &Input) -> Result<Take<Held, Taken>, Refusal> {
        let mut session = Session::open(ctx, &input.address)?;
        let identity = session.query(IDENTITY)?.text(0)?;
        session.query(ONE_MOMENT)?;
        let snapshot = session.query(EXPORT)?.text(0)?;
        Ok(Take {
            output: Taken { identity: identity.into(), snapshot: snapshot.into() },
            give_backs: vec![GiveBack::HangUp(session.id())],
            held: Held(Some(session)),
        })
    }

    fn intact(_: &Context<'_>, held: &mut Held) -> Result<(), String> {
        let session = held.0.as_mut().ok_or("the session is closed")?;
        session.query(ALIVE).map(drop).map_err(|trouble| Refusal::from(trouble).message)
    }

    /// The snapshot ends with its session, so a failure here leaves nothing held either.
    fn release(_: &Context<'_>, held: &mut Held, how: Ending) -> Answer<Released> {
        let over = |message: String| -> Stop {
            Failure::new("snapshot-lost", message, "the snapshot is gone").into()
        };
        let mut session = held.0.take().ok_or_else(|| over("the session is closed".into()))?;
        let ended = session.query(END);
        session.close();
        match ended {
            Ok(_) => Ok(Done::Changed(Released {})),
            Err(trouble) => Err(over(format!("{} (released: {how:?})", Refusal::from(trouble).message))),
        }
    }

    fn release_orphan(ctx: &Context<'_>, input: &Input) -> Answer<()> {
        orphan::end(ctx, &input.address)
    }
}
