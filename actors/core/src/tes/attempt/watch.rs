//! What a shim decides while an attempt runs: when it has lasted too long, used too much, or is to end.
//!
//! An end goes in three steps: ask (TERM, and CONT, since a stopped process sees no TERM), wait for the
//! grace, kill. All of them are for the whole tree, and an attempt has ended only when nobody of the tree
//! is left. Processes that the script leaves behind are ended the same way, with a grace of their own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Cause, End};
use crate::clock::Mono;
use crate::limits;

/// What bounds an attempt. `None` is without bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// From its start to its end.
    pub run: Option<Duration>,
    /// Without a byte of output.
    pub silence: Option<Duration>,
    /// From the request to end to the kill.
    pub grace: Duration,
    /// Bytes of memory of the tree, where looking is what enforces it.
    pub memory_bytes: Option<u64>,
    /// Processes of the tree, likewise.
    pub processes: Option<u32>,
}

/// What the shim sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The script printed something.
    Printed,
    /// Its own process ended; so many others of its tree are left.
    Ended {
        /// How.
        end: End,
        /// Processes that are left.
        left: u32,
    },
    /// Nobody of its tree is left.
    Empty,
    /// Somebody cancels it.
    Cancel,
    /// Its shim is told to end.
    Terminate,
    /// A look at its tree.
    Sampled {
        /// Bytes of memory.
        memory_bytes: u64,
        /// Processes.
        processes: u32,
    },
    /// It met a bound that the kernel holds, or was about to go beyond it.
    Met(Cause),
    /// Nothing but time.
    Tick,
}

/// What the shim does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Ask every process of the tree to end.
    Terminate,
    /// Kill every process of the tree, those that come meanwhile too.
    Kill,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// How the script's own process ended.
    pub end: End,
    /// Why the shim ended it, if it did.
    pub cause: Option<Cause>,
    /// Processes that the script left behind.
    pub left_behind: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Asked to end; killed at that time.
    Ending(Mono),
    /// Killed; killed again at that time, for what was forked meanwhile.
    Killing(Mono),
}

/// An attempt under watch.
#[derive(Debug)]
pub struct Watch {
    bounds: Bounds,
    started: Mono,
    printed: Mono,
    phase: Phase,
    cause: Option<Cause>,
    end: Option<End>,
    left_behind: u32,
    empty: bool,
}

impl Watch {
    /// An attempt that starts now.
    pub fn new(bounds: Bounds, now: Mono) -> Self {
        Watch {
            bounds,
            started: now,
            printed: now,
            phase: Phase::Running,
            cause: None,
            end: None,
            left_behind: 0,
            empty: false,
        }
    }

    /// Takes in what was seen.
    pub fn step(&mut self, event: Event, now: Mono) -> Option<Effect> {
        match event {
            Event::Printed => self.printed = now,
            Event::Ended { end, left } => {
                debug_assert!(self.end.is_none(), "a process ends once");
                self.end = Some(end);
                self.left_behind = left;
            }
            Event::Empty => self.empty = true,
            Event::Cancel => return self.end_because(Cause::Cancel, self.bounds.grace, now),
            Event::Terminate => return self.end_because(Cause::Terminated, self.bounds.grace, now),
            Event::Sampled { memory_bytes, processes } => {
                // Memory cannot wait for a grace: it is for the whole machine.
                if self.bounds.memory_bytes.is_some_and(|max| memory_bytes > max) {
                    return self.end_because(Cause::Memory, Duration::ZERO, now);
                }
                if self.bounds.processes.is_some_and(|max| processes > max) {
                    return self.end_because(Cause::Processes, Duration::ZERO, now);
                }
            }
            Event::Met(cause) => return self.end_because(cause, Duration::ZERO, now),
            Event::Tick => {}
        }
        self.look(now)
    }

    /// How it ended, once nobody is left.
    pub fn finish(&self) -> Option<Finish> {
        let end = self.end.clone().filter(|_| self.empty)?;
        Some(Finish { end, cause: self.cause, left_behind: self.left_behind })
    }

    /// When [`Event::Tick`] is wanted at the latest.
    pub fn next_due(&self) -> Option<Mono> {
        match self.phase {
            Phase::Ending(at) | Phase::Killing(at) => Some(at),
            Phase::Running => {
                let run = self.bounds.run.map(|d| self.started + d);
                let silence = self.bounds.silence.map(|d| self.printed + d);
                run.into_iter().chain(silence).min()
            }
        }
    }

