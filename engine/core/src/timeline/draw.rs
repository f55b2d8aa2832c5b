//! Drawing a run: head, bands, lanes, lines. It must not know how events are folded.

use super::axis::Axis;
use crate::event::{Outcome, Record};
use crate::figures::{bytes, rate, span as limit, time, xml};
use crate::history::{Band, End, History, Span, What, history};
use crate::names::StepName;
use crate::plan::{Body, PlanStep};
use crate::summary::{Summary, summary};
use serde_json::Value;
use std::fmt::Write;

const WIDTH: f64 = 1180.0;
/// Where the names end and time begins, and where it ends.
const LEFT: f64 = 178.0;
const RIGHT: f64 = WIDTH - 36.0;
const LANE: f64 = 27.0;
const BAR: f64 = 15.0;
/// Where the lanes begin.
const TOP: f64 = 168.0;
/// How many lanes are drawn; a longer run is cut, and says so.
const LANES: usize = 200;

const STYLE: &str = "\
text{font-family:ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px;fill:#1e293b}\
.bg{fill:#fff}.title{font-size:18px;font-weight:600}.sub,.tick,.fig{fill:#64748b}.tick{font-size:10px}.fig{font-size:11px}\
.value{font-size:17px;font-weight:600}.name{font-size:12px}.inner{fill:#475569}.grid{stroke:#e2e8f0;stroke-width:1}.lane{fill:#f8fafc}\
.apply{fill:#3b82f6}.check{fill:#94a3b8}.release{fill:#0d9488}.undo{fill:#f59e0b}.wait{fill:#c4b5fd}.bad{fill:#dc2626}.open{fill:none;stroke:#dc2626;stroke-dasharray:3 2}\
.hold{fill:#14b8a6;fill-opacity:.14}.holdline{stroke:#0d9488}.holdtext{fill:#0f766e;font-weight:600;font-size:11px}\
.outage{fill:#f59e0b;fill-opacity:.13}.outageline{stroke:#d97706}.outagetext{fill:#b45309;font-weight:600;font-size:11px}\
.mark{stroke:#dc2626;stroke-width:1.6}.marktext{fill:#dc2626;font-weight:600;font-size:11px}.back{stroke:#b45309;stroke-width:1.2;stroke-dasharray:4 3}\
.probe{fill:#7c3aed}.pill{fill:#16a34a}.pill.undone{fill:#d97706}.pill.stopped{fill:#dc2626}.pill.goes{fill:#3b82f6}.pilltext{fill:#fff;font-weight:600;font-size:12px}\
@media (prefers-color-scheme:dark){text{fill:#e2e8f0}.bg{fill:#0f172a}.sub,.tick,.fig{fill:#94a3b8}.inner{fill:#cbd5e1}.grid{stroke:#334155}.lane{fill:#172033}\
.holdtext{fill:#2dd4bf}.outagetext{fill:#fbbf24}.marktext{fill:#f87171}.pilltext{fill:#fff}}";

/// The picture of a run, from its events in order.
pub fn svg(records: &[Record]) -> String {
    let history = history(records);
    let summary = summary(records);
    let mut steps: Vec<&PlanStep> = history
        .plan
        .iter()
        .flat_map(|plan| &plan.steps)
        .filter(|step| {
            let seen = |name: &StepName| {
                history.of(name).next().is_some() || history.bands.iter().any(|band| band.step == name)
            };
            seen(&step.name)
        })
        .collect();
    let hidden = steps.len().saturating_sub(LANES);
    steps.truncate(LANES);
    let spans = history.spans.iter().flat_map(|span| [span.from, span.to]);
    let bands = history.bands.iter().flat_map(|band| [band.from, band.to.unwrap_or(history.ended)]);
    let lines =
        history.crossed.iter().map(|(_, at)| *at).chain(history.turned_back.iter().map(|(_, at)| *at));
    let axis = Axis::new(
        [history.started, history.ended].into_iter().chain(spans).chain(bands).chain(lines),
        LEFT,
        RIGHT,
    );
    let bottom = TOP + LANE * steps.len() as f64;
    let height = bottom + 58.0;
    let mut picture = Picture { out: String::new(), history: &history, axis, bottom, rows: [0.0; 2] };
    picture.head(&summary, height);
    picture.grid(&steps);
    for band in &history.bands {
        picture.band(band);
    }
    for (index, step) in steps.iter().enumerate() {
        picture.lane(step, TOP + LANE * index as f64);
    }
    picture.lines();
    picture.foot(hidden);
    picture.out.push_str("</svg>\n");
    picture.out
}

