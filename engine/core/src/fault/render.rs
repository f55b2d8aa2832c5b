//! A fault as text with an excerpt of its source. Written by hand (as against miette or annotate-snippets) because
//! every character of a hostile document passes through here: control characters are escaped, lines are cut to a
//! window around the marked text, and columns are counted once. It must not know where the text goes.

use super::{Fault, Place, Severity};
use std::fmt::Write;

/// The widest excerpt, in characters.
const WIDTH: usize = 100;
/// The longest message, label or help, in characters.
const WORDS: usize = 600;

impl Fault {
    /// The fault as text: headline, place, excerpt of `source`, label, related places, help; ends with a line break.
    /// `source` may be empty: there is no excerpt then.
    pub fn render(&self, source: &str, colour: bool) -> String {
        let ink = Ink { colour };
        let (word, tint) = match self.severity {
            Severity::Error => ("error", "31"),
            Severity::Warning => ("warning", "33"),
        };
        let mut out = String::new();
        let head = ink.paint(&format!("1;{tint}"), &format!("{word}[{}]", self.code));
        let _ = writeln!(out, "{head}: {}", ink.paint("1", &words(&self.message)));
        let places = self.place.iter().chain(self.related.iter().map(|r| &r.place));
        let gutter = places.map(|place| place.line.to_string().len()).max().unwrap_or(1).max(1);
        let bar = |number: &str| format!(" {number:>gutter$} {} ", ink.paint("34", "│"));
        let file = escaped(&self.file);
        if let Some(place) = self.place {
            let corner = ink.paint("34", "╭─");
            let _ = writeln!(out, " {:gutter$} {corner}[{file}:{}:{}]", "", place.line, place.col);
            excerpt(&mut out, source, place, self.label.as_deref(), &bar, &ink, tint);
        } else if !self.file.is_empty() {
            let _ = writeln!(out, " {:gutter$} {}[{file}]", "", ink.paint("34", "╭─"));
        }
        for related in &self.related {
            excerpt(&mut out, source, related.place, Some(&related.label), &bar, &ink, "36");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "{}{}: {}", bar(""), ink.paint("36", "help"), words(help));
        }
        out
    }
}

struct Ink {
    colour: bool,
}

impl Ink {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn excerpt(
    out: &mut String,
    source: &str,
    place: Place,
    label: Option<&str>,
    bar: &dyn Fn(&str) -> String,
    ink: &Ink,
    tint: &str,
) {
    let label = label.map(words).unwrap_or_default();
    let Some(view) = View::of(source, place) else {
        if !label.is_empty() {
            let _ = writeln!(out, "{}{label}", bar(""));
        }
        return;
    };
    let _ = writeln!(out, "{}{}", bar(&place.line.to_string()), view.text);
    let carets = ink.paint(tint, &"^".repeat(view.width));
    let space = if label.is_empty() { "" } else { " " };
    let _ = writeln!(out, "{}{}{carets}{space}{label}", bar(""), " ".repeat(view.before));
}

/// One line of the source as it is shown, and where the carets go.
struct View {
    text: String,
    before: usize,
    width: usize,
}

impl View {
    fn of(source: &str, place: Place) -> Option<Self> {
        if source.is_empty() || !source.is_char_boundary(place.offset) {
            return None;
        }
        let start = source[..place.offset].rfind('\n').map_or(0, |at| at + 1);
        let line_end = source[place.offset..].find('\n').map_or(source.len(), |at| place.offset + at);
        let line = &source[start..line_end];
        let marked_end = (place.offset + place.len).min(line_end);
        let mark = (source[start..place.offset].chars().count(), {
            let text = source.get(place.offset..marked_end).unwrap_or("");
            text.trim_end().chars().count().max(1)
        });
        let total = line.chars().count();
        let from = if total > WIDTH { mark.0.saturating_sub(WIDTH / 3) } else { 0 };
        let mut view = Self { text: String::new(), before: 0, width: 0 };
        if from > 0 {
            view.text.push('…');
            view.before = 1;
        }
        for (at, c) in line.chars().enumerate().skip(from).take(WIDTH) {
            let shown = shown(c);
            if at < mark.0 {
                view.before += shown.chars().count();
            } else if at < mark.0 + mark.1 {
                view.width += shown.chars().count();
            }
            view.text.push_str(&shown);
        }
        if total > from + WIDTH {
            view.text.push('…');
        }
        view.text.truncate(view.text.trim_end().len());
        view.width = view.width.max(1);
        Some(view)
    }
}

/// One character as it may reach a terminal: control and direction-changing characters as `\u{..}`, a tab as a space.
fn shown(c: char) -> String {
    match c {
        '\t' => " ".into(),
        c if unsafe_to_show(c) => format!("\\u{{{:x}}}", c as u32),
        c => c.into(),
    }
}

fn unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}')
}

/// Text that may be shown on a terminal: characters that would steer it are escaped.
pub fn escaped(text: &str) -> String {
    if !text.contains(unsafe_to_show) {
        return text.to_owned();
    }
    text.chars().map(|c| if c == '\t' { "\\t".into() } else { shown(c) }).collect()
}

/// Our own words, in which names from the document may stand: escaped and cut.
fn words(text: &str) -> String {
    let mut short: String = text.chars().take(WORDS).collect();
    if text.chars().count() > WORDS {
        short.push('…');
    }
    escaped(&short)
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, Place, codes};

    #[test]
    fn a_terminal_escape_in_the_source_is_shown_never_sent() {
        let fault =
            Fault::error(codes::CONTROL, "a\u{1b}[2J.yaml", "name `\u{1b}[31mx` holds a control character")
                .at(Place { offset: 6, line: 1, col: 7, len: 3 });
        let text = fault.render("name: \u{1b}[31mx\n", false);
        assert!(!text.contains('\u{1b}'));
        assert!(text.contains("name: \\u{1b}[31mx"), "{text}");
        assert!(text.contains("[a\\u{1b}[2J.yaml:1:7]"), "{text}");
    }

    #[test]
    fn a_long_line_is_cut_to_what_matters() {
        let source = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
        let fault =
            Fault::error(codes::SYNTAX, "x", "m").at(Place { offset: 5000, line: 1, col: 5001, len: 4 });
        let text = fault.render(&source, false);
        assert!(text.len() < 500, "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let caret = lines[3].chars().position(|c| c == '^');
        assert_eq!(caret, lines[2].chars().position(|c| c == 'H'));
    }
}
