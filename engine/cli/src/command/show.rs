//! How a run stands, folded from its journal. It must not ask its owner.

use super::find::{find, journal};
use super::go::standing;
use super::window;
use crate::args::{Global, Show};
use crate::exit::{Failure, Kind, of_outcome};
use crate::machine::ownership;
use crate::paths::Paths;
use crate::screen;
use crate::view::figures::{date_time, short};
use crate::view::glyph::{Glyph, reason};
use crate::view::model::Model;
use crate::view::plain::{Plain, outcome_words};
use crate::view::tree;
use cutwater_core::event::{Event, Outcome, Record};
use cutwater_core::fault::escaped;
use cutwater_core::names::{Seq, StepName};
use cutwater_core::state::RunState;
use cutwater_core::summary::{summary, text as summary_text};
use cutwater_core::timeline;
use cutwater_driver::ports::Journal;
use serde_json::{Value, json};

/// Prints it.
pub fn run(paths: &Paths, global: &Global, args: &Show) -> Result<(), Failure> {
    let store = journal(paths)?;
    let run = find(&store, &args.run)?.run;
    let records = store.read(&run, Seq(0))?;
    let state = RunState::fold(&records).map_err(|error| Failure::new(Kind::Stopped, error))?;
    let step = args.step.as_deref().map(StepName::new);
    if let Some(step) = &step
        && state.step(step).is_none()
    {
        let names = state.plan.steps.iter().map(|step| step.name.as_str());
        let near = cutwater_core::fault::nearest(step.as_str(), names)
            .map(|near| format!("; did you mean `{near}`?"));
        let text = format!("run {run} has no step `{step}`{}", near.unwrap_or_default());
        return Err(Failure::words(Kind::Usage, text));
    }
    let concerned: Vec<&Record> = records
        .iter()
        .filter(|record| step.as_ref().is_none_or(|step| concerns(&record.event, step)))
        .collect();
    match (global.json, &step) {
        (true, _) if args.summary => screen::print_json(&summary(&records)),
        (false, _) if args.summary => screen::print(&summary_text(&summary(&records))),
        _ if args.timeline => screen::print(&timeline::svg(&records)),
        (true, _) if args.events => concerned.iter().for_each(screen::print_json),
        (true, Some(step)) => screen::print_json(&step_json(&state, step)),
        (true, None) => screen::print_json(&run_json(&state)),
        (false, _) if args.events => print_events(&records, &concerned),
        (false, Some(step)) => print_step(&state, step),
        (false, None) => print_run(paths, &records, &state),
    }
    Ok(())
}

fn concerns(event: &Event, step: &StepName) -> bool {
    serde_json::to_value(event)
        .is_ok_and(|value| value.get("step").and_then(Value::as_str) == Some(step.as_str()))
}

fn print_events(records: &[Record], concerned: &[&Record]) {
    let mut plain = Plain::default();
    for record in records {
        let line = plain.line(record);
        if !concerned.iter().any(|wanted| wanted.seq == record.seq) {
            continue;
        }
        let line = line.unwrap_or_else(|| {
            let name = serde_json::to_value(&record.event)
                .ok()
                .map(|event| {
                    let step = event
                        .get("step")
                        .and_then(Value::as_str)
                        .map(|s| format!("{s}: "))
                        .unwrap_or_default();
                    let what = event.get("what").map(|what| format!(" {what}")).unwrap_or_default();
                    format!("{step}{}{what}", event["event"].as_str().unwrap_or("event"))
                })
                .unwrap_or_default();
            format!("{}  {}", crate::view::figures::time(record.at), escaped(&name))
        });
        screen::print(&format!("{:>6}  {line}\n", record.seq.0));
    }
}

