//! `lvm.snapshot`: a classic snapshot of one volume. It must not know what is read from it.
//!
//! LVM freezes a mounted file system itself while it makes one; freezing it before makes LVM fail half-way (kernel 6.1).
//! An `lvcreate` that is killed leaves a volume that is no snapshot yet, or an origin on which every write hangs; both are
//! found here by the tag, which LVM writes with the very first step, and by the origin's state.

use crate::report::Volume;
use crate::{name, report};
use cutwater_lvm2::sizing;
use cutwater_sdk::{
    Action, Answer, Bytes, Command, Context, Deserialize, Device, Done, Effect, Failure, Host, JsonSchema,
    Maybe, Needs, Probed, Refusal, Serialize, Shown, Stop, Story, Undo, Value,
};

/// Takes a snapshot.
pub struct Snapshot;

/// Of what, and how large.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// The volume group.
    pub vg: String,
    /// The volume.
    pub origin: String,
    /// Size of the store that keeps what changes; `lvm.check-extents` gives it as `cow`.
    pub size: Maybe<Bytes>,
    /// Size of a chunk, a power of two from 4KiB to 512KiB; 16KiB if absent.
    pub chunk: Option<Maybe<Bytes>>,
    /// The snapshot's name; ORIGIN-cutwater if absent.
    pub name: Option<String>,
    /// The physical volume that its store is kept on, as `lvm.lend-extents` gives it as `device`; wherever there is room if
    /// absent.
    pub on: Option<Maybe<Device>>,
}

/// The snapshot.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// GROUP/NAME.
    pub id: String,
    /// Its device.
    pub device: Device,
    /// The device of its exception store.
    pub store: Device,
    /// The origin's device.
    pub origin: Device,
    /// The origin's uuid.
    pub identity: Maybe<String>,
    /// The snapshot's uuid.
    pub uuid: Maybe<String>,
    /// Size of a chunk.
    pub chunk: Maybe<Bytes>,
}

struct Names<'a> {
    group: &'a str,
    origin: &'a str,
    name: String,
}

impl Input {
    fn names(&self) -> Result<Names<'_>, Refusal> {
        let (group, origin) = (name::plain(&self.vg)?, name::plain(&self.origin)?);
        let name = self.name.clone().unwrap_or_else(|| format!("{origin}-cutwater"));
        name::plain(&name)?;
        Ok(Names { group, origin, name })
    }

    fn chunk(&self) -> Maybe<Bytes> {
        self.chunk.clone().unwrap_or(Maybe::Known(Bytes(sizing::CHUNK)))
    }
}

impl Names<'_> {
    fn output(&self, origin: &Volume, uuid: Maybe<String>, chunk: Maybe<Bytes>) -> Output {
        Output {
            id: self.id(),
            device: name::device(self.group, &self.name).into(),
            store: name::store(self.group, &self.name).into(),
            origin: name::device(self.group, self.origin).into(),
            identity: Maybe::Known(origin.uuid.clone()),
            uuid,
            chunk,
        }
    }

    fn id(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }

    fn create(&self, ctx: &Context<'_>, input: &Input) -> Command {
        let bytes = |size: Maybe<Bytes>| format!("{}b", size.map(|bytes| bytes.0));
        Command::new("lvcreate")
            .args([
                "-s",
                "-y",
                "-n",
                &self.name,
                "-L",
                &bytes(input.size.clone()),
                "-c",
                &bytes(input.chunk()),
            ])
            .args(["--addtag", &ctx.mark, &format!("{}/{}", self.group, self.origin)])
            .args(&input.on)
    }

    fn remove(&self) -> Command {
        Command::new("lvremove").arg("-y").arg(self.id())
    }

    /// Loads the origin's table anew and resumes it. Bare `dmsetup resume` would map it onto nothing.
    fn refresh(&self) -> Command {
        Command::new("lvchange").arg("--refresh").arg(format!("{}/{}", self.group, self.origin))
    }

    fn look(&self, ctx: &Context<'_>) -> Result<Look, Refusal> {
        let all = report::volumes(ctx, self.group)?;
        let origin = report::find(&all, self.group, self.origin)?.clone();
        let ours = all.into_iter().find(|volume| volume.name == self.name);
        Ok(Look { origin, snapshot: ours })
    }

    fn must_be_free(&self, ctx: &Context<'_>, look: &Look) -> Result<(), Refusal> {
        if let Some(other) = look.snapshot.as_ref().filter(|volume| !volume.carries(&ctx.mark)) {
            return Err(Refusal::new(
                "name-taken",
                format!(
                    "`{}/{}` exists and is not this step's; remove it or give another `name`",
                    self.group, other.name
                ),
            ));
        }
        if look.origin.is_snapshot() {
            return Err(Refusal::new(
                "is-a-snapshot",
                format!("`{}/{}` is a snapshot itself", self.group, self.origin),
            ));
        }
        Ok(())
    }
}

struct Look {
    origin: Volume,
    snapshot: Option<Volume>,
}

/// What there is of the snapshot.
enum State<'a> {
    Nothing,
    Half(String),
    Whole(&'a Volume),
}

