//! Trials of a hold: taken, asked and given back; its holder killed at every point of that, and the orphan given back, twice.
//! It must not know what is held.

use super::{Bench, Scene};
use crate::host::{Answer, Ended, Verb};
use crate::report::Broken;

pub fn all(bench: &mut Bench<'_>) {
    bench.attempt("the preview changes nothing", |bench, _| {
        let scene = begun(bench)?;
        bench.same(&scene.before, "the preview changed the world")
    });
    bench.attempt("taken, unbroken, given back", |bench, _| {
        let scene = begun(bench)?;
        let heard = bench.host.call(&bench.ask(&scene, Verb::Hold));
        given_back(heard.end)?;
        bench.restored(&scene, "given back, the world is not as it was before")
    });
    bench.attempt("holder killed at each call, then given back", |bench, times| {
        bench.at_each_point(Verb::Hold, times, begun, |bench, mut scene| {
            for which in ["giving back the orphan", "giving it back once more"] {
                scene.story.programs.clear();
                let answer = bench.answer(&mut scene, Verb::ReleaseOrphan)?;
                if !answer.is_done() {
                    return Err(Broken::new(format!("{which} answered {}", answer.words())));
                }
                bench.restored(&scene, "given back, the world is not as it was before")?;
            }
            Ok(())
        })
    });
}

fn begun(bench: &mut Bench<'_>) -> Result<Scene, Broken> {
    let mut scene = bench.scene()?;
    bench.must_begin(&mut scene)?;
    Ok(scene)
}

fn given_back(end: Option<Ended>) -> Result<(), Broken> {
    match end {
        Some(Ended::Held { taken: Ok(_), intact: Some(Ok(())), released: Some(answer) }) => match answer {
            Answer::Changed { .. } | Answer::Unchanged { .. } => Ok(()),
            other => Err(Broken::new(format!("giving it back answered {}", other.words()))),
        },
        Some(Ended::Held { taken: Err(refusal), .. }) => {
            Err(Broken::new(format!("taking it was refused ({}: {})", refusal.code, refusal.message)))
        }
        Some(Ended::Held { intact: Some(Err(why)), .. }) => {
            Err(Broken::new(format!("nothing has touched it, and it is said to be broken: {why}")))
        }
        other => Err(Broken::new(format!("the hold gave no end, but {other:?}"))),
    }
}
