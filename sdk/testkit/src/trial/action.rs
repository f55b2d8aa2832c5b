//! Trials of an action: done, done twice, taken back, taken back twice, killed at every point of both, and met by somebody
//! else's object. It must not know what the step does.

use super::{Bench, Scene};
use crate::cases::{Finds, Said};
use crate::host::{Answer, Probed, Verb};
use crate::report::Broken;
use crate::world::Look;

pub fn all(bench: &mut Bench<'_>, undo: bool) {
    bench.attempt("the preview changes nothing", |bench, _| {
        let mut scene = bench.scene()?;
        bench.must_begin(&mut scene)?;
        bench.same(&scene.before, "the preview changed the world")
    });
    let mut after = None;
    bench.attempt("applied, and the probe knows", |bench, _| {
        after = Some(applied(bench)?);
        Ok(())
    });
    // Without knowing what the world is like afterwards nothing else can be judged.
    let Some(after) = after else { return };
    bench.attempt("applied twice", |bench, _| twice(bench, &after));
    bench.attempt("killed at each call of apply, then finished", |bench, times| {
        bench.at_each_point(Verb::Apply, times, begun, |bench, scene| finished(bench, scene, &after, undo))
    });
    if undo {
        bench.attempt("taken back twice", |bench, _| taken_back_twice(bench));
        bench.attempt("killed at each call of apply, then taken back", |bench, times| {
            bench.at_each_point(Verb::Apply, times, begun, taken_back)
        });
        bench.attempt("killed at each call of undo, then again", |bench, times| {
            bench.at_each_point(Verb::Undo, times, done, undone_again)
        });
        if bench.case.later.is_some() {
            bench.attempt("the same, after what later steps did to it", |bench, times| {
                bench.at_each_point(Verb::Undo, times, used, undone_again)
            });
        }
    }
    if bench.case.foreign.is_some() {
        bench.attempt("somebody else's object is left alone", |bench, times| foreign(bench, undo, times));
    }
}

fn begun(bench: &mut Bench<'_>) -> Result<Scene, Broken> {
    let mut scene = bench.scene()?;
    bench.must_begin(&mut scene)?;
    Ok(scene)
}

/// Applied to its end.
fn done(bench: &mut Bench<'_>) -> Result<Scene, Broken> {
    let mut scene = bench.scene()?;
    match bench.apply(&mut scene)? {
        Answer::Changed { .. } => {}
        Answer::Unchanged { .. } => {
            return Err(Broken::of_case("apply says unchanged: the case's setup left nothing to do"));
        }
        other => return Err(Broken::new(format!("apply answered {}", other.words()))),
    }
    scene.story.programs.clear();
    Ok(scene)
}

/// Applied to its end, and what came of it used by later steps.
fn used(bench: &mut Bench<'_>) -> Result<Scene, Broken> {
    let scene = done(bench)?;
    bench.world.go_on(bench.case)?;
    Ok(scene)
}

fn applied(bench: &mut Bench<'_>) -> Result<Look, Broken> {
    let scene = done(bench)?;
    let after = bench.look()?;
    if after.all == scene.before.all {
        return Err(Broken::of_case("apply says changed, and the case's look shows no difference"));
    }
    match (bench.probe(&scene)?, bench.case.probed) {
        (Probed::Applied { .. }, Finds::Applied)
        | (Probed::PartWay { .. }, Finds::PartWay)
        | (Probed::NotApplied, Finds::NotApplied) => Ok(after),
        (other, _) => Err(Broken::new(format!("it is applied, and the probe says {}", other.words()))),
    }
}

fn twice(bench: &mut Bench<'_>, after: &Look) -> Result<(), Broken> {
    let mut scene = done(bench)?;
    // Another run of the same step has no checkpoint.
    scene.story = Default::default();
    let answer = bench.apply(&mut scene)?;
    if said(&answer) != Some(bench.case.again) {
        let wanted = bench.case.again;
        let what =
            format!("the second apply answered {}, the case says `again: {}`", answer.words(), word(wanted));
        return Err(Broken::new(what));
    }
    bench.same(after, "after the second apply the world is not as after the first")
}

fn taken_back_twice(bench: &mut Bench<'_>) -> Result<(), Broken> {
    let mut scene = done(bench)?;
    must_undo(bench, &mut scene, "undo")?;
    bench.restored(&scene, "after undo the world is not as it was before apply")?;
    match bench.probe(&scene)? {
        // Had the undo's answer been lost, part-way would mean the second undo that comes now.
        Probed::NotApplied | Probed::PartWay { .. } => {}
        other => return Err(Broken::new(format!("it is taken back, and the probe says {}", other.words()))),
    }
    must_undo(bench, &mut scene, "the second undo")?;
    bench.restored(&scene, "after the second undo the world is not as it was before apply")
}

