//! What the CLI writes, with an end to patience and to size.

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tsup_core::limits::HOOK_INPUT_BYTES_MAX;

use crate::config::paths::open_existing;

/// Reads standard input to its end, or until `deadline`. What is over the limit is read and let go, so that
/// the CLI is not cut off in the middle of its writing.
pub(super) fn read(deadline: Instant) -> Vec<u8> {
    let stdin = std::io::stdin();
    let mut kept = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(timeout) = Timespec::try_from(left) else { break };
        let mut ready = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)];
        match poll(&mut ready, Some(&timeout)) {
            Err(Errno::INTR) => continue,
            Ok(n) if n > 0 => {}
            Ok(_) | Err(_) => break,
        }
        match rustix::io::read(stdin.as_fd(), &mut buffer[..]) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(0) | Err(_) => break,
            Ok(n) => {
                let room = HOOK_INPUT_BYTES_MAX.saturating_sub(kept.len());
                kept.extend_from_slice(&buffer[..n.min(room)]);
            }
        }
        if left.is_zero() {
            break;
        }
    }
    kept
}

/// The text of a plain file of at most `max` bytes; `None` when there is none.
pub(super) fn small_file(path: &Path, max: u64) -> Option<String> {
    let mut text = String::new();
    let file = open_existing(path).ok()?;
    file.take(max + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= max).then_some(text)
}
