//! Trials of one case: a world made anew for each attempt, the calls that a run would make in it, and looks at what came of
//! them. It must not know how calls are made.
//!
//! ```text
//! make the world → look → prepare → call, or a call that dies at point n → probe → go on or take back → look
//! ```

mod action;
mod check;
mod hold;

use crate::cases::{Case, Cases};
use crate::host::{Answer, Ask, Ended, Heard, Host, Kind, Prepared, Probed, Refusal, Story, Verb};
use crate::report::{Broken, Report, Trial};
use crate::world::{Look, World};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a program that a dead process started may go on, and how long a probe may say "still running".
const PATIENCE: Duration = Duration::from_secs(60);
/// From one look whether it still runs to the next.
const PAUSE: Duration = Duration::from_millis(20);
/// More points than this and the step calls capabilities without end.
const MOST_POINTS: u64 = 2000;

/// Tries every case (or the one called `only`) in worlds below `place`.
pub fn run(host: &dyn Host, cases: &Cases, only: Option<&str>, place: &Path) -> Report {
    let mut report = Report::default();
    for case in cases.cases.iter().filter(|case| only.is_none_or(|only| case.name == only)) {
        let mut bench = Bench { host, case, world: World::below(place), trials: Vec::new() };
        match host.about(&case.step) {
            None => bench.attempt("the step is there", |_, _| {
                Err(Broken::of_case(format!("the plugin has no step `{}`", case.step)))
            }),
            Some(about) => match about.kind {
                Kind::Check => check::all(&mut bench),
                Kind::Action => action::all(&mut bench, about.undo),
                Kind::Hold => hold::all(&mut bench),
            },
        }
        bench.attempt("the world is taken apart", |bench, _| bench.world.end(case));
        report.trials.append(&mut bench.trials);
    }
    report
}

/// One case on trial.
struct Bench<'a> {
    host: &'a dyn Host,
    case: &'a Case,
    world: World,
    trials: Vec<Trial>,
}

/// A world that was just made, and the attempt in it.
struct Scene {
    before: Look,
    input: Value,
    grants: Value,
    ready: Prepared,
    story: Story,
}

