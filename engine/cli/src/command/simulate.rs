//! Walking every place at which a workflow can fail, without touching anything. It must not ask a plugin anything but
//! what it is, nor decide what is wrong.

use super::workflow::{Source, given};
use crate::args::{Global, Simulate};
use crate::exit::{Failure, Kind};
use crate::machine::Machine;
use crate::paths::Paths;
use crate::screen;
use crate::view::walk;
use cutwater_core::document::parse_leniently;
use cutwater_driver::simulate::{self, Blame, Pairs, Stage};
use std::time::Instant;

/// How many pairs are tried where nothing else is asked for.
const PAIRS: usize = 1_000;

/// Checks, plans over made-up outputs, walks, and says how each run would end.
pub fn run(paths: &Paths, global: &Global, args: &Simulate) -> Result<(), Failure> {
    let source = Source::read(&args.file)?;
    let given = given(&args.inputs)?;
    let given = match parse_leniently(&source.text, &source.name).document {
        Some(document) => simulate::given_or_made_up(&document, given),
        None => given,
    };
    let machine = Machine::open(paths, global)?;
    let catalog = machine.registry.catalog();
    let checked = source.check(&machine, &catalog, &given)?;
    let (plan, outputs) = simulate::plan(&checked, &catalog).map_err(|failure| {
        let lines: Vec<String> = failure.faults.iter().map(ToString::to_string).collect();
        let text = format!("{}: {}; nothing was simulated", source.name, lines.join("\n"));
        Failure::words(Kind::Invalid, text)
    })?;
    let pairs = match args.pairs.as_deref() {
        None => Pairs::UpTo(PAIRS),
        Some("all") => Pairs::All,
        Some(count) => Pairs::UpTo(count.parse().map_err(|_| not_a_count(count))?),
    };
    let stage = Stage::new(plan, outputs);
    let begun = Instant::now();
    let walked = simulate::walk(&stage, pairs);
    let took = begun.elapsed();
    match global.json {
        true => screen::print_json(&walk::json(&stage, &walked, took)),
        false => screen::print(&walk::text(&stage, &walked, took)),
    }
    let defect = walked.wrongs().any(|(_, wrong)| wrong.blame == Blame::Defect);
    match walked.wrongs().next() {
        None => Ok(()),
        Some(_) if defect => Err(Failure::said(Kind::Defect)),
        Some(_) => Err(Failure::said(Kind::Invalid)),
    }
}

fn not_a_count(text: &str) -> Failure {
    Failure::words(Kind::Usage, format!("`--pairs {text}`: it must be a number, or `all`"))
}