fn print_run(paths: &Paths, records: &[Record], state: &RunState) {
    let mut model = Model::default();
    records.iter().for_each(|record| model.apply(record));
    let first = records.first().map_or(0, |record| record.at);
    let over = state.outcome.is_some();
    let owned = !over
        && ownership::is_owned(
            paths,
            &state.run,
            state.owner.as_ref().map(|(pid, boot)| (*pid, boot.as_str())),
        );
    let now = if owned { ownership::now() } else { model.at };
    let mut lines = vec![format!("run      {}", state.run)];
    lines.push(format!("workflow {}  {}", state.plan.name, state.plan.summary));
    lines.push(format!("plan     {}", state.plan.hash));
    lines.push(format!("started  {}", date_time(first)));
    lines.push(match state.outcome {
        Some(outcome) => {
            format!("ended    {}  {}", date_time(model.at), outcome_words(outcome))
        }
        None if owned && state.paused => {
            format!("state    paused: nothing new is begun; cutwater resume {}", state.run)
        }
        None if owned => "state    under way".to_owned(),
        None if state.paused => {
            format!("state    paused, and nobody goes on with it; cutwater resume {}", state.run)
        }
        None => format!("state    nobody goes on with it; cutwater resume {}", state.run),
    });
    if let Some(because) = state.because.as_ref().filter(|because| !because.is_empty()) {
        lines.push(format!("because  {}", because.lines().collect::<Vec<_>>().join(" ")));
    }
    if let Some(mark) = &state.crossed {
        lines.push(format!("mark     crossed with `{mark}`: nothing is undone any more"));
    }
    if let Some(schedule) = state.schedule.as_ref().filter(|_| !over && state.crossed.is_none()) {
        lines.extend(window::lines(schedule).into_iter().map(|line| format!("window   {line}")));
    }
    for line in lines {
        screen::print(&format!("{}\n", escaped(line.trim_end())));
    }
    screen::print("\n");
    let colour = screen::colours();
    for line in tree::steps(&model, now, screen::has_unicode()) {
        match colour {
            true => screen::print(&format!("\x1b[{}m{}\x1b[0m\n", line.colour, line.text)),
            false => screen::print(&format!("{}\n", line.text)),
        }
    }
    let told = matches!(state.outcome, None | Some(Outcome::CutOver | Outcome::Stopped));
    let words = if told { standing(state) } else { String::new() };
    if !words.is_empty() && !owned {
        let lines: Vec<String> = words.lines().map(escaped).collect();
        screen::print(&format!("\n{}\n", lines.join("\n")));
    }
}

fn print_step(state: &RunState, name: &StepName) {
    let value = step_json(state, name);
    let pretty = serde_json::to_string_pretty(&value).unwrap_or_default();
    for line in pretty.lines() {
        screen::print(&format!("{}\n", escaped(line)));
    }
}

fn run_json(state: &RunState) -> Value {
    let steps: Vec<Value> = state.plan.steps.iter().map(|step| step_json(state, &step.name)).collect();
    json!({
        "run": state.run,
        "name": state.plan.name,
        "plan": state.plan.hash,
        "events": state.seq,
        "epoch": state.epoch,
        "outcome": state.outcome,
        "exit": state.outcome.map(|outcome| of_outcome(outcome).map_or(0, Kind::code)),
        "sides": state.sides().filter(|_| state.outcome != Some(Outcome::Done)),
        "advice": state.advice(),
        "because": state.because,
        "crossed": state.crossed,
        "paused": state.paused,
        "steps": steps,
    })
}

fn step_json(state: &RunState, name: &StepName) -> Value {
    let (Some(step), Some(planned)) = (state.step(name), state.plan.step(name)) else { return Value::Null };
    json!({
        "step": name,
        "body": planned.body,
        "within": planned.within,
        "status": step.status,
        "word": Glyph::of(&step.status, &planned.body).word,
        "why": reason(&step.status),
        "attempts": step.attempts,
        "began": step.began,
        "since": step.since,
        "input": step.input,
        "output": step.output,
        "released": step.released,
        "checkpoint": step.checkpoint,
        "programs": step.programs,
        "plan": short(&state.plan.hash),
    })
}
