//! Trials of a check: it answers, twice, and changes nothing. It must not know what is checked.

use super::Bench;
use crate::report::Broken;

pub fn all(bench: &mut Bench<'_>) {
    bench.attempt("checked twice, nothing changed", |bench, times| {
        let mut scene = bench.scene()?;
        for _ in 0..2 {
            let answer = bench.apply(&mut scene)?;
            if !answer.is_done() {
                return Err(Broken::new(format!("it answered {}", answer.words())));
            }
            bench.same(&scene.before, "the check changed the world")?;
            *times += 1;
        }
        Ok(())
    });
}