impl Bench<'_> {
    /// Tries one thing; what it counts is how often.
    fn attempt(&mut self, tried: &'static str, work: impl FnOnce(&mut Self, &mut u64) -> Result<(), Broken>) {
        let mut times = 0;
        let broken = work(self, &mut times).err();
        let (case, step) = (self.case.name.clone(), self.case.step.clone());
        self.trials.push(Trial { case, step, tried, times: times.max(1), broken });
    }

    /// A new world, looked at.
    fn scene(&mut self) -> Result<Scene, Broken> {
        self.world.make(self.case)?;
        Ok(Scene {
            before: self.look()?,
            input: self.world.fill(&Value::Object(self.case.with.clone())),
            grants: self.world.fill(&Value::Object(self.case.grants.clone())),
            ready: Prepared::default(),
            story: Story::default(),
        })
    }

    fn look(&self) -> Result<Look, Broken> {
        self.world.look(self.case)
    }

    fn same(&self, wanted: &Look, what: &str) -> Result<(), Broken> {
        let now = self.look()?;
        match now.all == wanted.all {
            true => Ok(()),
            false => Err(Broken::differs(what, &wanted.all, &now.all)),
        }
    }

    /// What undo answers for is as it was before.
    fn restored(&self, scene: &Scene, what: &str) -> Result<(), Broken> {
        let now = self.look()?;
        match now.kept == scene.before.kept {
            true => Ok(()),
            false => Err(Broken::differs(what, &scene.before.kept, &now.kept)),
        }
    }

    fn ask(&self, scene: &Scene, verb: Verb) -> Ask {
        let admitted = match verb {
            Verb::Apply => scene.ready.effects.clone(),
            Verb::Undo | Verb::ReleaseOrphan => scene.ready.undo.clone(),
            // A hold is given back by the very call that took it.
            Verb::Hold => both(&scene.ready),
            Verb::Probe => Value::Array(Vec::new()),
        };
        Ask {
            step: self.case.step.clone(),
            verb,
            input: scene.input.clone(),
            grants: scene.grants.clone(),
            admitted,
            story: scene.story.clone(),
        }
    }

    /// The last look before an intent, and the intent.
    fn begin(&self, scene: &mut Scene) -> Result<(), Refusal> {
        scene.ready = self.host.prepare(&self.ask(scene, Verb::Apply))?;
        scene.story.intent = scene.ready.effects.clone();
        scene.story.programs.clear();
        Ok(())
    }

    fn must_begin(&self, scene: &mut Scene) -> Result<(), Broken> {
        self.begin(scene).map_err(|refusal| {
            Broken::new(format!("the preview refused ({}: {})", refusal.code, refusal.message))
        })
    }

    /// Intends and applies.
    fn apply(&self, scene: &mut Scene) -> Result<Answer, Broken> {
        match self.begin(scene) {
            Err(refusal) => Ok(Answer::Refused(refusal)),
            Ok(()) => {
                let answer = self.answer(scene, Verb::Apply)?;
                if let Answer::Changed { output } | Answer::Unchanged { output } = &answer {
                    scene.story.output = Some(output.clone());
                }
                Ok(answer)
            }
        }
    }

    fn undo(&self, scene: &mut Scene) -> Result<Answer, Broken> {
        scene.story.programs.clear();
        self.answer(scene, Verb::Undo)
    }

    fn answer(&self, scene: &mut Scene, verb: Verb) -> Result<Answer, Broken> {
        let heard = self.host.call(&self.ask(scene, verb));
        scene.take_in(&heard);
        match heard.end {
            Some(Ended::Answer(answer)) => Ok(answer),
            other => Err(Broken::new(format!("{verb:?} gave no answer, but {other:?}"))),
        }
    }

    /// What a probe finds, once nothing still runs. It must change nothing.
    fn probe(&self, scene: &Scene) -> Result<Probed, Broken> {
        let before = self.look()?;
        let until = Instant::now() + PATIENCE;
        loop {
            let heard = self.host.call(&self.ask(scene, Verb::Probe));
            match heard.end {
                Some(Ended::Probed(Probed::StillRunning)) if Instant::now() < until => {
                    std::thread::sleep(PAUSE);
                }
                Some(Ended::Probed(Probed::StillRunning)) => {
                    return Err(Broken::new("the probe still says `still running`, and nothing runs"));
                }
                Some(Ended::Probed(found)) => {
                    self.same(&before, "the probe changed the world")?;
                    return Ok(found);
                }
                other => return Err(Broken::new(format!("the probe gave no finding, but {other:?}"))),
            }
        }
    }

    /// Makes the call in a process that dies at point `at`, and waits until what it started has ended. Gives where it died;
    /// none: it came to its end before.
    fn strike(&self, scene: &mut Scene, verb: Verb, at: u64) -> Result<Option<String>, Broken> {
        if at > MOST_POINTS {
            return Err(Broken::new(format!("it calls capabilities more than {MOST_POINTS} times")));
        }
        let heard = self.host.strike(&self.ask(scene, verb), at).map_err(Broken::of_case)?;
        if heard.end.is_some() {
            return Ok(None);
        }
        scene.take_in(&heard);
        let until = Instant::now() + PATIENCE;
        let programs = &scene.story.programs;
        let unseen = |p: &&Value| p.get("status").is_none() && p.get("signal").is_none();
        while let Some(running) =
            programs.iter().filter(unseen).find(|program| self.host.still_running(program))
        {
            if Instant::now() >= until {
                let what = format!("`{}` did not end after its engine's death", running["program"]);
                return Err(Broken::new(what).at(&heard.point));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(Some(heard.point))
    }

    /// A new world for each point at which the call can be killed, in order, until it comes to its end.
    fn at_each_point(
        &mut self,
        verb: Verb,
        times: &mut u64,
        ready: impl Fn(&mut Self) -> Result<Scene, Broken>,
        then: impl Fn(&mut Self, Scene) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        for at in 1.. {
            let mut scene = ready(self)?;
            let Some(point) = self.strike(&mut scene, verb, at)? else { break };
            *times = at;
            then(self, scene).map_err(|broken| broken.at(&point))?;
        }
        Ok(())
    }
}

impl Scene {
    /// What the journal would hold after the call.
    fn take_in(&mut self, heard: &Heard) {
        if heard.checkpoint.is_some() {
            self.story.checkpoint.clone_from(&heard.checkpoint);
        }
        self.story.programs.extend(heard.programs.iter().cloned());
    }
}

fn both(ready: &Prepared) -> Value {
    let lists = [&ready.effects, &ready.undo].into_iter().filter_map(Value::as_array);
    Value::Array(lists.flatten().cloned().collect())
}
