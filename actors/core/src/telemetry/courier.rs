//! When to open, probe, send and rest; and what an outage costs.
//!
//! A Unix datagram socket says at once whether the receiver took a packet: what it did not take stays
//! due, and totals are exact over any outage. A UDP socket says it later, by an ICMP message that shows
//! as an error of a later call: then everything sent since the last flush began is given up and
//! counted, once, because a receiver is only trusted again after a probe without any figures in it was not
//! refused. A stream is treated like UDP: what stood in its buffers when it broke is counted as lost.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::dialect::WireName;
use super::feed::{Emit, Feed};
use super::pack::{Packet, count_lines, pack};
use super::snapshot::Snapshot;
use crate::clock::Mono;
use crate::limits;

/// What the receiver's socket can tell about a packet that it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Taken is received.
    UnixDatagram,
    /// Taken may still bounce.
    Udp,
    /// Taken may still be lost with the connection.
    Stream,
}

/// What the shell is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Open a socket; answer `Opened` or `OpenFailed`.
    Open,
    /// Send a packet that carries no figures; answer as for `Send`.
    Probe,
    /// Ask the socket for an error that came late; answer `Quiet` or `Bounced`.
    Check,
    /// Send [`Courier::packet`]; answer `Sent`, `Bounced`, `Refused`, `Blocked` or `TooLong`.
    Send,
    /// Nothing before this moment.
    At(Mono),
    /// Nothing before the next snapshot or answer.
    Rest,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The socket is open.
    Opened,
    /// It could not be opened.
    OpenFailed,
    /// No error was waiting.
    Quiet,
    /// The packet was taken.
    Sent,
    /// The packet was taken, or nothing was sent, and an error about earlier packets is there.
    Bounced,
    /// The packet was not taken, and the socket is of no use any more.
    Refused,
    /// The packet was not taken because a buffer is full.
    Blocked,
    /// The packet is longer than the way to the receiver allows.
    TooLong,
}

/// What became of lines, since it was asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Lines that the socket took.
    pub lines: u64,
    /// Packets that the socket took.
    pub packets: u64,
    /// Bytes that the socket took.
    pub bytes: u64,
    /// Of those, lines given up, and lines that were too long.
    pub dropped: u64,
    /// Counter increments in dropped lines.
    pub lost_increments: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed { retry_at: Mono },
    Opening,
    Probing,
    Settling { until: Mono },
    Up,
}

/// Writes one item as its lines, without a line feed at the end.
pub type Write<'a> = &'a mut dyn FnMut(&WireName, &Emit) -> String;

/// The state of one receiver; see the module.
#[derive(Debug)]
pub struct Courier {
    transport: Transport,
    payload_bytes: usize,
    feed: Feed,
    phase: Phase,
    failures: u32,
    latest: Option<Arc<Snapshot>>,
    to_plan: bool,
    to_check: bool,
    moving: bool,
    blocked_until: Option<Mono>,
    queue: VecDeque<Packet>,
    /// Sent since the last flush began: (lines, increments).
    flight: (u64, u64),
    tally: Tally,
}

impl Courier {
    /// A receiver that has not been reached yet.
    pub fn new(transport: Transport, payload_bytes: usize, feed: Feed) -> Self {
        Courier {
            transport,
            payload_bytes,
            feed,
            phase: Phase::Closed { retry_at: Mono::ZERO },
            failures: 0,
            latest: None,
            to_plan: false,
            to_check: false,
            moving: false,
            blocked_until: None,
            queue: VecDeque::new(),
            flight: (0, 0),
            tally: Tally::default(),
        }
    }

    /// Takes a snapshot. What is left of the one before is in its differences, so it is let go.
    pub fn offer(&mut self, snapshot: Arc<Snapshot>) {
        self.latest = Some(snapshot);
        self.to_plan = true;
        self.to_check = self.transport != Transport::UnixDatagram;
        self.queue.clear();
    }

    /// The receiver moved to another address: what the old socket still has to say is heard first.
    pub fn move_over(&mut self, now: Mono) {
        self.queue.clear();
        self.to_plan = true;
        if self.phase == Phase::Up && self.transport != Transport::UnixDatagram {
            (self.to_check, self.moving) = (true, true);
        } else {
            self.phase = Phase::Closed { retry_at: now };
        }
    }

    /// The shell was started anew: an answer that was under way will not come.
    pub fn resume(&mut self, now: Mono) {
        if self.phase == Phase::Opening {
            self.phase = Phase::Closed { retry_at: now };
        }
    }

    /// What to do now.
    pub fn next(&mut self, now: Mono, write: Write<'_>) -> Next {
        match self.phase {
            Phase::Closed { .. } if self.latest.is_none() => Next::Rest,
            Phase::Closed { retry_at } if now < retry_at => Next::At(retry_at),
            Phase::Closed { .. } => {
                self.phase = Phase::Opening;
                self.moving = false;
                Next::Open
            }
            Phase::Opening => Next::Rest,
            Phase::Probing => Next::Probe,
            Phase::Settling { until } if now < until => Next::At(until),
            Phase::Settling { .. } => Next::Check,
            Phase::Up => self.next_up(now, write),
        }
    }

