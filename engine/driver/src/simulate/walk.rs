//! The walk: every single thing that can go wrong on the way there and on the way back, and pairs of them up to a bound.
//! It must not know how a run is played.

use super::case::{End, Stage, play};
use super::judge::Wrong;
use super::trouble::{Trouble, at};
use crate::faults::{Fault, Point, Strike, What, held};
use cutwater_core::names::StepName;
use cutwater_core::plan::Body;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// How many pairs are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// At most so many, spread evenly over all of them.
    UpTo(usize),
    /// Every one.
    All,
}

/// One thing that went wrong, and how the run ended.
#[derive(Debug)]
pub struct Case {
    /// What went wrong.
    pub trouble: Trouble,
    /// How it ended.
    pub end: End,
    /// What was wrong with that.
    pub wrongs: Vec<Wrong>,
}

/// What the walk came to.
#[derive(Debug, Default)]
pub struct Walked {
    /// Without any trouble, and then each thing alone.
    pub singles: Vec<Case>,
    /// What is wrong where nothing goes wrong.
    pub calm: Vec<Wrong>,
    /// The step whose refusal turned the runs back for the ones on the way back.
    pub turned_back_at: Option<StepName>,
    /// Each thing on the way back alone.
    pub back: Vec<Case>,
    /// How many pairs there are.
    pub pairs_possible: usize,
    /// How many were tried.
    pub pairs_tried: usize,
    /// The pairs with which something was wrong.
    pub pairs_wrong: Vec<Case>,
    /// How many pairs ended finished, undone, with a person, wrong.
    pub pairs_ends: [usize; 4],
}

impl Walked {
    /// Everything that was wrong, with what led to it.
    pub fn wrongs(&self) -> impl Iterator<Item = (Option<&Trouble>, &Wrong)> {
        let cases = self.singles.iter().chain(&self.back).chain(&self.pairs_wrong);
        let calm = self.calm.iter().map(|wrong| (None, wrong));
        calm.chain(cases.flat_map(|case| case.wrongs.iter().map(|wrong| (Some(&case.trouble), wrong))))
    }

    /// How many runs were played.
    pub fn runs(&self) -> usize {
        1 + self.singles.len() + self.back.len() + self.pairs_tried
    }
}

/// Walks every place. Nothing is touched.
pub fn walk(stage: &Stage, pairs: Pairs) -> Walked {
    let mut walked = Walked::default();
    let calm = play(stage, Vec::new());
    walked.calm = calm.wrongs;
    let points = calm.points.unwrap_or_default();
    let mut after = Vec::new();
    for (case, points) in played(stage, troubles(&points, stage)) {
        after.push(points);
        walked.singles.push(case);
    }
    if let Some(turn) = last_before_the_mark(stage, &points) {
        walked.turned_back_at = turn.at.step.clone();
        let points = play(stage, vec![turn.clone()]).points.unwrap_or_default();
        let both =
            |trouble: Trouble| Trouble { faults: [vec![turn.clone()], trouble.faults].concat(), ..trouble };
        let troubles = troubles(&points, stage).into_iter().map(both).collect();
        walked.back = played(stage, troubles).into_iter().map(|(case, _)| case).collect();
    }
    walk_pairs(stage, pairs, &after, &mut walked);
    walked
}

fn troubles(points: &[Point], stage: &Stage) -> Vec<Trouble> {
    points.iter().flat_map(|point| at(point, &stage.shape)).collect()
}

/// Plays each, in as many threads as there are processors, and gives what came of them in the order of the troubles.
fn played(stage: &Stage, troubles: Vec<Trouble>) -> Vec<(Case, Vec<Point>)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = Mutex::new(troubles.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    let work = || {
        loop {
            let Some((n, trouble)) = held(&next).next() else { return };
            let played = play(stage, trouble.faults.clone());
            let case = Case { trouble, end: played.end, wrongs: played.wrongs };
            held(&done).push((n, (case, played.points.unwrap_or_default())));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let thread = std::thread::Builder::new().stack_size(cutwater_core::expr::STACK);
            // A thread that cannot be started is one less; this one does the work then.
            let _started = thread.spawn_scoped(scope, work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, played)| played).collect()
}

/// The last step before the mark (the last of all, where there is none), refused: all before it is to be undone.
fn last_before_the_mark(stage: &Stage, points: &[Point]) -> Option<Fault> {
    let shape = &stage.shape;
    let late = |step: &StepName| {
        let planned = shape.plan.step(step);
        shape.mark.as_ref().is_some_and(|mark| mark == step || shape.after(mark).contains(step))
            || planned.is_none_or(|planned| planned.finally || matches!(planned.body, Body::Hold { .. }))
    };
    let begins = |point: &&Point| {
        point.what == What::Apply && point.nth == 1 && point.step.as_ref().is_some_and(|step| !late(step))
    };
    let last = points.iter().rev().find(begins)?;
    Some(Fault::once(last.clone(), Strike::Refused { again: false }))
}

/// Each pair is a single thing and one more at a point that the run comes by after it.
fn walk_pairs(stage: &Stage, pairs: Pairs, after: &[Vec<Point>], walked: &mut Walked) {
    let seconds: Vec<Vec<Trouble>> = after.iter().map(|points| troubles(points, stage)).collect();
    walked.pairs_possible = seconds.iter().map(Vec::len).sum();
    let wanted = match pairs {
        Pairs::All => walked.pairs_possible,
        Pairs::UpTo(most) => most.min(walked.pairs_possible),
    };
    let all: Vec<(usize, usize)> =
        seconds.iter().enumerate().flat_map(|(n, s)| (0..s.len()).map(move |m| (n, m))).collect();
    let places: BTreeSet<usize> = (0..wanted).map(|n| n * all.len() / wanted).collect();
    let both = |(first, second): &(usize, usize)| {
        let (first, second) = (&walked.singles[*first].trouble, &seconds[*first][*second]);
        Trouble { faults: [first.faults.clone(), second.faults.clone()].concat(), ..first.clone() }
    };
    let troubles: Vec<Trouble> = places.into_iter().filter_map(|place| all.get(place)).map(both).collect();
    walked.pairs_tried = troubles.len();
    for (case, _) in played(stage, troubles) {
        walked.pairs_ends[case.end.place()] += 1;
        if !case.wrongs.is_empty() {
            walked.pairs_wrong.push(case);
        }
    }
}
