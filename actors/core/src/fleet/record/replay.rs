//! A record, taken through the rules of now.

use std::time::Duration;

use super::{Base, FORMAT, Frame, Header, Line, Saw, Taken, rules_of};
use crate::clock::{Mono, Wall};
use crate::fleet::agent::{Agent, Event, History, Marks, Moment, Nature, Verdict};
use crate::fleet::profile::{Profile, Profiles};
use crate::limits;

/// Why a record cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Unreadable {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// Frames in a row at which the rules of now say something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The line of the first frame.
    pub line: usize,
    /// When it was.
    pub at: Wall,
    /// When the last of them was.
    pub until: Wall,
    /// How many frames.
    pub frames: u64,
    /// What the agent was taken to be doing.
    pub then: Taken,
    /// What it is taken to be doing by the rules of now.
    pub now: Taken,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// The record's header.
    pub header: Header,
    /// Whether the rules of its profile are those of then.
    pub same_rules: bool,
    /// Frames that were taken through.
    pub frames: u64,
    /// Frames that were missing in it.
    pub missed: u64,
    /// How often the verdict changed then: not at all in a record of one state.
    pub changes: u64,
    /// Where it differs, at most [`limits::REPLAY_DIFFERENCES_MAX`].
    pub differences: Vec<Difference>,
    /// Whether its last line is torn, as by a kill.
    pub torn: bool,
}

/// Takes a record through, line by line.
#[derive(Debug)]
pub struct Replay<'p> {
    profiles: &'p Profiles,
    begun: Option<Begun<'p>>,
    line: usize,
}

#[derive(Debug)]
struct Begun<'p> {
    profile: &'p Profile,
    agent: Agent,
    base: Base,
    last: Option<(usize, Taken, Taken)>,
    /// Where the machine stood when the record began, and how many frames still tell what it knew then.
    marks: Option<(Box<Marks>, u32)>,
    /// Up to when time has passed for the machine.
    reached: Mono,
    out: Replayed,
}

/// What is said of another kind of file.
const FOREIGN: &str = "this file is no record: a record begins with a header, as `tsup ctl record` writes it";
/// A timer that the supervisor missed by this much did not fire: the machine is looked at in its stead.
const LATE: Duration = Duration::from_millis(250);
/// Where a record's time begins on the machine's clock: what is told may be older than the record.
const ORIGIN: Duration = Duration::from_secs(400 * 24 * 3600);

impl<'p> Replay<'p> {
    /// Begins, with the profiles of now.
    pub fn new(profiles: &'p Profiles) -> Self {
        Replay { profiles, begun: None, line: 0 }
    }

    /// Takes the next line, without its end. `last` says that it has none: then it may be torn.
    pub fn line(&mut self, text: &str, last: bool) -> Result<(), Unreadable> {
        self.line += 1;
        let bad = |line: usize, what: String| Unreadable { line, what };
        let line: Line = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(_) if last && self.begun.is_some() => {
                self.begun.iter_mut().for_each(|begun| begun.out.torn = true);
                return Ok(());
            }
            Err(_) if self.begun.is_none() => return Err(bad(self.line, FOREIGN.to_owned())),
            Err(_) => {
                return Err(bad(self.line, "this is no line of a record; somebody changed it".to_owned()));
            }
        };
        match (line, &mut self.begun) {
            (Line::Header(header), None) => {
                self.begun = Some(Begun::new(*header, self.profiles).map_err(|what| bad(self.line, what))?);
            }
            (Line::Frame(frame), Some(begun)) => begun.frame(&frame, self.line),
            (Line::Gap { missed }, Some(begun)) => begun.out.missed = begun.out.missed.saturating_add(missed),
            (Line::End { .. }, Some(_)) => {}
            (Line::Header(_), Some(_)) => {
                return Err(bad(self.line, "a second record begins here; a file holds one".to_owned()));
            }
            (_, None) => return Err(bad(self.line, FOREIGN.to_owned())),
        }
        Ok(())
    }

    /// What came of it.
    pub fn end(self) -> Result<Replayed, Unreadable> {
        let nothing = Unreadable { line: 1, what: "the file is empty; it is no record".to_owned() };
        self.begun.map(|begun| begun.out).ok_or(nothing)
    }
}

