//! An agent's side of its record: what was seen of it, as it was seen.

use std::path::PathBuf;
use std::time::Duration;

use tsup_core::clock::{Mono, Wall};
use tsup_core::error::{Exit, UserError};
use tsup_core::fleet::agent::{Event, Source};
use tsup_core::fleet::hook::HookSays;
use tsup_core::fleet::record::{Base, FORMAT, Frame, Header, Line, Saw, Taken, rules_of, write};
use tsup_core::fleet::screen::Shot;
use tsup_core::fleet::transcript::Heard;
use tsup_core::limits;

use super::AgentActor;
use crate::actor::Cx;
use crate::fleet::records;
use crate::gate::Reply;
use crate::os::proc;

/// A record that is being written.
#[derive(Debug, Clone, Copy)]
pub(in crate::fleet) struct Recording {
    number: u64,
    base: Base,
    begun: Mono,
    until: Wall,
}

/// What a screen showed, and when it was captured.
#[derive(Debug)]
pub(in crate::fleet) struct Shown {
    shot: Shot,
    calm: bool,
    at: Mono,
}

/// The answer to who wants a record: where it is, and until when it goes on.
pub(in crate::fleet) type Recorded = Reply<Result<(PathBuf, Wall), UserError>>;

impl AgentActor {
    /// Begins a record, unless one goes on.
    pub(super) fn record_begins(&mut self, for_: Duration, mut reply: Recorded, cx: &mut Cx<Self>) {
        if let Some(recording) = &self.held.recording {
            let what = format!("it is being recorded until {}", recording.until);
            let folder = records::folder(&self.shared.home);
            let hint = format!("its file is in {}", folder.display());
            return reply.send(Err(UserError::new(Exit::Refused, what).hint(hint)));
        }
        let now = Self::now();
        let ms = i64::try_from(for_.as_millis()).unwrap_or(i64::MAX);
        let until = Wall::from_unix_ms(now.wall.unix_ms().saturating_add(ms));
        let number = u64::try_from(now.mono.since_origin().as_nanos()).unwrap_or(u64::MAX);
        let recording = Recording { number, base: Base::new(now.mono), begun: now.mono, until };
        self.held.recording = Some(recording);
        let mut lines = write(&Line::Header(Box::new(self.header(now.wall))));
        for saw in self.known(recording.base) {
            lines.push_str(&self.line(saw, recording));
        }
        let (begun, path) = Reply::channel();
        let begin = records::Msg::Begin(self.id, number, lines, for_, begun);
        if self.shared.records.control(begin).is_err() {
            self.held.recording = None;
            return reply.send(Err(UserError::new(Exit::Refused, "too many records are asked for")));
        }
        cx.spawn(async move {
            let gone = UserError::new(Exit::Failed, "the record could not be begun");
            reply.send(path.await.unwrap_or(Err(gone)).map(|path| (path, until)));
        });
        self.want_screen();
    }

    fn header(&self, at: Wall) -> Header {
        let doc = self.doc();
        let profiles = self.shared.profiles();
        let rules = profiles.get(&doc.agent).map(rules_of).unwrap_or_default();
        let tsup = env!("CARGO_PKG_VERSION").to_owned();
        let (agent, session, name, profile) = (self.id, doc.session, doc.name, doc.agent);
        Header { format: FORMAT, tsup, at, agent, session, name, profile, rules }
    }

    /// What is known of it when a record begins: its process, where its machine stands, its screen as it was last
    /// captured, and the last words of its title, its hooks and its transcript. A screen is asked for.
    fn known(&self, base: Base) -> Vec<Saw> {
        let process = self.held.agent.process().filter(|_| self.held.agent.is_alive());
        let age = process.map(proc::age).unwrap_or_default();
        let age_us = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        let mut known: Vec<Saw> = Saw::of(&Event::Front(self.seen_front), None, base).into_iter().collect();
        if let Some(Shown { shot, calm, at }) = &self.held.shown {
            let event = Event::Screen { reading: Box::default(), calm: *calm, at: *at };
            known.extend(Saw::of(&event, Some(shot), base));
        }
        if let Some(title) = self.held.member.as_ref().map(|m| m.title.clone()) {
            known.push(Saw::Title { title });
        }
        let now = Self::now();
        for evidence in self.held.agent.evidence() {
            let (claim, at) = (evidence.claim, evidence.at);
            let event = match claim.source {
                Source::Hook => {
                    let says = HookSays::State(claim.says.state, claim.says.detail);
                    Event::Hook { says, rule: claim.rule, words: claim.excerpt, at }
                }
                Source::Transcript => {
                    let at = Some(now.wall.minus(now.mono.since(at)));
                    let usage = self.held.agent.usage().clone();
                    Event::Transcript(Box::new(Heard { claim: Some(claim), at, usage, version: None }))
                }
                _ => continue,
            };
            known.extend(Saw::of(&event, None, base));
        }
        let marks = Some(Box::new(self.held.agent.marks(base)));
        let count = u32::try_from(known.len()).unwrap_or(u32::MAX);
        known.insert(0, Saw::Begin { process, age_us, marks, known: count });
        known
    }

    /// What an event shows, when it is to be recorded.
    pub(super) fn saw(&mut self, event: &Event) -> Option<Saw> {
        self.look_for_drift(event);
        let shot = self.shot.take();
        let saw = self.held.recording.and_then(|recording| Saw::of(event, shot.as_ref(), recording.base));
        if let (Event::Screen { calm, at, .. }, Some(shot)) = (event, shot) {
            self.held.shown = Some(Shown { shot, calm: *calm, at: *at });
        }
        saw
    }

    /// Writes what was seen with what followed.
    pub(super) fn recorded(&mut self, saw: Option<Saw>) {
        let (Some(saw), Some(recording)) = (saw, self.held.recording) else { return };
        let line = self.line(saw, recording);
        // What finds no room is missing in the record; nobody waits for it.
        let _ = self.shared.records.work(records::Msg::Frame(self.id, recording.number, line));
    }

    fn line(&self, saw: Saw, recording: Recording) -> String {
        let now = Self::now();
        let verdict = self.held.agent.verdict();
        let rule = self.held.agent.evidence().first().map(|e| e.claim.rule.to_string());
        let then = Taken { state: verdict.state, detail: verdict.detail, rule };
        let at_us = i64::try_from(now.mono.since(recording.begun).as_micros()).unwrap_or(i64::MAX);
        write(&Line::Frame(Box::new(Frame { at: now.wall, at_us, saw, then })))
    }

    /// Its record has ended.
    pub(super) fn record_ended(&mut self, number: u64) {
        if self.held.recording.is_some_and(|r| r.number == number) {
            self.held.recording = None;
        }
    }
}

/// For how long a record goes on that is asked for.
pub(in crate::fleet) fn duration(asked: Option<Duration>) -> Result<Duration, UserError> {
    let for_ = asked.unwrap_or(limits::RECORD_FOR_DEFAULT);
    if for_.is_zero() || for_ > limits::RECORD_FOR_MAX {
        let hours = limits::RECORD_FOR_MAX.as_secs() / 3600;
        return Err(UserError::new(
            Exit::Usage,
            format!("a record goes on for some time, and for at most {hours} hours"),
        ));
    }
    Ok(for_)
}
