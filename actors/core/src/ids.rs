//! Names that outlive what they name, and identities that outlive names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A process: its pid together with its start time, so that a reused pid is another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcId {
    /// The kernel's process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`); 0 when it could not be read.
    pub start_ticks: u64,
}

impl fmt::Display for ProcId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.pid, self.start_ticks)
    }
}

/// A pane of one tmux server, `%N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PaneId(pub u32);

/// A window of one tmux server, `@N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowId(pub u32);

/// A session of one tmux server, `$N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u32);

macro_rules! sigil {
    ($name:ident, $sigil:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($sigil, "{}"), self.0)
            }
        }
        impl std::str::FromStr for $name {
            type Err = BadId;
            fn from_str(s: &str) -> Result<Self, BadId> {
                s.strip_prefix($sigil)
                    .filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|d| d.parse().ok())
                    .map($name)
                    .ok_or(BadId)
            }
        }
    };
}
sigil!(PaneId, "%");
sigil!(WindowId, "@");
sigil!(SessionId, "$");

/// A text is not an id of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct BadId;

/// A tmux server: the socket by which it is reached, as configured (`-L` name or absolute `-S` path).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SocketName(pub String);

impl SocketName {
    /// Whether the name is an absolute path (`tmux -S`) rather than a name (`tmux -L`).
    pub fn is_path(&self) -> bool {
        self.0.starts_with('/')
    }
}

impl fmt::Display for SocketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A number of 48 bits that is shown as twelve hexadecimal digits.
macro_rules! hex_id {
    ($name:ident) => {
        impl $name {
            const MASK: u64 = 0xFFFF_FFFF_FFFF;
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:012x}", self.0)
            }
        }
        impl std::str::FromStr for $name {
            type Err = BadId;
            fn from_str(s: &str) -> Result<Self, BadId> {
                // A sign is no digit, though a number may have one.
                if s.len() != 12 || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(BadId);
                }
                u64::from_str_radix(s, 16).map($name).map_err(|_| BadId)
            }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { s.serialize_u64(self.0) }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
                } else {
                    u64::deserialize(d).map(|v| $name(v & Self::MASK))
                }
            }
        }
    };
}

/// An agent's id, made from its identity by FNV-1a, so that the same agent has the same id after a restart
/// of the supervisor without asking the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(u64);
hex_id!(AgentId);

impl AgentId {
    /// The id of an agent found in a pane: socket, server process, pane and the agent's own process.
    pub fn found(socket: &SocketName, server: ProcId, pane: PaneId, process: ProcId) -> Self {
        Self::hash(&["found", &socket.0, &server.to_string(), &pane.to_string(), &process.to_string()])
    }

    /// The id of a declared or spawned agent: it keeps its id through every relaunch.
    pub fn owned(socket: &SocketName, session: &str, name: &str) -> Self {
        Self::hash(&["owned", &socket.0, session, name])
    }

    fn hash(parts: &[&str]) -> Self {
        let mut h: u64 = 0xcbf2_9ce4_8422_2325;
        for part in parts {
            for b in part.bytes().chain([0]) {
                h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        AgentId((h ^ (h >> 48)) & Self::MASK)
    }
}

/// A job's id. It is drawn at random; the store refuses one that was drawn before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u64);
hex_id!(JobId);

impl JobId {
    /// The id of a random number, of which 48 bits count.
    pub const fn drawn(random: u64) -> Self {
        JobId(random & Self::MASK)
    }

    /// The number it stands for, of 48 bits.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// A place in the supervision tree, `root/system/fleet/web/dev`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActorPath(std::sync::Arc<str>);

impl ActorPath {
    /// The top of the tree.
    pub fn root() -> Self {
        ActorPath("root".into())
    }

    /// The place of child `id` under this one. A `/` in the id is shown as `∕`, so that a path always
    /// splits into the ids that made it.
    pub fn child(&self, id: &str) -> Self {
        ActorPath(format!("{}/{}", self.0, id.replace('/', "\u{2215}")).into())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ActorPath {
    fn from(s: &str) -> Self {
        ActorPath(s.into())
    }
}

impl fmt::Display for ActorPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Counts the incarnations of something that is replaced; a report of an older one is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one.
    pub fn next(self) -> Self {
        Generation(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tmux_ids_parse_only_their_own_sigil() {
        assert_eq!("%12".parse::<PaneId>(), Ok(PaneId(12)));
        for bad in ["12", "%", "@1", "%-1", "%1 ", "%99999999999", "%+1"] {
            assert!(bad.parse::<PaneId>().is_err(), "{bad}");
        }
        assert_eq!(WindowId(3).to_string(), "@3");
        assert_eq!(SessionId(4).to_string(), "$4");
    }

    #[test]
    fn agent_ids_tell_identities_apart() {
        let sock = SocketName("default".into());
        let server = ProcId { pid: 10, start_ticks: 5 };
        let a = AgentId::found(&sock, server, PaneId(1), ProcId { pid: 11, start_ticks: 7 });
        let reused = AgentId::found(&sock, server, PaneId(1), ProcId { pid: 11, start_ticks: 9 });
        assert_ne!(a, reused);
        assert_eq!(a.to_string().len(), 12);
        assert_eq!(a.to_string().parse::<AgentId>(), Ok(a));
        assert_ne!(AgentId::owned(&sock, "a", "bc"), AgentId::owned(&sock, "ab", "c"));
    }

    #[test]
    fn a_path_splits_into_the_ids_that_made_it() {
        let p = ActorPath::root().child("fleet").child("a/b");
        assert_eq!(p.as_str().split('/').count(), 3);
    }
}