impl Look {
    fn state(&self, mark: &str) -> State<'_> {
        let half = |what: &str| State::Half(what.to_owned());
        match self.snapshot.as_ref().filter(|volume| volume.carries(mark)) {
            _ if self.origin.suspended() => half("the origin is suspended: every access to it hangs"),
            None => State::Nothing,
            Some(volume) if volume.invalid => half("the snapshot is invalid"),
            Some(volume) if !volume.is_snapshot() || !volume.active() || volume.suspended() => {
                half("the volume exists and is no working snapshot yet")
            }
            Some(volume) if volume.origin.as_deref() != Some(self.origin.name.as_str()) => {
                half("the volume is a snapshot of something else")
            }
            Some(volume) => State::Whole(volume),
        }
    }
}

impl Action for Snapshot {
    const NAME: &'static str = "snapshot";
    const SUMMARY: &'static str = "Takes a classic snapshot of a volume.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["lvcreate", "lvremove", "lvchange"])
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let names = input.names()?;
        let look = names.look(ctx)?;
        names.must_be_free(ctx, &look)?;
        let shown = Shown::new([Effect::run(&names.create(ctx, input))]).output(names.output(
            &look.origin,
            Maybe::later(),
            input.chunk(),
        ));
        Ok(match input.size.get() {
            Some(size) => shown.bytes(size.0),
            None => shown,
        })
    }

    fn preview_undo(_ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        let names = input.names()?;
        let effects = [Effect::run(&names.remove()), Effect::run(&names.refresh())];
        Ok(Shown::new(effects).output(()).note("the refresh runs only if the origin was left suspended"))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _checkpoint: Option<Value>) -> Answer<Output> {
        let names = input.names()?;
        let before = names.look(ctx)?;
        names.must_be_free(ctx, &before)?;
        if let State::Whole(volume) = before.state(&ctx.mark) {
            return Ok(Done::Changed(made(&names, &before.origin, volume)));
        }
        if let State::Half(what) = before.state(&ctx.mark) {
            return Err(Failure::new("half-made", what, "what an earlier attempt left").into());
        }
        let told = ctx.host().run(&names.create(ctx, input))?;
        let after = asked_after(names.look(ctx), "perhaps the snapshot")?;
        match (after.state(&ctx.mark), told.success()) {
            (State::Whole(volume), true) => Ok(Done::Changed(made(&names, &after.origin, volume))),
            (State::Nothing, false) => Err(Refusal::new("lvcreate", told.words()).into()),
            (State::Nothing, true) => {
                Err(Stop::Unknown("lvcreate ended well, and there is no such snapshot".to_owned()))
            }
            (State::Half(what), _) => Err(Failure::new("half-made", told.words(), what).into()),
            (State::Whole(_), false) => Err(Failure::new("lvcreate", told.words(), "the snapshot").into()),
        }
    }

    fn probe(ctx: &Context<'_>, input: &Input, _story: &Story) -> Result<Probed<Output>, Stop> {
        let names = input.names()?;
        let look = names.look(ctx)?;
        Ok(match look.state(&ctx.mark) {
            State::Nothing => Probed::NotApplied,
            State::Half(_) => Probed::PartWay(None),
            State::Whole(volume) => Probed::Applied(made(&names, &look.origin, volume)),
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, _story: &Story) -> Answer<()> {
        let names = input.names()?;
        let before = names.look(ctx)?;
        let mine = before.snapshot.as_ref().is_some_and(|volume| volume.carries(&ctx.mark));
        if !mine && !before.origin.suspended() {
            return Ok(Done::Unchanged(()));
        }
        if mine {
            must(ctx, &names.remove(), "the snapshot")?;
        }
        // The first refresh of a suspended origin loads a table that still looks for snapshots, the second a plain one.
        for _ in 0..2 {
            if before.origin.suspended() {
                must(ctx, &names.refresh(), "the origin is suspended: every access to it hangs")?;
            }
        }
        let after = names.look(ctx)?;
        if after.origin.suspended() {
            let left = "the origin is suspended: every access to it hangs; try `lvchange --refresh`";
            return Err(Failure::new("suspended", "the origin did not resume", left).again().into());
        }
        Ok(Done::Changed(()))
    }
}

fn made(names: &Names<'_>, origin: &Volume, volume: &Volume) -> Output {
    names.output(origin, Maybe::Known(volume.uuid.clone()), Maybe::Known(Bytes(volume.chunk)))
}

/// What LVM tells behind a change: where it cannot be asked, the step is not refused, for the change may be there.
pub(crate) fn asked_after<T>(told: Result<T, Refusal>, left: &str) -> Result<T, Stop> {
    told.map_err(|refusal| Failure::new(refusal.code, refusal.message, left).again().into())
}

/// Runs a program that must end well.
pub(crate) fn must(ctx: &Context<'_>, command: &Command, left: &str) -> Result<(), Stop> {
    let told = ctx.host().run(command)?;
    match told.success() {
        true => Ok(()),
        false => Err(Failure::new(&*command.program, told.words(), left).again().into()),
    }
}
