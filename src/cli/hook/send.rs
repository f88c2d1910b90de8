//! One datagram to the supervisor, that nobody answers.

use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send as transmit, socket_with,
};
use tsup_core::fleet::hook::{HookReport, wire};
use tsup_core::limits::HOOK_SEND_WAIT;

/// Sends a report; the error is for the log.
pub(super) fn send(path: &Path, report: &HookReport) -> Result<(), String> {
    let bytes = wire::encode(report).map_err(|e| e.to_string())?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).map_err(|e| e.to_string())?;
    let address = SocketAddrUnix::new(path).map_err(|e| e.to_string())?;
    connect(&socket, &address).map_err(|e| format!("{}: {e}", path.display()))?;
    match transmit(&socket, &bytes, SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN | Errno::NOBUFS) => {}
        sent => return sent.map(drop).map_err(|e| e.to_string()),
    }
    // The kernel holds as few as ten datagrams for a socket; a supervisor that is alive makes room at once.
    let mut room = [PollFd::new(&socket, PollFlags::OUT)];
    let timeout = Timespec::try_from(HOOK_SEND_WAIT).map_err(|e| e.to_string())?;
    let _ = poll(&mut room, Some(&timeout));
    transmit(&socket, &bytes, SendFlags::NOSIGNAL).map(drop).map_err(|e| e.to_string())
}
