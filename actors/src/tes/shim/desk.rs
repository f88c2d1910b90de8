//! The way between the shim server and one of its shims: orders go one way, a report of each comes back.
//!
//! It keeps messages apart, so that an order is taken whole or not at all. Either side sees that the other is gone.
//! An order may be handed over before the one before it has ended, and called off as long as it has not begun: both sides
//! share the number of the last order that is decided, and whoever counts on decides the next.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tsup_core::limits;
use tsup_core::tes::attempt::Record;
use tsup_core::tes::attempt::plan::{Order, Plan};
use tsup_core::wire::frame::{self, HEADER_BYTES, Header, Kind};

use crate::os::fork::{Seen, Signals};
use crate::os::shared::SharedNumber;

/// One end of the way.
#[derive(Debug)]
pub(super) struct Desk {
    socket: OwnedFd,
    /// How many orders have begun or were called off.
    decided: Arc<SharedNumber>,
    /// How many were handed over here, or came. The first one comes with the fork.
    orders: u64,
}

/// What a shim tells of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Report {
    /// Somebody else has it, or had it: its traces say which.
    Ended,
    /// Nothing of it ran, for this error of the system.
    NotBegun(i32),
    /// It has ended, and this is its record.
    Done(Box<Record>),
}

/// The number of the order that a shim is made for.
pub(super) const FIRST: u64 = 1;

/// Both ends of a way: the server's, and the shim's.
pub(super) fn pair() -> io::Result<(Desk, Desk)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (server, shim) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let decided = Arc::new(SharedNumber::new(FIRST)?);
    let desk = |socket| Desk { socket, decided: Arc::clone(&decided), orders: FIRST };
    Ok((desk(server), desk(shim)))
}

/// What is at the server's end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// A report.
    Report(Report),
    /// Nothing yet.
    Nothing,
    /// The shim is gone.
    Gone,
}

impl Desk {
    /// Hands over the frame of an order, and says how many there were with it. `None` when the shim cannot take it.
    pub(super) fn hand(&mut self, frame: &[u8]) -> Option<u64> {
        let taken = frame.len() <= limits::ORDER_HANDED_BYTES_MAX
            && send(&self.socket, frame, SendFlags::NOSIGNAL).is_ok_and(|sent| sent == frame.len());
        self.orders += u64::from(taken);
        taken.then_some(self.orders)
    }

    /// Calls an order off that was handed over. `false` when it has begun, or one before it is not decided.
    pub(super) fn call_off(&self, number: u64) -> bool {
        self.decided.change(number - 1, number)
    }

    /// The next thing at the server's end.
    pub(super) fn hear(&self) -> Heard {
        let mut bytes = [0; limits::SHIM_REPORT_BYTES_MAX];
        loop {
            return match recv(&self.socket, &mut bytes, RecvFlags::empty()) {
                Ok((n @ 1.., _)) => decoded(bytes.get(..n).unwrap_or_default(), Kind::Response)
                    .map_or(Heard::Gone, Heard::Report),
                // It went with an order unread, which is told before what it said itself.
                Err(Errno::INTR | Errno::CONNRESET) => continue,
                Err(Errno::AGAIN) => Heard::Nothing,
                Ok(_) | Err(_) => Heard::Gone,
            };
        }
    }

    /// Tells the server; `false` when that cannot be done. Then the server has to see this process end.
    pub(super) fn report(&self, report: &Report) -> bool {
        let frame = frame::encode(Kind::Response, report);
        frame.is_ok_and(|frame| send(&self.socket, &frame, SendFlags::NOSIGNAL).is_ok())
    }

    /// Waits for the next attempt; `None` when there is none any more, or this process is told to end. With it comes
    /// the last wish to end one that was heard meanwhile: it may have been faster than the order that it is about. (Who
    /// asks for the end of the one after that asks when its turn has come.)
    pub(super) fn next(&mut self, signals: &Signals) -> Option<(Box<Plan>, Option<u64>)> {
        let mut asked = None;
        let mut buffer = vec![0; limits::ORDER_HANDED_BYTES_MAX];
        loop {
            match recv(&self.socket, &mut buffer, RecvFlags::empty()) {
                Ok((n, _)) => {
                    let plan = plan(buffer.get(..n)?)?;
                    self.orders += 1;
                    // What was meant for the one before must not meet this one.
                    heed(signals, &mut asked)?;
                    // One that was called off is nobody's any more.
                    if self.decided.change(self.orders - 1, self.orders) {
                        return Some((plan, asked));
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut fds = [
                        PollFd::new(&self.socket, PollFlags::IN),
                        PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
                    ];
                    match poll(&mut fds, None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(_) => return None,
                    }
                    heed(signals, &mut asked)?;
                }
                Err(_) => return None,
            }
        }
    }
}

impl AsFd for Desk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Takes the signals that came: the last wish to end an attempt is kept. `None` when this process is to end.
fn heed(signals: &Signals, asked: &mut Option<u64>) -> Option<()> {
    while let Some(seen) = signals.next() {
        match seen {
            Seen::Terminate => return None,
            Seen::Asked(key) => *asked = Some(key),
            Seen::Child => {}
        }
    }
    Some(())
}

/// The plan in the frame of an order.
fn plan(frame: &[u8]) -> Option<Box<Plan>> {
    match decoded(frame, Kind::Request) {
        Some(Order::Start(plan)) => Some(plan),
        _ => None,
    }
}

/// What is in a frame.
fn decoded<T: DeserializeOwned>(frame: &[u8], kind: Kind) -> Option<T> {
    let (header, payload) = frame.split_at_checked(HEADER_BYTES)?;
    let header = Header::parse(header.try_into().ok()?, limits::ORDER_BYTES_MAX).ok()?;
    frame::decode(header, kind, payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_and_ends_are_heard() {
        let (mut server, shim) = pair().unwrap();
        assert_eq!(server.hear(), Heard::Nothing);
        shim.report(&Report::NotBegun(-7));
        shim.report(&Report::Ended);
        assert_eq!(server.hear(), Heard::Report(Report::NotBegun(-7)));
        assert_eq!(server.hand(&vec![0; limits::ORDER_HANDED_BYTES_MAX + 1]), None);
        assert!(server.hand(&vec![0; limits::ORDER_HANDED_BYTES_MAX]).is_some(), "the largest fits");
        drop(shim);
        assert_eq!(server.hear(), Heard::Report(Report::Ended), "what it told before counts");
        assert_eq!(server.hear(), Heard::Gone);
        assert_eq!(server.hand(&[0]), None);
        let (mut server, shim) = pair().unwrap();
        assert_eq!([b"2", b"3", b"4", b"5"].map(|order| server.hand(order)), [2, 3, 4, 5].map(Some));
        assert!(server.call_off(2) && !server.call_off(2));
        assert!(!server.call_off(4), "the one before it may begin");
        assert!(shim.decided.change(2, 3) && server.call_off(4));
        assert!(shim.decided.change(4, 5) && !server.call_off(5), "it has begun");
        while shim.report(&Report::Ended) {}
        assert_eq!(server.hear(), Heard::Report(Report::Ended));
        assert!(shim.report(&Report::Ended), "there is room again");
    }
}
