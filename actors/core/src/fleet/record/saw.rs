//! What was seen, as it is written: the events of the agent's machine, with screens and titles in place of
//! what rules made of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Base;
use crate::clock::Wall;
use crate::fleet::agent::{Claim, Event, Front, Marks, Rank, Shows, Source, Verdict};
use crate::fleet::hook::HookSays;
use crate::fleet::process::ExitFacts;
use crate::fleet::profile::Profile;
use crate::fleet::relaunch::Hold;
use crate::fleet::screen::{self, Shot};
use crate::fleet::state::{AgentState, Detail};
use crate::fleet::transcript::{Heard, Usage};
use crate::ids::ProcId;
use crate::untrusted::Untrusted;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Saw {
    /// The record begins, of an agent in that state.
    Begin {
        /// Its process, while it has one.
        process: Option<ProcId>,
        /// How long that runs.
        age_us: u64,
        /// Where its machine stands. Older records do not have it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        marks: Option<Box<Marks>>,
        /// How many frames follow that tell what was known before.
        #[serde(default)]
        known: u32,
    },
    /// Another process of it is watched.
    Attached {
        /// Which.
        process: ProcId,
        /// How long it runs.
        age_us: u64,
    },
    /// Something was written in its pane.
    Activity {
        /// When.
        us: i64,
    },
    /// Nothing but time went by.
    Look,
    /// Its process ended.
    Died {
        /// Which.
        process: ProcId,
        /// Its exit status, where known.
        status: Option<i32>,
        /// The signal that ended it, where known.
        signal: Option<i32>,
    },
    /// What happened to its pane or its server: `dead`, `ending`, `gone`, `there`, `lost`, `stalled`, `back`.
    Pane {
        /// The word.
        what: String,
        /// An exit status, where known.
        status: Option<i32>,
        /// A signal, where known.
        signal: Option<i32>,
    },
    /// A person asked for its end, or it stays down: `end`, `held`, `held_login`, `held_limit`.
    Asked {
        /// The word.
        what: String,
    },
    /// Its screen.
    Screen {
        /// Its text, with escape sequences for colours.
        text: Untrusted,
        /// The pane's title.
        title: Untrusted,
        /// Its width.
        columns: Option<u16>,
        /// Whether nothing had been written for a moment.
        calm: bool,
        /// When it was captured.
        us: i64,
    },
    /// Its title, when that alone changed.
    Title {
        /// The title.
        title: Untrusted,
    },
    /// One of its CLI's hooks was called.
    Hook {
        /// Which.
        rule: String,
        /// What it means.
        says: HookSays,
        /// The tool, the question, the reason.
        words: Untrusted,
        /// When.
        us: i64,
    },
    /// Who has its terminal, and whether it is stopped.
    Front {
        /// Whether it is stopped.
        stopped: bool,
        /// Whose output the pane shows: `agent`, `child`, `other`.
        shows: String,
        /// When the youngest process below it was started.
        tool_us: Option<i64>,
    },
    /// Its transcript said something else.
    Transcript {
        /// Which rule, if any.
        rule: Option<String>,
        /// What that says.
        state: Option<AgentState>,
        /// Which kind of it.
        detail: Option<Detail>,
        /// Whether that is weak, as a turn's end is.
        weak: bool,
        /// The words it stands on.
        words: Untrusted,
        /// When the line was written.
        written: Option<Wall>,
        /// Tokens and limits.
        usage: Usage,
    },
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

impl Saw {
    /// An event as it is written. A screen and a title are given beside it, since the event has only what
    /// rules made of them; without them such an event is not written.
    pub fn of(event: &Event, shot: Option<&Shot>, base: Base) -> Option<Self> {
        let pane = |what: &str, facts: ExitFacts| {
            Some(Saw::Pane { what: what.to_owned(), status: facts.status, signal: facts.signal })
        };
        let nothing = ExitFacts::UNKNOWN;
        match event {
            Event::Attached { process, age } => {
                Some(Saw::Attached { process: *process, age_us: micros(*age) })
            }
            Event::Activity { at } => Some(Saw::Activity { us: base.us(*at) }),
            Event::Look => Some(Saw::Look),
            Event::Died { process, facts } => {
                Some(Saw::Died { process: *process, status: facts.status, signal: facts.signal })
            }
            Event::PaneDead { facts } => pane("dead", *facts),
            Event::PaneEnding { facts } => pane("ending", *facts),
            Event::PaneGone => pane("gone", nothing),
            Event::PaneThere => pane("there", nothing),
            Event::ServerLost { stalled: true } => pane("stalled", nothing),
            Event::ServerLost { stalled: false } => pane("lost", nothing),
            Event::ServerBack => pane("back", nothing),
            Event::EndAsked => Some(Saw::Asked { what: "end".to_owned() }),
            Event::Held(hold) => {
                let what = match hold {
                    Hold::Restarts => "held",
                    Hold::Login => "held_login",
                    Hold::Limit { .. } => "held_limit",
                };
                Some(Saw::Asked { what: what.to_owned() })
            }
            Event::Screen { at, calm, .. } => shot.map(|shot| Saw::Screen {
                calm: *calm,
                text: shot.text.clone(),
                title: shot.title.clone(),
                columns: shot.columns,
                us: base.us(*at),
            }),
            Event::Title(_) => shot.map(|shot| Saw::Title { title: shot.title.clone() }),
            Event::Hook { says, rule, words, at } => Some(Saw::Hook {
                rule: rule.to_string(),
                says: *says,
                words: words.clone(),
                us: base.us(*at),
            }),
            Event::Transcript(heard) => Some(Saw::heard(heard)),
            Event::Front(front) => {
                let shows = match front.shows {
                    Shows::Agent => "agent",
                    Shows::Child => "child",
                    Shows::Other => "other",
                };
                let tool_us = front.tool.map(|at| base.us(at));
                Some(Saw::Front { stopped: front.stopped, shows: shows.to_owned(), tool_us })
            }
        }
    }

    fn heard(heard: &Heard) -> Self {
        let claim = heard.claim.as_ref();
        Saw::Transcript {
            rule: claim.map(|c| c.rule.to_string()),
            state: claim.map(|c| c.says.state),
            detail: claim.and_then(|c| c.says.detail),
            weak: claim.is_some_and(|c| c.rank > Rank::Transcript),
            words: claim.map(|c| c.excerpt.clone()).unwrap_or_default(),
            written: heard.at,
            usage: heard.usage.clone(),
        }
    }

    /// The event again, with what the rules of `profile` make of it. `None` begins the record.
    pub(super) fn event(&self, profile: &Profile, base: Base) -> Option<Event> {
        let facts =
            |status: &Option<i32>, signal: &Option<i32>| ExitFacts { status: *status, signal: *signal };
        Some(match self {
            Saw::Begin { .. } => return None,
            Saw::Attached { process, age_us } => {
                Event::Attached { process: *process, age: Duration::from_micros(*age_us) }
            }
            Saw::Activity { us } => Event::Activity { at: base.mono(*us) },
            Saw::Look => Event::Look,
            Saw::Died { process, status, signal } => {
                Event::Died { process: *process, facts: facts(status, signal) }
            }
            Saw::Pane { what, status, signal } => match what.as_str() {
                "dead" => Event::PaneDead { facts: facts(status, signal) },
                "ending" => Event::PaneEnding { facts: facts(status, signal) },
                "gone" => Event::PaneGone,
                "there" => Event::PaneThere,
                "stalled" => Event::ServerLost { stalled: true },
                "lost" => Event::ServerLost { stalled: false },
                "back" => Event::ServerBack,
                _ => return None,
            },
            Saw::Asked { what } => match what.as_str() {
                "end" => Event::EndAsked,
                "held" => Event::Held(Hold::Restarts),
                "held_login" => Event::Held(Hold::Login),
                // When that ends is no part of the state.
                "held_limit" => Event::Held(Hold::Limit { until: Wall::default(), known: false }),
                _ => return None,
            },
            Saw::Screen { text, title, columns, calm, us } => {
                let shot = Shot { text: text.clone(), title: title.clone(), columns: *columns };
                let reading = Box::new(screen::read(profile, &shot));
                Event::Screen { reading, calm: *calm, at: base.mono(*us) }
            }
            Saw::Title { title } => {
                let shot = Shot { text: Untrusted::default(), title: title.clone(), columns: None };
                let claims = screen::read(profile, &shot).claims;
                Event::Title(claims.into_iter().filter(|c| c.source == Source::Title).collect())
            }
            Saw::Front { stopped, shows, tool_us } => {
                let shows = match shows.as_str() {
                    "child" => Shows::Child,
                    "other" => Shows::Other,
                    _ => Shows::Agent,
                };
                Event::Front(Front { stopped: *stopped, shows, tool: tool_us.map(|us| base.mono(us)) })
            }
            Saw::Hook { rule, says, words, us } => Event::Hook {
                says: *says,
                rule: rule.as_str().into(),
                words: words.clone(),
                at: base.mono(*us),
            },
            Saw::Transcript { rule, state, detail, weak, words, written, usage } => {
                let claim = rule.as_ref().zip(*state).map(|(rule, state)| Claim {
                    source: Source::Transcript,
                    rank: if *weak { Rank::Composer } else { Rank::Transcript },
                    rule: rule.as_str().into(),
                    says: Verdict::new(state, *detail),
                    excerpt: words.clone(),
                });
                Event::Transcript(Box::new(Heard {
                    claim,
                    at: *written,
                    usage: usage.clone(),
                    version: None,
                }))
            }
        })
    }
}
