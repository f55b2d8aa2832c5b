//! `postgres.quiesce`: backup mode, held by one session. Nothing stands still in it; it promises that copies of all
//! volumes taken while it lasts, with the label and the WAL that its release names, make one sound cluster. It must not
//! know how the copies are made.

use crate::address::Address;
use crate::session::Session;
use crate::statement::{ALIVE, BACKUP_STOP, IDENTITY, SEGMENT, backup_start, terminate_own};
use crate::trouble::Trouble;
use crate::{facts, orphan, wal};
use cutwater_sdk::{
    Answer, Context, Deserialize, Done, Effect, Ending, Failure, GiveBack, Hold, JsonSchema, Maybe, Needs,
    Path, Refusal, Serialize, Shown, Stop, Take,
};

/// Backup mode.
pub struct Quiesce;

/// What `with:` holds.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// Where the server is.
    #[serde(default)]
    pub address: Address,
    /// The data directory; with it the plan knows the identity beforehand.
    #[serde(default)]
    pub data: Option<Path>,
}

/// What inner steps can use.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Taken {
    /// The system identifier, as text.
    pub identity: Maybe<String>,
    /// The position from which a copy is replayed.
    pub start: Maybe<String>,
}

/// What a copy needs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Released {
    /// The content of `backup_label`, byte for byte.
    pub label: String,
    /// The content of `tablespace_map`; empty without tablespaces.
    pub spcmap: String,
    /// Where replay begins.
    pub start: String,
    /// How far it must come.
    pub stop: String,
    /// The WAL files in between.
    pub wal: Vec<String>,
}

/// The session whose life is the backup's.
pub struct Held {
    session: Option<Session>,
    start: String,
    segment: u64,
}

impl Hold for Quiesce {
    const NAME: &'static str = "quiesce";
    const SUMMARY: &'static str =
        "Backup mode: copies of several volumes taken inside it make one sound cluster.";
    type Input = Input;
    type Taken = Taken;
    type Released = Released;
    type Held = Held;

    fn needs() -> Needs {
        Needs::default().connect()
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Taken>, Refusal> {
        let to = input.address.connect()?;
        let start = Effect::sql(&to, backup_start(&ctx.mark));
        let reads = [IDENTITY, SEGMENT, ALIVE].map(|text| Effect::sql_read(&to, text));
        let identity = facts::identity(ctx, input.data.as_ref());
        Ok(Shown::new([start].into_iter().chain(reads)).output(Taken { identity, start: Maybe::later() }))
    }

    fn preview_release(ctx: &Context<'_>, input: &Input) -> Result<Shown<Released>, Refusal> {
        let to = input.address.connect()?;
        let effects = [Effect::sql(&to, BACKUP_STOP), Effect::sql(&to, terminate_own(&ctx.mark))];
        Ok(Shown::new(effects).note("the second statement only where the session's holder has died"))
    }

    fn take(ctx: &Context<'_>, input: &Input) -> Result<Take<Held, Taken>, Refusal> {
        let mut session = Session::open(ctx, &input.address)?;
        let identity = session.query(IDENTITY)?.text(0)?;
        let segment = session.query(SEGMENT)?.text(0)?;
        let segment =
            segment.parse().map_err(|_| Refusal::new("protocol", "the WAL segment size is no number"))?;
        let start = match session.query(&backup_start(&ctx.mark)) {
            Err(Trouble::Server { code, words }) if code == "42883" => {
                return Err(Refusal::new("too-old", format!("PostgreSQL 15 or later is needed: {words}")));
            }
            started => started?.text(0)?,
        };
        Ok(Take {
            output: Taken { identity: identity.into(), start: start.clone().into() },
            give_backs: vec![GiveBack::HangUp(session.id())],
            held: Held { session: Some(session), start, segment },
        })
    }

    fn intact(_: &Context<'_>, held: &mut Held) -> Result<(), String> {
        let session = held.session.as_mut().ok_or("the session is closed")?;
        session.query(ALIVE).map(drop).map_err(|trouble| Refusal::from(trouble).message)
    }

    /// Backup mode ends with its session, so a failure here leaves nothing held either.
    fn release(_: &Context<'_>, held: &mut Held, how: Ending) -> Answer<Released> {
        let over = |message: String| -> Stop {
            Failure::new("backup-broken", message, "backup mode is over, without a label").into()
        };
        let mut session = held.session.take().ok_or_else(|| over("the session is closed".into()))?;
        let stopped = session.query(BACKUP_STOP);
        session.close();
        let stopped = match stopped {
            Ok(rows) => rows,
            Err(trouble) => {
                return Err(over(format!("{} (released: {how:?})", Refusal::from(trouble).message)));
            }
        };
        let (stop, label) = (stopped.text(0)?, stopped.text(1)?);
        let spcmap = stopped.at(0, 2).unwrap_or_default().to_owned();
        let positions = wal::position(&held.start).zip(wal::position(&stop)).zip(wal::timeline(&label));
        let ((from, to), timeline) = positions.ok_or_else(|| over("the label is not understood".into()))?;
        let wal = wal::files(timeline, from, to, held.segment);
        Ok(Done::Changed(Released { label, spcmap, start: held.start.clone(), stop, wal }))
    }

    fn release_orphan(ctx: &Context<'_>, input: &Input) -> Answer<()> {
        orphan::end(ctx, &input.address)
    }
}
