//! The text of a document and the places in it. It must not know what the text means.

use crate::fault::Place;
use std::ops::Range;

/// A part of the text, in bytes. Four gigabytes are never reached: a document is at most 8 MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Where it begins.
    pub start: u32,
    /// How long it is.
    pub len: u32,
}

impl Span {
    /// From byte offsets.
    pub fn new(range: Range<usize>) -> Self {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: narrow(range.start), len: narrow(range.end.saturating_sub(range.start)) }
    }

    /// The byte offsets.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }

    /// From the beginning of this to the end of `other`.
    pub fn to(self, other: Self) -> Self {
        Self::new(self.range().start..other.range().end.max(self.range().end))
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A text with the name of its file and the beginnings of its lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The file as the user named it.
    pub file: String,
    /// The whole text.
    pub text: String,
    lines: Vec<usize>,
}

impl Source {
    /// Finds the lines of the text.
    pub fn new(file: &str, text: &str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file: file.to_owned(), text: text.to_owned(), lines }
    }

    /// Line, column and length of a span.
    pub fn place(&self, span: Span) -> Place {
        let mut offset = span.range().start.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.lines.partition_point(|&start| start <= offset).max(1);
        let before = &self.text[self.lines[line - 1]..offset];
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            offset,
            line: narrow(line),
            col: narrow(before.chars().count() + 1),
            len: span.range().end.min(self.text.len()) - offset,
        }
    }

    /// The line of a span, from 1.
    pub fn line(&self, span: Span) -> u32 {
        u32::try_from(self.lines.partition_point(|&start| start <= span.range().start).max(1))
            .unwrap_or(u32::MAX)
    }

    /// The span of `part` (byte offsets in `value`) of a text value that stands at `span`. Where the text was written
    /// with escapes or over several lines, the first occurrence of that part in the source; failing that, all of it.
    pub fn within(&self, span: Span, value: &str, part: Range<usize>) -> Span {
        let Some(raw) = self.text.get(span.range()) else { return span };
        let Some(wanted) = value.get(part.clone()) else { return span };
        let direct = raw.find(value).map(|at| at + part.start);
        match direct.or_else(|| raw.find(wanted).filter(|_| !wanted.is_empty())) {
            Some(at) => {
                let start = span.range().start + at;
                Span::new(start..start + wanted.len().max(1))
            }
            None => span,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_and_a_span_counts_bytes() {
        let source = Source::new("f", "a: ü\nbé: x\n");
        let at = source.text.find('x').unwrap();
        let place = source.place(Span::new(at..at + 1));
        assert_eq!((place.line, place.col, place.len), (2, 5, 1));
    }

    #[test]
    fn a_part_of_a_quoted_text_is_found_behind_its_quote() {
        let source = Source::new("f", "a: \"x ${{ inputs.y }}\"");
        let span = Span::new(3..source.text.len());
        let part = source.within(span, "x ${{ inputs.y }}", 6..14);
        assert_eq!(&source.text[part.range()], "inputs.y");
    }
}
