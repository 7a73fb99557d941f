//! Sizes of a journal on disk.

use crate::JournalError;

/// Sizes of a journal on disk. They may change from one open to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A segment is sealed when it has reached this many bytes; the window
    /// holds as much again, twice at most.
    pub segment_bytes: u64,
    /// sled's own segment, in bytes, a power of two from 2^12 to 2^24. Frames
    /// are cut into parts of a 256th of it.
    pub sled_segment_bytes: usize,
    /// Newest snapshots that are kept, at least 1.
    pub snapshots_kept: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 8 << 20, sled_segment_bytes: 2 << 20, snapshots_kept: 3 }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), JournalError> {
        let sled = self.sled_segment_bytes;
        if !sled.is_power_of_two() || !(1 << 12..=1 << 24).contains(&sled) {
            return Err(JournalError::Unsupported { what: "a sled segment of this size" });
        }
        if self.snapshots_kept == 0 {
            return Err(JournalError::Unsupported { what: "a journal that keeps no snapshot" });
        }
        Ok(())
    }
}
