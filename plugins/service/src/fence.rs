//! `service.fence`: bars a service from starting by itself, across reboots, until the fence is lifted. The fence file
//! carries the step's mark; somebody else's fence is left alone. It must not know why.

use crate::{Input, needs};
use cutwater_sdk::service::Service;
use cutwater_sdk::{
    Action, Answer, Context, Deserialize, Done, Effect, Host, JsonSchema, Needs, Probed, Refusal, Serialize,
    Shown, Stop, Story, Undo, Value,
};

/// Bars a service from starting by itself.
pub struct Fence;

/// The fence.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The service.
    pub unit: String,
    /// The file that bars it.
    pub file: String,
}

impl Action for Fence {
    const NAME: &'static str = "fence";
    const SUMMARY: &'static str = "Bars a service from starting by itself, also after a reboot.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        needs()
    }

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        let service = Service::find(ctx, &input.unit)?;
        foreign(ctx, &service)?;
        let file = service.fence_file()?;
        let write = Effect::write(&file, service.fence_text(&ctx.mark));
        let effects = [write].into_iter().chain(service.reload_command().as_ref().map(Effect::run));
        Ok(Shown::new(effects).output(Output { unit: input.unit.clone(), file }))
    }

    fn preview_undo(ctx: &Context<'_>, input: &Input) -> Result<Shown<()>, Refusal> {
        Ok(Shown::new(lift_effects(&Service::find(ctx, &input.unit)?)?))
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        let service = Service::find(ctx, &input.unit)?;
        foreign(ctx, &service)?;
        let file = service.fence_file()?;
        ctx.host().replace(&file, service.fence_text(&ctx.mark).as_bytes())?;
        reload(ctx, &service, &format!("the fence {file} is there, and does not count yet"))?;
        // What an earlier attempt of this step had put there is this step's own, to be taken back with it.
        Ok(Done::Changed(Output { unit: input.unit.clone(), file }))
    }

    fn probe(ctx: &Context<'_>, input: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        let service = Service::find(ctx, &input.unit)?;
        Ok(match service.fenced_by(ctx)? {
            // Whether the reload happened is not to be seen; applying again does it again.
            Some(mark) if mark == ctx.mark && service.reload_command().is_some() => Probed::PartWay(None),
            Some(mark) if mark == ctx.mark => {
                Probed::Applied(Output { unit: input.unit.clone(), file: service.fence_file()? })
            }
            _ => Probed::NotApplied,
        })
    }

    fn undo(ctx: &Context<'_>, input: &Input, _: &Story) -> Answer<()> {
        let service = Service::find(ctx, &input.unit)?;
        match service.fenced_by(ctx)? {
            Some(mark) if mark == ctx.mark => lift(ctx, &service),
            _ => Ok(Done::Unchanged(())),
        }
    }
}

fn foreign(ctx: &Context<'_>, service: &Service) -> Result<(), Refusal> {
    let text = ctx.host().read_text(&service.fence_file()?)?;
    match text {
        Some(text) if text != service.fence_text(&ctx.mark) => {
            let first = text.lines().next().unwrap_or_default();
            let message = format!("`{}` is fenced already ({first}); lift that fence first", service.name);
            Err(Refusal::new("fenced-already", message))
        }
        _ => Ok(()),
    }
}

fn reload(ctx: &Context<'_>, service: &Service, left: &str) -> Result<(), Stop> {
    let Some(command) = service.reload_command() else { return Ok(()) };
    let reloaded = ctx.host().run(&command)?;
    match reloaded.success() {
        true => Ok(()),
        false => Err(cutwater_sdk::Failure::new("reload-failed", reloaded.words(), left).again().into()),
    }
}

/// What [`lift`] does.
pub fn lift_effects(service: &Service) -> Result<Vec<Effect>, Refusal> {
    let files = [Some(service.fence_file()?), service.admission()];
    let removed = files.into_iter().flatten().map(Effect::remove);
    Ok(removed.chain(service.reload_command().as_ref().map(Effect::run)).collect())
}

/// Removes the fence.
pub fn lift(ctx: &Context<'_>, service: &Service) -> Answer<()> {
    ctx.host().remove(&service.fence_file()?)?;
    reload(ctx, service, "the fence is removed, and still counts until systemd reads its units again")?;
    if let Some(admission) = service.admission() {
        ctx.host().remove(&admission)?;
    }
    Ok(Done::Changed(()))
}