struct Picture<'a> {
    out: String,
    history: &'a History<'a>,
    axis: Axis,
    bottom: f64,
    /// How far to the right the labels of bands reach, by row.
    rows: [f64; 2],
}

impl Picture<'_> {
    fn head(&mut self, summary: &Summary, height: f64) {
        let title = xml(&summary.workflow);
        self.put(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" role=\"img\">\n\
             <title>{title} {}</title>\n<style>{STYLE}</style>\n<rect class=\"bg\" width=\"100%\" height=\"100%\" rx=\"10\"/>\n\
             <text class=\"title\" x=\"28\" y=\"36\">{title}</text><text class=\"sub\" x=\"28\" y=\"55\">{}</text>",
            xml(&summary.run),
            xml(&summary.run),
        ));
        let (class, word) = match summary.outcome {
            None => ("goes", "goes on"),
            Some(Outcome::Done) => ("done", "done"),
            Some(Outcome::Rehearsed) => ("done", "rehearsed, all undone"),
            Some(Outcome::Undone) => ("undone", "undone"),
            Some(Outcome::Stopped) => ("stopped", "stopped"),
            Some(Outcome::CutOver) => ("undone", "cut over, clean-up incomplete"),
        };
        let width = word.chars().count() as f64 * 7.2 + 26.0;
        let left = RIGHT - width;
        self.put(&format!(
            "<rect class=\"pill {class}\" x=\"{left:.0}\" y=\"20\" width=\"{width:.0}\" height=\"24\" rx=\"12\"/>\
             <text class=\"pilltext\" x=\"{:.0}\" y=\"36\" text-anchor=\"middle\">{word}</text>",
            left + width / 2.0
        ));
        let total = u64::try_from(summary.ended.saturating_sub(summary.started)).unwrap_or(0);
        let mut figures = vec![("in all", time(total))];
        if !summary.holds.is_empty() {
            figures.push(("freeze", time(summary.freeze_ms)));
        }
        if !summary.outages.is_empty() {
            let allowed =
                summary.downtime_limit_ms.map(|ms| format!(" of {}", limit(ms))).unwrap_or_default();
            figures.push(("downtime", format!("{}{allowed}", time(summary.downtime_ms))));
        }
        for moved in summary.bytes.iter().take(4) {
            figures.push((moved.step.as_str(), bytes(moved.bytes)));
        }
        let mut right = RIGHT;
        for (class, word) in [
            ("wait", "waits for a person"),
            ("undo", "undone"),
            ("release", "given back"),
            ("apply", "changes"),
            ("check", "reads"),
        ] {
            right -= text_width(word);
            self.put(&format!("<rect class=\"{class}\" x=\"{:.0}\" y=\"93\" width=\"10\" height=\"10\" rx=\"2\"/><text class=\"fig\" x=\"{right:.0}\" y=\"102\">{word}</text>", right - 15.0));
            right -= 32.0;
        }
        let mut x = 28.0;
        for (name, value) in figures {
            self.put(&format!(
                "<text class=\"fig\" x=\"{x:.0}\" y=\"82\">{}</text><text class=\"value\" x=\"{x:.0}\" y=\"102\">{}</text>",
                xml(&cut(name, 20)),
                xml(&value)
            ));
            x += (value.chars().count() as f64 * 9.6).max(name.chars().count() as f64 * 6.4) + 34.0;
        }
    }

    fn grid(&mut self, steps: &[&PlanStep]) {
        for index in (0..steps.len()).step_by(2) {
            let y = TOP + LANE * index as f64;
            self.put(&format!(
                "<rect class=\"lane\" x=\"12\" y=\"{y:.0}\" width=\"{:.0}\" height=\"{LANE}\"/>",
                WIDTH - 24.0
            ));
        }
        for (at, x) in self.axis.labels() {
            let since = u64::try_from(at.saturating_sub(self.history.started)).unwrap_or(0);
            self.put(&format!(
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.0}\"/><text class=\"tick\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
                self.bottom,
                self.bottom + 16.0,
                time(since)
            ));
        }
    }

    fn band(&mut self, band: &Band<'_>) {
        let (from, to) = (self.axis.at(band.from), self.axis.at(band.to.unwrap_or(self.history.ended)));
        let class = if band.hold { "hold" } else { "outage" };
        let word = if band.hold { "hold" } else { "outage" };
        let mut words = format!(
            "{word} {} · {} of {}",
            band.step,
            time(band.ms(self.history.ended)),
            limit(band.limit_ms)
        );
        if band.limit_passed {
            words.push_str(", limit passed");
        }
        if let Some(why) = band.broken {
            let _ = write!(words, ", broken: {}", cut(why, 40));
        }
        let y = TOP - 20.0;
        let (x, anchor) = self.label_place((from + to) / 2.0, &words);
        let row = self.row((from + to) / 2.0, text_width(&words));
        self.put(&format!(
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"{:.0}\"/>\
             <line class=\"{class}line\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y:.0}\" y2=\"{y:.0}\" stroke-width=\"3\"/>\
             <text class=\"{class}text\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{}</text>",
            (to - from).max(2.0),
            self.bottom - y,
            y - 7.0 - 15.0 * row,
            xml(&words)
        ));
    }

    fn lane(&mut self, step: &PlanStep, y: f64) {
        let class = if step.within.is_some() { "name inner" } else { "name" };
        let indent = if step.within.is_some() { 12.0 } else { 0.0 };
        self.put(&format!(
            "<text class=\"{class}\" x=\"{:.0}\" y=\"{:.1}\">{}</text>",
            28.0 + indent,
            y + LANE / 2.0 + 4.0,
            xml(&cut(step.name.as_str(), 20))
        ));
        let history = self.history;
        let mine: Vec<&Span<'_>> = history.of(&step.name).collect();
        let ends: Vec<f64> = mine.iter().map(|span| self.axis.at(span.from)).collect();
        let mut free = LEFT;
        for (index, span) in mine.iter().enumerate() {
            let next = ends.get(index + 1).copied().unwrap_or(WIDTH - 8.0);
            free = self.bar(step, span, y, (free, next));
        }
    }

    /// One bar with its words, between what stands before it and the next one; where it ends.
    fn bar(&mut self, step: &PlanStep, span: &Span<'_>, y: f64, (free, next): (f64, f64)) -> f64 {
        let (from, to) = (self.axis.at(span.from), self.axis.at(span.to));
        let top = y + (LANE - BAR) / 2.0;
        if span.what == What::Probe {
            let middle = y + LANE / 2.0;
            self.put(&format!(
                "<path class=\"probe\" d=\"M{from:.1} {:.1}l5 5l-5 5l-5 -5z\"><title>probed</title></path>",
                middle - 5.0
            ));
            return from + 5.0;
        }
        let end = if matches!(span.end, End::Open) { self.axis.at(self.history.ended) } else { to };
        let width = (end - from).max(3.0);
        let check = matches!(step.body, crate::plan::Body::Check { .. });
        let class = match (span.end, span.what) {
            (End::Open, _) => "open",
            (_, What::Undo) => "undo",
            (_, What::Release) => "release",
            (_, What::Wait) => "wait",
            _ if check => "check",
            _ => "apply",
        };
        let words = self.words(step, span);
        self.put(&format!(
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"3\"><title>{} {}</title></rect>",
            xml(step.name.as_str()),
            xml(&words)
        ));
        if matches!(span.end, End::Refused(_) | End::Failed { .. } | End::Unknown(_) | End::NotDone) {
            self.put(&format!(
                "<rect class=\"bad\" x=\"{:.1}\" y=\"{:.1}\" width=\"4\" height=\"{:.1}\"/>",
                from + width - 2.0,
                top - 2.0,
                BAR + 4.0
            ));
        }
        let (text, middle) = (text_width(&words), y + LANE / 2.0 + 4.0);
        let right = from + width + 7.0;
        if right + text < next.min(WIDTH - 8.0) {
            self.put(&format!(
                "<text class=\"fig\" x=\"{right:.1}\" y=\"{middle:.1}\">{}</text>",
                xml(&words)
            ));
            return right + text;
        }
        if from - 7.0 - text > free + 6.0 {
            self.put(&format!(
                "<text class=\"fig\" x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>",
                from - 7.0,
                xml(&words)
            ));
        }
        from + width
    }

    /// What stands beside a bar.
    fn words(&self, step: &PlanStep, span: &Span<'_>) -> String {
        let well = matches!(span.end, End::Changed(_) | End::Unchanged(_));
        let mut words = match span.what {
            What::Undo if well => format!("undone in {}", time(span.ms())),
            What::Release if well => format!("given back in {}", time(span.ms())),
            What::Undo => format!("undo, {}", time(span.ms())),
            What::Release => format!("giving back, {}", time(span.ms())),
            _ => time(span.ms()),
        };
        if let (Some(("block", _)), What::Apply, End::Changed(output)) =
            (step.body.uses(), span.what, span.end)
        {
            let figure = |name: &str| output.get(name).and_then(Value::as_u64);
            if let Some(count) = figure("bytes") {
                let speed = rate(count, figure("milliseconds").unwrap_or_else(|| span.ms()));
                let _ = write!(
                    words,
                    " · {}{}",
                    bytes(count),
                    speed.map(|speed| format!(" at {speed}")).unwrap_or_default()
                );
            }
        }
        match span.end {
            End::Refused(why) if span.what == What::Wait => {
                let _ = write!(words, " · declined by {}", cut(why, 30));
            }
            End::Refused(why) => {
                let _ = write!(words, " · refused: {}", cut(why, 60));
            }
            End::Failed { message, .. } => {
                let _ = write!(words, " · failed: {}", cut(message, 60));
            }
            End::Unknown(why) => {
                let _ = write!(words, " · unknown: {}", cut(why, 60));
            }
            End::Unchanged(_) if span.what == What::Apply && matches!(step.body, Body::Action { .. }) => {
                words.push_str(" · was so already")
            }
            End::Open => words.push_str(" · no end seen"),
            End::NotDone => words.push_str(" · had not happened"),
            End::Changed(_) if span.what == What::Wait => {
                if let Some(by) = self.history.approved.get(&step.name) {
                    let _ = write!(words, " · approved by {}", cut(by, 30));
                }
            }
            _ => {}
        }
        words
    }

    fn lines(&mut self) {
        if let Some((step, at)) = self.history.crossed {
            self.line("mark", at, &format!("point of no return: {step}"));
        }
        if let Some((because, at)) = self.history.turned_back {
            let rehearsed = matches!(self.history.outcome, Some((Outcome::Rehearsed, _)));
            let what = if rehearsed { "end of the rehearsal" } else { "turned back" };
            self.line("back", at, &format!("{what}: {}", cut(because, 90)));
        }
    }

    fn line(&mut self, class: &str, at: i64, words: &str) {
        let x = self.axis.at(at);
        let (label, anchor) = self.label_place(x, words);
        let text = if class == "mark" { "marktext" } else { "outagetext" };
        self.put(&format!(
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.0}\" y2=\"{:.0}\"/>\
             <text class=\"{text}\" x=\"{label:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{}</text>",
            TOP - 20.0,
            self.bottom + 3.0,
            self.bottom + 36.0,
            xml(words)
        ));
    }

    fn foot(&mut self, hidden: usize) {
        let mut words = "time is stretched where much happens".to_owned();
        if hidden > 0 {
            let _ = write!(words, "; {hidden} more steps are not drawn");
        }
        self.put(&format!("<text class=\"tick\" x=\"28\" y=\"{:.0}\">{words}</text>", self.bottom + 36.0));
    }

    /// The row in which a band's label stands on no other.
    fn row(&mut self, middle: f64, width: f64) -> f64 {
        let free = self.rows.iter().position(|reach| middle - width / 2.0 > *reach).unwrap_or(0);
        self.rows[free] = middle + width / 2.0 + 10.0;
        free as f64
    }

    /// Where a label stands so that it stays inside the picture.
    fn label_place(&self, x: f64, words: &str) -> (f64, &'static str) {
        let half = text_width(words) / 2.0;
        if x + half > WIDTH - 12.0 {
            (WIDTH - 12.0, "end")
        } else if x - half < 12.0 {
            (12.0, "start")
        } else {
            (x, "middle")
        }
    }

    fn put(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }
}

/// About how wide a label is drawn.
fn text_width(words: &str) -> f64 {
    words.chars().count() as f64 * 6.2
}

fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(letters - 1).collect::<String>())
}
