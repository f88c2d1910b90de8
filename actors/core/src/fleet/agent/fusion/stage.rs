//! A stage for one agent: it is told what happens at which moment, and looks whenever that is due.

use std::time::Duration;

use crate::clock::{Mono, Wall};
use crate::fleet::agent::*;
use crate::fleet::hook::HookSays;
use crate::fleet::screen::Reading;
use crate::fleet::state::{AgentState, Detail};
use crate::fleet::transcript::Heard;
use crate::ids::ProcId;

pub(super) const OLD: Duration = Duration::from_secs(600);
pub(super) const READS: Nature = Nature { reads_screen: true, busy_is_drawn: true };

pub(super) fn at(ms: u64) -> Moment {
    Moment {
        mono: Mono::from_origin(Duration::from_hours(24) + Duration::from_millis(ms)),
        wall: Wall::from_unix_ms(1_000_000 + i64::try_from(ms).unwrap()),
    }
}

pub(super) fn proc(pid: u32) -> ProcId {
    ProcId { pid, start_ticks: 7 }
}

pub(super) fn verdict(word: &str) -> Verdict {
    let (state, detail) = word.split_once('/').map_or((word, None), |(s, d)| (s, Some(d)));
    let state = AgentState::ALL.into_iter().find(|s| s.as_str() == state).unwrap();
    let details = [
        Detail::Permission,
        Detail::Question,
        Detail::Trust,
        Detail::Login,
        Detail::Plan,
        Detail::Thinking,
        Detail::Tool,
        Detail::Compacting,
        Detail::Background,
    ];
    Verdict::new(state, detail.map(|d| details.into_iter().find(|x| x.as_str() == d).unwrap()))
}

pub(super) fn claim(source: Source, rank: Rank, says: &str, excerpt: &str) -> Claim {
    let rule = format!("test.{says}").into();
    Claim { source, rank, rule, says: verdict(says), excerpt: excerpt.into() }
}

/// What a screen may show, by name.
pub(super) fn shows(what: &str) -> Reading {
    let screen = |rank, says: &str, words: &str| claim(Source::Screen, rank, says, words);
    let claims = match what {
        "spinner" => vec![
            screen(Rank::Spinner, "busy/thinking", "✶ Sorting… (3s)"),
            screen(Rank::Composer, "idle", ""),
        ],
        "compacting" => vec![screen(Rank::Spinner, "busy/compacting", "Compacting…")],
        "menu" => vec![screen(Rank::Blocker, "waiting/permission", "Do you want to proceed?")],
        "trust" => vec![screen(Rank::Gate, "waiting/trust", "Do you trust this folder?")],
        "panel" => vec![screen(Rank::Blocker, "waiting/question", "Help improve")],
        "login" => vec![screen(Rank::Gate, "waiting/login", "Select login method")],
        "plan" => vec![screen(Rank::Blocker, "waiting/plan", "Would you like to proceed?")],
        "banner" => vec![screen(Rank::Composer, "starting", "Claude Code v2")],
        "limit" => vec![screen(Rank::Blocker, "limited", "You've hit your limit")],
        "composer" => vec![screen(Rank::Composer, "idle", "")],
        "fresh" => vec![screen(Rank::Composer, "fresh", "")],
        "typed" => vec![screen(Rank::Composer, "queued", "and then the tests")],
        "error" => vec![screen(Rank::Composer, "error", "API Error: 500")],
        "viewer" => {
            let hold = Some(screen(Rank::Composer, "idle", "Showing transcript"));
            return Reading { claims: vec![], hold, live: true, ..Reading::default() };
        }
        "nothing" => return Reading::default(),
        other => panic!("{other}"),
    };
    Reading { claims, live: true, ..Reading::default() }
}

/// An agent that is told what happens at which moment, and looks whenever that is due.
pub(super) struct Stage {
    pub(super) agent: Agent,
    pub(super) ms: u64,
    /// Each change with its moment.
    pub(super) changes: Vec<(u64, String)>,
    pub(super) wanted: usize,
    /// How often it was looked at because that was due.
    pub(super) looks: usize,
}

/// A capture is stamped by who makes it, and read a moment later.
const LATE_MS: u64 = 2;

impl Stage {
    pub(super) fn new(nature: Nature) -> Self {
        Stage::aged(nature, OLD)
    }

    pub(super) fn aged(nature: Nature, age: Duration) -> Self {
        let mut agent = Agent::new(at(0), false, Duration::from_secs(120));
        agent.set_nature(nature);
        let mut stage = Stage { agent, ms: 0, changes: Vec::new(), wanted: 0, looks: 0 };
        stage.tell(Event::Attached { process: proc(5), age });
        stage
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.happens(event, at(self.ms));
    }

    fn happens(&mut self, event: Event, now: Moment) {
        for effect in self.agent.step(event, now) {
            match effect {
                Effect::Changed(change) => self.changes.push((self.ms, word(change.to))),
                Effect::WantScreen => self.wanted += 1,
                Effect::Died(_) | Effect::Gone => {}
            }
        }
    }

