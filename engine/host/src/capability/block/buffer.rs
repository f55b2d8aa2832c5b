//! Memory that O_DIRECT takes: aligned to a page. It must not know devices.

/// Alignment of memory, and of lengths and offsets where the device's own sectors are not larger.
pub const ALIGN: usize = 4096;

/// Bytes whose first one lies on a page boundary. Costs one page more than it holds.
pub struct Buffer {
    raw: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// Zeroes.
    pub fn new(len: usize) -> Self {
        let raw = vec![0; len + ALIGN];
        let start = raw.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self { raw, start, len }
    }

    /// The first `len` bytes; fewer if there are fewer.
    pub fn head(&self, len: usize) -> &[u8] {
        &self.raw[self.start..self.start + len.min(self.len)]
    }

    /// The same, to write into.
    pub fn head_mut(&mut self, len: usize) -> &mut [u8] {
        let len = len.min(self.len);
        &mut self.raw[self.start..self.start + len]
    }
}