impl<'p> Begun<'p> {
    fn new(header: Header, profiles: &'p Profiles) -> Result<Self, String> {
        if header.format != FORMAT {
            return Err(format!("record format {} is not known, this tsup reads {FORMAT}", header.format));
        }
        let name = &header.profile;
        let profile = profiles.get(name).or_else(|| profiles.get(Profile::GENERIC));
        let profile = profile.ok_or_else(|| format!("there is no profile {name:?}"))?;
        let base = Base::new(Mono::from_origin(ORIGIN));
        let start = Moment { mono: base.mono(0), wall: header.at };
        let same_rules = rules_of(profile) == header.rules;
        let out = Replayed {
            header,
            same_rules,
            frames: 0,
            missed: 0,
            changes: 0,
            differences: Vec::new(),
            torn: false,
        };
        // It is never taken from the list, whatever happens to its pane.
        let mut agent = Agent::new(start, true, limits::MISSING_GRACE.end().to_owned());
        agent.set_nature(Nature::of(profile));
        Ok(Begun { profile, agent, base, last: None, marks: None, reached: start.mono, out })
    }

    fn frame(&mut self, frame: &Frame, line: usize) {
        let now = Moment { mono: self.base.mono(frame.at_us), wall: frame.at };
        if self.marks.is_none() {
            self.pass_time(now);
        }
        match (&frame.saw, frame.saw.event(self.profile, self.base)) {
            (Saw::Begin { process, age_us, marks, known }, _) => {
                if let Some(process) = *process {
                    let age = Duration::from_micros(*age_us);
                    self.agent.step(Event::Attached { process, age }, now);
                }
                let verdict = Verdict::new(frame.then.state, frame.then.detail);
                self.agent.restore(History::default(), Some((verdict, frame.at)));
                self.marks = marks.clone().map(|marks| (marks, *known));
            }
            (_, Some(event)) => drop(self.agent.step(event, now)),
            (_, None) => {}
        }
        self.take_up(frame, now);
        self.compare(frame, line);
    }

    /// What was known when the record began makes no other verdict: the machine is put where the recorded one
    /// stood, with what the rules of now make of it.
    fn take_up(&mut self, frame: &Frame, now: Moment) {
        let Some((marks, known)) = self.marks.take() else { return };
        let verdict = Verdict::new(frame.then.state, frame.then.detail);
        self.agent.restore(History::default(), Some((verdict, frame.at)));
        self.agent.take_up(&marks, self.base);
        self.reached = now.mono;
        self.marks = known.checked_sub(1).map(|known| (marks, known));
    }

    /// Gives the machine the looks that it asks for and the record does not have: other rules may need
    /// other looks.
    fn pass_time(&mut self, until: Moment) {
        for _ in 0..limits::REPLAY_LOOKS_MAX {
            let Some(after) = self.agent.next_look(self.reached) else { break };
            let due = self.reached + after.max(Duration::from_millis(1));
            if due + LATE > until.mono {
                break;
            }
            let wall = until.wall.minus(until.mono.since(due));
            self.agent.step(Event::Look, Moment { mono: due, wall });
            self.reached = due;
        }
        self.reached = self.reached.max(until.mono);
    }

    fn compare(&mut self, frame: &Frame, line: usize) {
        let out = &mut self.out;
        out.frames += 1;
        let verdict = self.agent.verdict();
        let rule = self.agent.evidence().first().map(|e| e.claim.rule.to_string());
        let now = Taken { state: verdict.state, detail: verdict.detail, rule };
        let same = |(_, then, _): &(usize, Taken, Taken)| then.agrees(&frame.then);
        if !self.last.as_ref().is_none_or(same) {
            out.changes += 1;
        }
        if !now.agrees(&frame.then) {
            let goes_on = self.last.as_ref().is_some_and(|(at, then, was)| {
                *at + 1 == line && then.agrees(&frame.then) && was.agrees(&now)
            });
            let room = out.differences.len() < limits::REPLAY_DIFFERENCES_MAX;
            match out.differences.last_mut() {
                Some(before) if goes_on => {
                    before.until = frame.at;
                    before.frames += 1;
                }
                _ if room => out.differences.push(Difference {
                    line,
                    at: frame.at,
                    until: frame.at,
                    frames: 1,
                    then: frame.then.clone(),
                    now: now.clone(),
                }),
                _ => {}
            }
        }
        self.last = Some((line, frame.then.clone(), now));
    }
}

#[cfg(test)]
mod tests;
