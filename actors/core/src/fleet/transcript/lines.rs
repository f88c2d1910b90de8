//! Lines out of pieces.

use crate::limits::{TRANSCRIPT_HELD_BYTES, TRANSCRIPT_LINE_BYTES_MAX};

/// Cuts a stream into lines and keeps no more than one line of bounded length.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    /// Whether the rest of the present line is of no interest.
    skipping: bool,
}

impl Lines {
    /// The line that is begun is no whole one.
    pub(super) fn skip_to_next(&mut self) {
        self.begun = Vec::new();
        self.skipping = true;
    }

    /// Lets go of a begun line that is too long to be held until the rest of it comes. Answers how many bytes are
    /// to be read again.
    pub(super) fn give_back(&mut self) -> usize {
        if self.begun.len() <= TRANSCRIPT_HELD_BYTES {
            return 0;
        }
        std::mem::take(&mut self.begun).len()
    }

    /// Bytes of a begun line that are kept.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.begun.len()
    }

    /// Calls `each` with every line that ends in `bytes`, without its end. Says how many lines were found
    /// to be too long; they are skipped, and never held.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) -> u64 {
        let mut too_long = 0;
        while let Some(end) = bytes.iter().position(|&b| b == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.begun.len() + line.len() > TRANSCRIPT_LINE_BYTES_MAX {
                too_long += 1;
            } else if self.begun.is_empty() {
                each(line);
            } else {
                self.begun.extend_from_slice(line);
                each(&self.begun);
            }
            self.begun.clear();
        }
        if self.skipping {
            return too_long;
        }
        if self.begun.len() + bytes.len() > TRANSCRIPT_LINE_BYTES_MAX {
            self.skip_to_next();
            return too_long + 1;
        }
        self.begun.extend_from_slice(bytes);
        if self.begun.is_empty() {
            // A long line that is done with takes its memory along.
            self.begun = Vec::new();
        }
        too_long
    }
}
