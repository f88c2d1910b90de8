//! Records: what was seen of an agent, frame by frame, so that the rules can be run over it again.
//!
//! A record is a file of JSON Lines. The first is a [`Header`]; each frame holds what was seen (a screen as
//! it was captured, not what rules made of it) and what the agent was taken to be doing after it. [`replay`]
//! takes a record through the rules of now.

pub mod replay;
mod saw;

use serde::{Deserialize, Serialize};

use crate::clock::{Mono, Wall};
use crate::fleet::profile::Profile;
use crate::fleet::state::{AgentState, Detail};
use crate::ids::AgentId;
use crate::untrusted::Untrusted;

pub use saw::Saw;

/// The version of the format that this build writes and reads.
pub const FORMAT: u32 = 1;

/// One line of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// The first one.
    Header(Box<Header>),
    /// What was seen.
    Frame(Box<Frame>),
    /// Frames are missing here: they came faster than they could be written.
    Gap {
        /// How many.
        missed: u64,
    },
    /// The last one; missing where the supervisor was killed.
    End {
        /// When.
        at: Wall,
        /// Why nothing follows.
        why: String,
    },
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The tsup that wrote it.
    pub tsup: String,
    /// When it begins.
    pub at: Wall,
    /// Whose it is.
    pub agent: AgentId,
    /// Its session's name.
    pub session: Untrusted,
    /// Its name.
    pub name: Untrusted,
    /// Its profile's name.
    pub profile: String,
    /// Tells whether the profile's rules are the same as then.
    pub rules: String,
}

/// What was seen at one moment, and what followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// When, by the wall clock.
    pub at: Wall,
    /// When, in microseconds since the record began.
    pub at_us: i64,
    /// What.
    pub saw: Saw,
    /// What the agent was taken to be doing then.
    pub then: Taken,
}

/// What an agent is taken to be doing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The state.
    pub state: AgentState,
    /// Which kind of it.
    pub detail: Option<Detail>,
    /// The strongest rule that spoke, where one did.
    pub rule: Option<String>,
}

impl Taken {
    /// Whether it is the same state of the same kind.
    pub fn agrees(&self, other: &Taken) -> bool {
        (self.state, self.detail) == (other.state, other.detail)
    }
}

/// The moment at which a record begins: times in it are counted from there, before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base(Mono);

impl Base {
    /// Counts from `mono`.
    pub fn new(mono: Mono) -> Self {
        Base(mono)
    }

    pub(super) fn us(self, at: Mono) -> i64 {
        let us = |d: std::time::Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        if at >= self.0 { us(at.since(self.0)) } else { -us(self.0.since(at)) }
    }

    pub(super) fn mono(self, us: i64) -> Mono {
        let by = std::time::Duration::from_micros(us.unsigned_abs());
        if us >= 0 { self.0 + by } else { self.0 - by }
    }
}

/// A short word for the rules of a profile, another one when they change (FNV-1a over all they say).
pub fn rules_of(profile: &Profile) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in format!("{profile:?}").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// A line of a record as text, with its end.
pub fn write(line: &Line) -> String {
    // Text, numbers and enums: nothing here cannot be written as JSON.
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text
}