/// The probe's word is heeded as a run heeds it; then the world is as if nothing had happened to the engine.
fn finished(bench: &mut Bench<'_>, mut scene: Scene, after: &Look, undo: bool) -> Result<(), Broken> {
    let found = bench.probe(&scene)?;
    match found {
        Probed::Applied { output } => {
            scene.story.output = Some(output);
            bench.same(after, "the probe says applied, and the world is not as after apply")?;
        }
        Probed::NotApplied => {
            bench.restored(&scene, "the probe says not applied, and the world is not as before")?;
            again(bench, &mut scene, after, "not applied")?;
        }
        Probed::PartWay { checkpoint } => {
            scene.story.checkpoint = checkpoint.or(scene.story.checkpoint);
            again(bench, &mut scene, after, "part-way")?;
        }
        Probed::StillRunning => return Err(Broken::new("the probe says still running")),
        Probed::CannotTell { why } => {
            return Err(Broken::new(format!("the probe cannot tell ({why}): a person would have to look")));
        }
    }
    if undo {
        must_undo(bench, &mut scene, "undo after that")?;
        bench.restored(&scene, "finished and then undone, the world is not as it was before apply")?;
    }
    Ok(())
}

/// An attempt after a killed one: unless it says changed, the run would never take it back.
fn again(bench: &mut Bench<'_>, scene: &mut Scene, after: &Look, found: &str) -> Result<(), Broken> {
    match bench.apply(scene)? {
        Answer::Changed { .. } => {}
        other => {
            let what = format!("the probe says {found}, and the next apply answered {}", other.words());
            return Err(Broken::new(what));
        }
    }
    bench.same(after, "applied again, the world is not as after one whole apply")
}

/// Undo comes from any point at which apply may have stopped, with no more known than the checkpoint. Had its answer been
/// lost, part-way would mean that it is taken back once more.
fn taken_back(bench: &mut Bench<'_>, mut scene: Scene) -> Result<(), Broken> {
    must_undo(bench, &mut scene, "undo")?;
    bench.restored(&scene, "after undo the world is not as it was before apply")?;
    match bench.probe(&scene)? {
        Probed::NotApplied => Ok(()),
        Probed::PartWay { .. } => {
            must_undo(bench, &mut scene, "the second undo")?;
            bench.restored(&scene, "after the second undo the world is not as it was before apply")
        }
        other => Err(Broken::new(format!("it is taken back, and the probe says {}", other.words()))),
    }
}

fn undone_again(bench: &mut Bench<'_>, mut scene: Scene) -> Result<(), Broken> {
    match bench.probe(&scene)? {
        Probed::NotApplied => {
            bench.restored(&scene, "the probe says not applied, and undo has not put everything back")?;
        }
        Probed::CannotTell { why } => {
            return Err(Broken::new(format!("the probe cannot tell ({why}): a person would have to look")));
        }
        Probed::Applied { .. } | Probed::PartWay { .. } | Probed::StillRunning => {}
    }
    must_undo(bench, &mut scene, "the second undo")?;
    bench.restored(&scene, "undone again, the world is not as it was before apply")
}

/// It is there before the step is looked at, and in the second round it comes between that look and the step.
fn foreign(bench: &mut Bench<'_>, undo: bool, times: &mut u64) -> Result<(), Broken> {
    let wanted = bench.case.foreign.as_ref().map_or(Said::Refused, |foreign| foreign.answers);
    for late in [false, true] {
        *times += 1;
        let mut scene = bench.scene()?;
        if late {
            bench.must_begin(&mut scene)?;
        }
        bench.world.put_foreign(bench.case)?;
        scene.before = bench.look()?;
        let answer = if late { bench.answer(&mut scene, Verb::Apply)? } else { bench.apply(&mut scene)? };
        bench.same(&scene.before, "apply changed somebody else's object")?;
        if said(&answer) != Some(wanted) {
            let what = format!("apply answered {}, and should have {}", answer.words(), word(wanted));
            return Err(Broken::new(what));
        }
        // The answer may be lost: then it is probed, and taken back.
        scene.story.output = None;
        if let (Probed::Applied { .. }, Said::Refused) = (bench.probe(&scene)?, wanted) {
            return Err(Broken::new("the probe takes somebody else's object for its own"));
        }
        if undo {
            bench.undo(&mut scene)?;
            bench.same(&scene.before, "undo changed somebody else's object")?;
        }
    }
    Ok(())
}

fn must_undo(bench: &Bench<'_>, scene: &mut Scene, which: &str) -> Result<(), Broken> {
    let answer = bench.undo(scene)?;
    match answer.is_done() {
        true => Ok(()),
        false => Err(Broken::new(format!("{which} answered {}", answer.words()))),
    }
}

fn said(answer: &Answer) -> Option<Said> {
    match answer {
        Answer::Changed { .. } => Some(Said::Changed),
        Answer::Unchanged { .. } => Some(Said::Unchanged),
        Answer::Refused(_) => Some(Said::Refused),
        Answer::Failed { .. } | Answer::Unknown { .. } => None,
    }
}

fn word(said: Said) -> &'static str {
    match said {
        Said::Changed => "changed",
        Said::Unchanged => "unchanged",
        Said::Refused => "refused",
    }
}
