//! What the gateway of a tmux socket tells the fleet, and what the fleet asks of it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::clock::Mono;
use crate::ids::{PaneId, ProcId, SessionId, SocketName, WindowId};
use crate::untrusted::Untrusted;

/// The server behind a socket. Another process is another server, whatever the socket's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// The socket it is reached by.
    pub socket: SocketName,
    /// Its process.
    pub process: ProcId,
    /// Its version, as `#{version}` says it.
    pub version: String,
}

/// A session as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFacts {
    /// `$N`.
    pub id: SessionId,
    /// Its name now.
    pub name: Untrusted,
}

/// How a dead pane (`remain-on-exit`) ended. Both unknown happens: tmux before 3.5 loses SIGCHLD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeadPane {
    /// Exit status.
    pub status: Option<i32>,
    /// Signal number.
    pub signal: Option<i32>,
}

/// The tag that tsup sets on a pane it made (`@tsup_agent`): who may end and relaunch it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerTag {
    /// Identity of the supervisor's home (not its pid: it outlives the process).
    pub home: String,
    /// The declared or spawned agent's session.
    pub session: String,
    /// And its name.
    pub name: String,
}

impl OwnerTag {
    /// The tag as the value of the pane option: `v1:HOME:SESSION:NAME`, where every byte that is not a
    /// letter, a digit, `-` or `_` stands as `=XX`. Nothing in it means anything to a tmux format.
    pub fn encode(&self) -> String {
        let mut out = String::from("v1");
        for part in [&self.home, &self.session, &self.name] {
            out.push(':');
            for b in part.bytes() {
                if b.is_ascii_alphanumeric() || b == b'-' || b == b'_' {
                    out.push(char::from(b));
                } else {
                    let _ = write!(out, "={b:02X}");
                }
            }
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` for anything else.
    pub fn decode(value: &str) -> Option<Self> {
        let mut parts = value.strip_prefix("v1:")?.split(':').map(unescape);
        let tag = OwnerTag { home: parts.next()??, session: parts.next()??, name: parts.next()?? };
        parts.next().is_none().then_some(tag)
    }
}

fn unescape(part: &str) -> Option<String> {
    let mut out = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        if b == b'=' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            if !digits.bytes().all(|d| d.is_ascii_hexdigit()) {
                return None;
            }
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            out.push(b);
        }
    }
    String::from_utf8(out).ok()
}

/// A pane as listed. A pane that is linked into several sessions stands once, under the one whose id is
/// the lowest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaneFacts {
    /// `%N`.
    pub pane: PaneId,
    /// `@N`.
    pub window: WindowId,
    /// `$N`.
    pub session: SessionId,
    /// The window's name.
    pub window_name: Untrusted,
    /// The window's index in its session.
    pub window_index: u32,
    /// The pane's index in its window.
    pub pane_index: u32,
    /// Panes in its window.
    pub window_panes: u32,
    /// The process that tmux started in it.
    pub pid: u32,
    /// Its terminal device, `/dev/pts/N`.
    pub tty: String,
    /// Set when the process ended and the pane stays.
    pub dead: Option<DeadPane>,
    /// Whether it is in copy mode or another mode that swallows keys.
    pub in_mode: bool,
    /// Its title, as the program in it set it.
    pub title: Untrusted,
    /// Set when tsup made it.
    pub owner: Option<OwnerTag>,
}

/// Why a server is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LostWhy {
    /// Nothing listens on the socket, or the server has no session: there is nothing to watch.
    NoServer,
    /// It was there and ended.
    Ended,
    /// It does not answer within its deadline.
    Stalled,
    /// The `tmux` program is missing or cannot be run.
    NoBinary(String),
    /// The server is older than tsup can use.
    TooOld(String),
}

impl LostWhy {
    /// What is wrong with the program `tmux` itself, which only a person can mend; `None` when the loss
    /// has another cause.
    pub fn unfit(&self) -> Option<String> {
        match self {
            LostWhy::NoBinary(why) => Some(format!("tmux cannot be run: {why}")),
            LostWhy::TooOld(version) => Some(format!("tmux is too old: {version}")),
            LostWhy::NoServer | LostWhy::Ended | LostWhy::Stalled => None,
        }
    }
}

/// What a pane shows at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// The visible text with its SGR sequences, bounded.
    pub text: Untrusted,
    /// The title, of the same moment.
    pub title: Untrusted,
    /// Its width in cells, where tmux said it.
    pub columns: Option<u16>,
    /// Whether nothing had been written for a moment: what is shown is complete.
    pub calm: bool,
    /// When it was captured.
    pub at: Mono,
}

/// What the gateway tells the roster, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// Everything there is, after the first contact and after each reconnect. What is not in it is gone.
    Snapshot {
        /// The server.
        server: ServerFacts,
        /// Its sessions.
        sessions: Vec<SessionFacts>,
        /// Its panes.
        panes: Vec<PaneFacts>,
    },
    /// What changed since the last snapshot or delta.
    Delta {
        /// Sessions that are new or renamed.
        sessions: Vec<SessionFacts>,
        /// Sessions that ended.
        sessions_gone: Vec<SessionId>,
        /// Panes that are new or whose facts changed.
        panes: Vec<PaneFacts>,
        /// Panes that ended.
        panes_gone: Vec<PaneId>,
    },
    /// Something was written in these panes, seen at `at`.
    Activity {
        /// Which.
        panes: Vec<PaneId>,
        /// When it was seen.
        at: Mono,
    },
    /// What a pane shows.
    Screen {
        /// Which.
        pane: PaneId,
        /// What was captured.
        screen: Box<Screen>,
    },
    /// The server is gone or does not answer. Told once; a snapshot ends it.
    Lost {
        /// Why.
        why: LostWhy,
    },
}

/// A program to be started in a pane of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Whose: becomes the pane's [`OwnerTag`].
    pub tag: OwnerTag,
    /// Working directory, absolute.
    pub cwd: String,
    /// Program and arguments, literal.
    pub argv: Vec<String>,
    /// Environment for the program, set through tmux and never in an argument vector.
    pub env: Vec<(String, String)>,
}

/// Where a launch ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launched {
    /// `$N`.
    pub session: SessionId,
    /// `@N`.
    pub window: WindowId,
    /// `%N`.
    pub pane: PaneId,
    /// The process that tmux started.
    pub pid: u32,
}

/// What is asked of the gateway. The ones that change something act only on panes that carry the
/// [`OwnerTag`] given, which tmux checks in the same command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// What the pane shows now; with `history` lines from above the screen.
    Capture {
        /// Which.
        pane: PaneId,
        /// Lines of scrollback, bounded by `limits`.
        history: u32,
    },
    /// Start a program: in a new session named `tag.session` when there is none, else in a new window
    /// of it. A server is started when the socket has none.
    Launch(Launch),
    /// Start a program in a pane of ours whose process ended (or end it first).
    Respawn {
        /// Which.
        pane: PaneId,
        /// What.
        launch: Launch,
    },
    /// End a pane of ours.
    Kill {
        /// Which.
        pane: PaneId,
        /// Its tag.
        tag: OwnerTag,
    },
}

/// What the gateway answers to an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Ask::Capture`].
    Screen(Untrusted),
    /// To [`Ask::Launch`] and [`Ask::Respawn`].
    Launched(Launched),
    /// To [`Ask::Kill`].
    Killed,
}

/// Why an [`Ask`] was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The pane is gone.
    #[error("pane {0} is gone")]
    Gone(PaneId),
    /// The pane does not carry the tag.
    #[error("pane {0} is not owned by this supervisor")]
    NotOwned(PaneId),
    /// The server is not there.
    #[error("no tmux server answers on socket {0}")]
    NoServer(SocketName),
    /// No answer within the deadline; whether it was done is not known.
    #[error("tmux did not answer within {0} seconds")]
    Timeout(u64),
    /// tmux said no.
    #[error("tmux refused: {0}")]
    Refused(Untrusted),
    /// A name, path or argument that tmux cannot take.
    #[error("{0}")]
    Invalid(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_tag_comes_back_and_holds_nothing_special(home in ".{0,40}", session in ".{0,20}", name in ".{0,20}") {
            let tag = OwnerTag { home, session, name };
            let value = tag.encode();
            prop_assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b"=:_-".contains(&b)));
            prop_assert_eq!(OwnerTag::decode(&value), Some(tag));
        }

        #[test]
        fn foreign_values_are_no_tags(value in ".{0,60}") {
            if let Some(tag) = OwnerTag::decode(&value) {
                prop_assert_eq!(OwnerTag::decode(&tag.encode()), Some(tag));
            }
        }
    }
}
