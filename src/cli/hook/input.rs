//! What the CLI writes, with an end to patience and to size.

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tsup_core::limits::HOOK_INPUT_BYTES_MAX;

/// Reads standard input to its end, or until `deadline`. What is over the limit is read and let go, so that
/// the CLI is not cut off in the middle of its writing. A terminal is not read: what is typed there is for the
/// agent, and who reads it in the background is stopped.
pub(super) fn read(deadline: Instant) -> Vec<u8> {
    let stdin = std::io::stdin();
    let mut kept = Vec::new();
    if stdin.is_terminal() {
        return kept;
    }
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