    /// Lets time pass.
    pub(super) fn until(&mut self, ms: u64) -> &mut Self {
        while let Some(after) = self.agent.next_look(at(self.ms).mono) {
            let due = self.ms + u64::try_from(after.as_millis()).unwrap().max(1);
            if due > ms {
                break;
            }
            self.ms = due;
            self.looks += 1;
            self.tell(Event::Look);
        }
        self.ms = ms;
        self
    }

    pub(super) fn pass(&mut self, ms: u64) -> &mut Self {
        self.until(self.ms + ms)
    }

    pub(super) fn screen(&mut self, what: &str) -> &mut Self {
        self.capture(what, true)
    }

    pub(super) fn capture(&mut self, what: &str, calm: bool) -> &mut Self {
        self.reading(shows(what), calm)
    }

    /// The same, above a line of the shell in which it was started.
    pub(super) fn left(&mut self, what: &str) -> &mut Self {
        self.reading(Reading { left: true, ..shows(what) }, true)
    }

    /// The same, in a pane that is that wide.
    pub(super) fn wide(&mut self, what: &str, columns: u16) -> &mut Self {
        self.reading(Reading { columns: Some(columns), ..shows(what) }, true)
    }

    /// The same, with a title that says that it works.
    pub(super) fn titled(&mut self, what: &str, title: &str) -> &mut Self {
        let mut reading = shows(what);
        reading.claims.push(claim(Source::Title, Rank::Spinner, "busy/thinking", title));
        self.reading(reading, true)
    }

    fn reading(&mut self, reading: Reading, calm: bool) -> &mut Self {
        let at = at(self.ms).mono;
        self.until(self.ms + LATE_MS);
        self.tell(Event::Screen { reading: Box::new(reading), calm, at });
        self
    }

    pub(super) fn front(&mut self, stopped: bool, shows: Shows) -> &mut Self {
        self.tell(Event::Front(Front { stopped, shows, tool: None }));
        self
    }

    /// Something is painted, and captured when the pane has been quiet for a moment.
    pub(super) fn paint(&mut self, what: &str) -> &mut Self {
        self.write();
        self.until(self.ms + 300).screen(what)
    }

    pub(super) fn write(&mut self) -> &mut Self {
        self.tell(Event::Activity { at: at(self.ms).mono });
        self
    }

    /// Paints a screen again and again, as a spinner does, with a capture now and then.
    pub(super) fn animate(&mut self, what: &str, until: u64) -> &mut Self {
        let mut captured = self.ms;
        self.capture(what, false);
        while self.ms + 120 <= until {
            self.until(self.ms + 120).write();
            if self.ms - captured >= 1_500 {
                captured = self.ms;
                self.capture(what, false);
            }
        }
        self
    }

    pub(super) fn moves(&mut self, what: &str, ms: u64) -> &mut Self {
        self.animate(what, self.ms + ms)
    }

    pub(super) fn hook(&mut self, name: &str, says: &str) -> &mut Self {
        let v = verdict(says);
        self.tell(Event::Hook {
            says: HookSays::State(v.state, v.detail),
            rule: format!("hook.{name}").into(),
            words: "Bash".into(),
            at: at(self.ms).mono,
        });
        self
    }

    pub(super) fn transcript(&mut self, says: &str, resets: Option<u64>) -> &mut Self {
        self.written(Some((says, self.ms)), resets, at(self.ms).wall)
    }

    /// The transcript says that, in a line of that moment, and is heard when the wall clock shows `wall`.
    pub(super) fn written(
        &mut self,
        says: Option<(&str, u64)>,
        resets: Option<u64>,
        wall: Wall,
    ) -> &mut Self {
        let claim = |says| claim(Source::Transcript, Rank::Transcript, says, "rate_limit");
        let mut heard = Heard {
            claim: says.map(|(says, _)| claim(says)),
            at: says.map(|(_, ms)| at(ms).wall),
            ..Heard::default()
        };
        heard.usage.limit_resets_at = resets.map(|ms| at(ms).wall);
        let now = Moment { wall, ..at(self.ms) };
        self.happens(Event::Transcript(Box::new(heard)), now);
        self
    }

    #[track_caller]
    pub(super) fn is(&mut self, expected: &str) -> &mut Self {
        let now = word(self.agent.verdict());
        assert_eq!(now, expected, "at {} ms, after {:?}", self.ms, self.changes);
        self
    }

    pub(super) fn because(&self) -> String {
        self.agent.explain(at(self.ms).mono).because.to_string()
    }

    /// The states it went through since it was found.
    pub(super) fn story(&self) -> Vec<&str> {
        let all = self.changes.iter().map(|(_, word)| word.as_str());
        all.skip_while(|word| matches!(*word, "unknown" | "starting")).collect()
    }
}

pub(super) fn word(v: Verdict) -> String {
    v.detail.map_or(v.state.to_string(), |d| format!("{}/{d}", v.state))
}