    fn next_up(&mut self, now: Mono, write: Write<'_>) -> Next {
        if self.to_check {
            return Next::Check;
        }
        if let Some(until) = self.blocked_until.filter(|until| now < *until) {
            return Next::At(until);
        }
        self.blocked_until = None;
        if self.to_plan {
            self.plan(now, write);
        }
        if self.queue.is_empty() { Next::Rest } else { Next::Send }
    }

    fn plan(&mut self, now: Mono, write: Write<'_>) {
        self.to_plan = false;
        self.flight = (0, 0);
        let Some(snapshot) = &self.latest else { return };
        let due = self.feed.due(snapshot, now);
        let written = due.into_iter().map(|item| {
            let text = write(self.feed.wire_name(&item), &item.emit);
            (item, text)
        });
        let (packets, too_long) = pack(written.collect::<Vec<_>>(), self.payload_bytes);
        self.queue = packets.into();
        for (item, text) in too_long {
            self.feed.told(&item, now);
            self.tally.dropped += count_lines(&text);
            self.tally.lost_increments += item.increments();
        }
    }

    /// The packet that [`Next::Send`] is about.
    pub fn packet(&self) -> Option<&str> {
        self.queue.front().map(|p| p.text.as_str())
    }

    /// Whether the receiver is known to be out of reach.
    pub fn degraded(&self) -> bool {
        self.failures > 0
    }

    /// Whether everything offered has been sent.
    pub fn is_done(&self) -> bool {
        self.latest.is_none() || (self.phase == Phase::Up && !self.to_plan && self.queue.is_empty())
    }

    /// What became of lines since this was asked last.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Takes the answer to what [`Courier::next`] said.
    pub fn outcome(&mut self, outcome: Outcome, now: Mono) {
        match (self.phase, outcome) {
            (Phase::Opening, Outcome::Opened) => {
                if self.transport == Transport::Udp {
                    self.phase = Phase::Probing;
                } else {
                    self.up();
                }
            }
            (Phase::Probing, Outcome::Sent) => {
                self.phase = Phase::Settling { until: now + limits::STATSD_PROBE_SETTLE };
            }
            (Phase::Settling { .. }, Outcome::Quiet) => self.up(),
            (Phase::Up, Outcome::Quiet) if self.moving => self.phase = Phase::Closed { retry_at: now },
            (Phase::Up, Outcome::Quiet) => self.to_check = false,
            (Phase::Up, Outcome::Sent) => self.sent(now),
            (Phase::Up, Outcome::Bounced) => {
                if !self.to_check {
                    self.sent(now);
                }
                self.lost(now);
            }
            (Phase::Up, Outcome::Refused) => self.lost(now),
            (Phase::Up | Phase::Probing, Outcome::Blocked) => {
                self.blocked_until = Some(now + limits::STATSD_BLOCKED_PAUSE);
                if self.phase == Phase::Probing {
                    self.close(now);
                }
            }
            (Phase::Up, Outcome::TooLong) => self.too_long(now),
            _ => self.close(now),
        }
    }

    fn up(&mut self) {
        self.phase = Phase::Up;
        self.failures = 0;
        self.to_check = false;
        self.to_plan = true;
        self.blocked_until = None;
        self.flight = (0, 0);
        self.feed.forget_gauges();
    }

    fn sent(&mut self, now: Mono) {
        let Some(packet) = self.queue.pop_front() else { return };
        packet.items.iter().for_each(|item| self.feed.told(item, now));
        self.tally.lines += packet.lines();
        self.tally.packets += 1;
        self.tally.bytes += packet.text.len() as u64;
        self.flight.0 += packet.lines();
        self.flight.1 += packet.increments();
    }

    /// The receiver is gone: what is in flight is given up, unless taken means received.
    fn lost(&mut self, now: Mono) {
        if self.transport != Transport::UnixDatagram {
            self.tally.dropped += self.flight.0;
            self.tally.lost_increments += self.flight.1;
        }
        self.flight = (0, 0);
        self.close(now);
    }

    fn too_long(&mut self, now: Mono) {
        let Some(packet) = self.queue.pop_front() else { return };
        packet.items.iter().for_each(|item| self.feed.told(item, now));
        self.tally.dropped += packet.lines();
        self.tally.lost_increments += packet.increments();
    }

    fn close(&mut self, now: Mono) {
        self.queue.clear();
        self.to_plan = true;
        let doubled = limits::STATSD_RETRY_FIRST.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        let pause: Duration = doubled.min(limits::STATSD_RETRY_MAX);
        self.phase = Phase::Closed { retry_at: now + pause };
    }
}

#[cfg(test)]
mod tests;