    fn look(&mut self, now: Mono) -> Option<Effect> {
        match self.phase {
            _ if self.empty => None,
            Phase::Running if self.end.is_some() => {
                self.phase = Phase::Ending(now + self.bounds.grace.min(limits::LEFT_BEHIND_GRACE));
                Some(Effect::Terminate)
            }
            Phase::Running if self.bounds.run.is_some_and(|d| now >= self.started + d) => {
                self.end_because(Cause::Timeout, self.bounds.grace, now)
            }
            Phase::Running if self.bounds.silence.is_some_and(|d| now >= self.printed + d) => {
                self.end_because(Cause::Silence, self.bounds.grace, now)
            }
            Phase::Ending(at) | Phase::Killing(at) if now >= at => {
                self.phase = Phase::Killing(now + limits::KILL_AGAIN);
                Some(Effect::Kill)
            }
            _ => None,
        }
    }

    /// Ends it; the first cause counts, and none counts once the script's own process has ended by itself.
    fn end_because(&mut self, cause: Cause, grace: Duration, now: Mono) -> Option<Effect> {
        if cause == Cause::Memory && matches!(self.phase, Phase::Ending(_)) && !self.empty {
            // Whoever was asked to end may take a grace, but no more memory than before.
            self.phase = Phase::Killing(now + limits::KILL_AGAIN);
            return Some(Effect::Kill);
        }
        if self.phase != Phase::Running || self.end.is_some() {
            return self.look(now);
        }
        self.cause = Some(cause);
        if grace.is_zero() {
            self.phase = Phase::Killing(now + limits::KILL_AGAIN);
            return Some(Effect::Kill);
        }
        self.phase = Phase::Ending(now + grace);
        Some(Effect::Terminate)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: Duration = Duration::from_secs(1);
    const FREE: Bounds = Bounds { run: None, silence: None, grace: S, memory_bytes: None, processes: None };

    fn at(ms: u64) -> Mono {
        Mono::ZERO + Duration::from_millis(ms)
    }

    fn exited(left: u32) -> Event {
        Event::Ended { end: End::Exited(0), left }
    }

    #[test]
    fn an_end_with_nobody_left_is_the_end() {
        let mut w = Watch::new(FREE, at(0));
        assert_eq!(w.next_due(), None);
        w.step(Event::Empty, at(5));
        assert_eq!(w.finish(), None, "the end itself is not known yet");
        assert_eq!(w.step(exited(0), at(5)), None);
        assert_eq!(w.finish(), Some(Finish { end: End::Exited(0), cause: None, left_behind: 0 }));
    }

    #[test]
    fn a_timeout_asks_waits_and_kills_until_nobody_is_left() {
        let mut w = Watch::new(Bounds { run: Some(S * 2), ..FREE }, at(0));
        assert_eq!(w.next_due(), Some(at(2_000)));
        assert_eq!(w.step(Event::Tick, at(1_999)), None);
        assert_eq!(w.step(Event::Tick, at(2_000)), Some(Effect::Terminate));
        assert_eq!(w.step(Event::Printed, at(2_500)), None);
        assert_eq!(w.step(Event::Tick, at(3_000)), Some(Effect::Kill));
        let due = w.next_due().unwrap();
        assert_eq!(w.step(Event::Tick, due), Some(Effect::Kill), "what forks is killed again");
        let end = End::Signalled(9);
        w.step(Event::Ended { end: end.clone(), left: 0 }, due);
        w.step(Event::Empty, due);
        assert_eq!(w.finish(), Some(Finish { end, cause: Some(Cause::Timeout), left_behind: 0 }));
    }

    #[test]
    fn silence_counts_from_the_last_byte() {
        let mut w = Watch::new(Bounds { silence: Some(S), ..FREE }, at(0));
        w.step(Event::Printed, at(900));
        assert_eq!(w.step(Event::Tick, at(1_500)), None);
        assert_eq!(w.next_due(), Some(at(1_900)));
        assert_eq!(w.step(Event::Tick, at(1_900)), Some(Effect::Terminate));
    }

    #[test]
    fn what_is_left_behind_is_ended_and_counted() {
        let mut w = Watch::new(Bounds { run: Some(S * 100), grace: S * 50, ..FREE }, at(0));
        assert_eq!(w.step(exited(2), at(10)), Some(Effect::Terminate));
        assert_eq!(w.next_due(), Some(at(10) + limits::LEFT_BEHIND_GRACE));
        assert_eq!(w.step(Event::Cancel, at(20)), None, "it has ended by itself");
        assert_eq!(w.step(Event::Tick, at(10) + limits::LEFT_BEHIND_GRACE), Some(Effect::Kill));
        w.step(Event::Empty, at(9_000));
        assert_eq!(w.finish(), Some(Finish { end: End::Exited(0), cause: None, left_behind: 2 }));
    }

    #[test]
    fn memory_is_killed_for_at_once() {
        let mut w = Watch::new(Bounds { memory_bytes: Some(10), processes: Some(3), ..FREE }, at(0));
        assert_eq!(w.step(Event::Sampled { memory_bytes: 10, processes: 3 }, at(1)), None);
        assert_eq!(w.step(Event::Sampled { memory_bytes: 11, processes: 9 }, at(2)), Some(Effect::Kill));
        assert_eq!(w.step(Event::Cancel, at(3)), None, "the first cause counts");
        assert_eq!(w.cause, Some(Cause::Memory));
    }

    #[test]
    fn a_grace_is_no_leave_to_use_more_memory() {
        let bounds = Bounds { run: Some(S), grace: S * 1_000, memory_bytes: Some(10), ..FREE };
        let mut w = Watch::new(bounds, at(0));
        let sampled = |memory_bytes| Event::Sampled { memory_bytes, processes: 1 };
        assert_eq!(w.step(Event::Tick, at(1_000)), Some(Effect::Terminate));
        assert_eq!(w.step(sampled(10), at(1_100)), None);
        assert_eq!(w.step(sampled(11), at(1_200)), Some(Effect::Kill));
        assert_eq!(w.cause, Some(Cause::Timeout), "the first cause counts");
        assert_eq!(w.step(sampled(11), at(1_201)), None, "it was killed for that");
        // Those that a script leaves behind have no more.
        let mut w = Watch::new(bounds, at(0));
        assert_eq!(w.step(exited(1), at(10)), Some(Effect::Terminate));
        assert_eq!(w.step(sampled(11), at(20)), Some(Effect::Kill));
        assert_eq!(w.cause, None);
    }

    #[test]
    fn a_bound_that_the_kernel_holds_is_a_cause_too() {
        let mut w = Watch::new(FREE, at(0));
        assert_eq!(w.step(Event::Met(Cause::Memory), at(1)), Some(Effect::Kill));
        w.step(Event::Ended { end: End::Signalled(9), left: 0 }, at(1));
        w.step(Event::Empty, at(1));
        assert_eq!(w.finish().unwrap().cause, Some(Cause::Memory));
        let mut w = Watch::new(FREE, at(0));
        w.step(exited(1), at(1));
        w.step(Event::Met(Cause::Processes), at(2));
        assert_eq!(w.cause, None, "what it left behind met it");
    }

    proptest! {
        /// Whatever happens, one cause is told, nothing is asked of an empty tree, and time leads to a kill.
        #[test]
        fn every_bounded_attempt_ends(events in proptest::collection::vec((0..7_u8, 0..400_u64), 0..60)) {
            let bounds = Bounds { run: Some(S * 5), silence: Some(S * 2), memory_bytes: Some(5), ..FREE };
            let (mut w, mut now, mut asked) = (Watch::new(bounds, at(0)), 0, false);
            for (event, pass) in events {
                now += pass;
                let event = match event {
                    0 => Event::Printed,
                    1 if w.end.is_none() => exited(1),
                    2 if w.end.is_some() => Event::Empty,
                    3 => Event::Cancel,
                    4 => Event::Sampled { memory_bytes: pass % 7, processes: 1 },
                    5 => Event::Met(Cause::Processes),
                    _ => Event::Tick,
                };
                let effect = w.step(event, at(now));
                prop_assert!(effect != Some(Effect::Terminate) || !asked, "asked twice");
                prop_assert!(effect.is_none() || !w.empty);
                asked |= effect.is_some();
            }
            let mut killed = w.empty;
            for _ in 0..4 {
                let Some(due) = w.next_due() else { break };
                killed |= w.step(Event::Tick, due.max(at(now))) == Some(Effect::Kill);
            }
            prop_assert!(killed);
        }
    }
}
