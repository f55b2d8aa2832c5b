//! The live picture on a terminal: redrawn in place ten times a second, never longer than the screen. It must not know
//! where the events come from.

use super::model::Model;
use super::tree::{self, Line};
use std::fmt::Write;

/// What was drawn last.
#[derive(Debug, Default)]
pub struct Live {
    drawn: usize,
}

/// What the terminal can show.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Rows and columns.
    pub size: (usize, usize),
    /// More than ASCII.
    pub unicode: bool,
    /// Colours.
    pub colour: bool,
}

impl Live {
    /// The bytes that replace the last picture by the present one; `note` stands below it.
    pub fn frame(&mut self, model: &Model, now: i64, note: &str, screen: Screen) -> String {
        let (rows, columns) = screen.size;
        let mut lines: Vec<Line> = tree::head(model, now).into_iter().collect();
        lines.extend(fitting(tree::steps(model, now, screen.unicode), rows.saturating_sub(4).max(3)));
        if !note.is_empty() {
            lines.push(Line { text: note.to_owned(), colour: "33", rank: 0 });
        }
        let mut out = String::new();
        if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A", self.drawn);
        }
        out.push_str("\r\x1b[J");
        for line in &lines {
            let text: String = line.text.chars().take(columns.saturating_sub(1).max(20)).collect();
            if screen.colour && !line.colour.is_empty() {
                let _ = writeln!(out, "\x1b[{}m{text}\x1b[0m", line.colour);
            } else {
                let _ = writeln!(out, "{text}");
            }
        }
        self.drawn = lines.len();
        out
    }
}

/// At most `rows` lines: what happens now first, then what came before and after it, in their order, with a count of
/// those that are left out.
fn fitting(lines: Vec<Line>, rows: usize) -> Vec<Line> {
    if lines.len() <= rows {
        return lines;
    }
    let total = lines.len();
    let active: Vec<usize> = (0..total).filter(|&index| lines[index].rank <= 1).collect();
    let focus = active
        .first()
        .copied()
        .unwrap_or_else(|| lines.iter().position(|line| line.rank == 3).unwrap_or(total.saturating_sub(1)));
    let room = rows - 1;
    let mut kept: std::collections::BTreeSet<usize> = active.into_iter().take(room).collect();
    let mut around = (1..total).flat_map(|away| [focus.checked_sub(away), Some(focus + away)]).flatten();
    while kept.len() < room {
        match around.next() {
            Some(index) if index < total => {
                kept.insert(index);
            }
            Some(_) => {}
            None => break,
        }
    }
    let left_out = total - kept.len();
    let mut shown: Vec<Line> = lines
        .into_iter()
        .enumerate()
        .filter(|(index, _)| kept.contains(index))
        .map(|(_, line)| line)
        .collect();
    shown.push(Line { text: format!("  and {left_out} more steps"), colour: "2", rank: 0 });
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize, rank: u8) -> Line {
        Line { text: number.to_string(), colour: "", rank }
    }

    #[test]
    fn a_long_run_shows_what_happens_now_and_counts_the_rest() {
        let lines = (0..10_000)
            .map(|n| {
                line(
                    n,
                    if n < 5000 {
                        2
                    } else if n == 5000 {
                        1
                    } else {
                        3
                    },
                )
            })
            .collect();
        let shown = fitting(lines, 10);
        assert_eq!(shown.len(), 10);
        assert!(shown.iter().any(|line| line.text == "5000"));
        assert_eq!(shown[9].text, "  and 9991 more steps");
    }

    #[test]
    fn a_frame_takes_back_as_many_lines_as_were_drawn() {
        let mut live = Live::default();
        let screen = Screen { size: (24, 80), unicode: true, colour: false };
        assert!(!live.frame(&Model::default(), 0, "a note", screen).contains("\x1b[1A"));
        assert!(live.frame(&Model::default(), 0, "a note", screen).starts_with("\x1b[1A\r\x1b[J"));
    }
}
