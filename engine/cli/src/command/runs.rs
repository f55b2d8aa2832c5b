//! The list of runs. It must not load a plan.

use crate::args::{Global, Runs};
use crate::exit::Failure;
use crate::machine::ownership;
use crate::paths::Paths;
use crate::screen;
use crate::view::figures::{date_time, duration, short};
use crate::view::plain::outcome_words;
use cutwater_core::fault::escaped;
use cutwater_store::{Store, Summary};
use serde_json::json;

/// Prints it, the oldest first.
pub fn run(paths: &Paths, global: &Global, args: &Runs) -> Result<(), Failure> {
    let Some(store) = Store::open_to_read(&paths.journal())? else {
        screen::print(if global.json { "[]\n" } else { "" });
        return Ok(());
    };
    let mut runs = if args.unfinished { store.unfinished()? } else { store.history()? };
    runs.drain(..runs.len().saturating_sub(args.last));
    if global.json {
        let list: Vec<_> = runs.iter().map(|summary| as_json(paths, summary)).collect();
        screen::print_json(&list);
        return Ok(());
    }
    let width = runs.iter().map(|summary| summary.run.as_str().len()).max().unwrap_or(0);
    for summary in &runs {
        if let Some(what) = &summary.damage {
            let line = format!("{:<width$}  damaged: {what}", summary.run.as_str());
            screen::print(&format!("{}\n", escaped(&line)));
            continue;
        }
        let standing = standing(paths, summary);
        let line = format!(
            "{:<width$}  {}  {:>8}  plan {}  {standing}",
            summary.run.as_str(),
            date_time(summary.started),
            duration(summary.changed - summary.started),
            short(&summary.plan),
        );
        screen::print(&format!("{}\n", escaped(line.trim_end())));
    }
    Ok(())
}

fn standing(paths: &Paths, summary: &Summary) -> String {
    match &summary.ended {
        Some((outcome, because)) if because.is_empty() => outcome_words(*outcome).to_owned(),
        Some((outcome, because)) => {
            format!("{}: {}", outcome_words(*outcome), because.lines().collect::<Vec<_>>().join(" "))
        }
        None if ownership::is_owned(paths, &summary.run, ownership::by_journal(summary)) => {
            "under way".to_owned()
        }
        None => format!("nobody goes on with it; cutwater resume {}", summary.run),
    }
}

fn as_json(paths: &Paths, summary: &Summary) -> serde_json::Value {
    json!({
        "run": summary.run,
        "name": summary.name,
        "plan": summary.plan,
        "started": summary.started,
        "changed": summary.changed,
        "events": summary.last,
        "outcome": summary.ended.as_ref().map(|(outcome, _)| outcome),
        "because": summary.ended.as_ref().map(|(_, because)| because),
        "damage": summary.damage,
        "owned": summary.ended.is_none() && ownership::is_owned(paths, &summary.run, ownership::by_journal(summary)),
    })
}
