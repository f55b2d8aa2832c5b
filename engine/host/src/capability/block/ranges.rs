//! Byte ranges of a device, and cutting them into pieces. It must not know devices.

/// `length` bytes from `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

impl Range {
    /// The byte after the last.
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// Joins neighbours; `chunks` are chunk numbers in rising order, the last chunk is cut at `total` bytes, and chunks
/// beyond it vanish.
pub fn of_chunks(chunks: &[u64], chunk: u64, total: u64) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for &number in chunks {
        let offset = number.saturating_mul(chunk);
        if offset >= total {
            break;
        }
        let length = chunk.min(total - offset);
        match ranges.last_mut() {
            Some(last) if last.end() == offset => last.length += length,
            _ => ranges.push(Range { offset, length }),
        }
    }
    ranges
}

/// How many bytes they hold together.
pub fn total(ranges: &[Range]) -> u64 {
    ranges.iter().map(|range| range.length).sum()
}

/// The ranges, cut into pieces of at most `most` bytes that begin at multiples of `most` wherever a range allows it.
pub fn pieces(ranges: &[Range], most: u64) -> impl Iterator<Item = Range> + '_ {
    ranges.iter().flat_map(move |&range| {
        let mut at = range.offset;
        std::iter::from_fn(move || {
            let left = range.end().checked_sub(at).filter(|&left| left > 0)?;
            let length = left.min(most - at % most);
            let piece = Range { offset: at, length };
            at += length;
            Some(piece)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(offset: u64, length: u64) -> Range {
        Range { offset, length }
    }

    #[test]
    fn neighbouring_chunks_become_one_range_and_the_last_is_cut_at_the_end() {
        assert_eq!(of_chunks(&[0, 1, 3, 4, 9], 16, 70), [range(0, 32), range(48, 22)]);
        assert!(of_chunks(&[u64::MAX], 16, 70).is_empty());
    }

    #[test]
    fn pieces_cover_each_range_once_and_keep_to_the_grid() {
        let cut: Vec<Range> = pieces(&[range(3, 10), range(16, 8)], 8).collect();
        assert_eq!(cut, [range(3, 5), range(8, 5), range(16, 8)]);
    }
}
