//! What was tried and what was found, as data and as a table. It must not know how it was tried.

use serde::Serialize;

/// One thing that was tried of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// The case.
    pub case: String,
    /// The step.
    pub step: String,
    /// What was tried.
    pub tried: &'static str,
    /// How often: for a kill, at how many points.
    pub times: u64,
    /// What did not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
}

/// What did not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The call at which it was killed, if it was.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// What was to be and what was.
    pub what: String,
    /// How the world differs: `-` was to be, `+` is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<String>,
}

impl Broken {
    /// The plugin does not do what it must.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    /// The case cannot be tried.
    pub fn of_case(what: impl Into<String>) -> Self {
        Self::new(what)
    }

    /// The world is not as it must be.
    pub fn differs(what: impl Into<String>, wanted: &str, found: &str) -> Self {
        Self { diff: differences(wanted, found), ..Self::new(what) }
    }

    /// Says where it was killed.
    pub fn at(self, at: &str) -> Self {
        Self { at: at.to_owned(), ..self }
    }
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of the cases.
    pub trials: Vec<Trial>,
}

impl Report {
    /// Whether everything held.
    pub fn holds(&self) -> bool {
        self.trials.iter().all(|trial| trial.broken.is_none())
    }

    /// A table, and below it what did not hold.
    pub fn text(&self) -> String {
        let header = ["case", "step", "tried", "times", "found"].map(str::to_owned);
        let rows = self.trials.iter().map(|trial| {
            let found = if trial.broken.is_none() { "held" } else { "BROKEN" };
            [&trial.case, &trial.step, trial.tried, &trial.times.to_string(), found].map(str::to_owned)
        });
        let rows: Vec<[String; 5]> = [header].into_iter().chain(rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..5).map(width).collect();
        let mut text = String::new();
        for [case, step, tried, times, found] in &rows {
            let line = format!(
                "{case:<0$}  {step:<1$}  {tried:<2$}  {times:>3$}  {found}",
                widths[0], widths[1], widths[2], widths[3]
            );
            text += line.trim_end();
            text += "\n";
        }
        for trial in &self.trials {
            if let Some(broken) = &trial.broken {
                text += &format!("\n{}: {}", trial.case, trial.tried);
                if !broken.at.is_empty() {
                    text += &format!(", {}", broken.at);
                }
                text += &format!("\n  {}\n", broken.what);
                for line in &broken.diff {
                    text += &format!("    {line}\n");
                }
            }
        }
        text
    }
}

/// Most lines of a difference that are told.
const MOST: usize = 30;

/// Lines that only one of two looks has; both looks whole where they have the same lines in another order.
fn differences(wanted: &str, found: &str) -> Vec<String> {
    let (mut gone, mut come) = (lines(wanted), lines(found));
    for line in lines(wanted) {
        if let (Some(here), Some(there)) =
            (gone.iter().position(|other| *other == line), come.iter().position(|other| *other == line))
        {
            gone.remove(here);
            come.remove(there);
        }
    }
    if gone.is_empty() && come.is_empty() {
        (gone, come) = (lines(wanted), lines(found));
    }
    let told = gone.iter().map(|line| format!("- {line}")).chain(come.iter().map(|line| format!("+ {line}")));
    told.take(MOST).collect()
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_the_lines_that_are_not_common() {
        assert_eq!(differences("a\nb\nb\n", "b\nc\n"), ["- a", "- b", "+ c"]);
        assert_eq!(differences("a\nb\n", "b\na\n"), ["- a", "- b", "+ b", "+ a"]);
    }
}
