//! How a script is shut in: its permissions and its level against what the host can, decided before anything
//! runs.
//!
//! [`decide`] gives a [`Fence`], which the shim puts up as it stands there, or a refusal. Where a mechanism is
//! missing the next weaker one is taken, and what is left open is told by [`Fence::enforced`]; `strict` refuses
//! instead. Nothing that was decided is left out at the start: a step that fails ends the attempt.
//!
//! - `sandbox/reach.rs`: the places that a script reaches, and those that are hidden from it
//! - `sandbox/environment.rs`: its variables

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempt::Enforced;
use super::failure::{Category, Failure};
use super::script::{Level, Script};
use crate::limits;

mod environment;
mod reach;
#[cfg(test)]
mod tests;

pub use environment::{Surroundings, environment, path};
pub use reach::{Files, Hidden, Places, around};

/// The first version of Landlock that keeps a script from emptying files it may not write; `strict` wants it.
const LANDLOCK_STRICT: u32 = 3;
/// The first version that knows TCP.
const LANDLOCK_TCP: u32 = 4;

/// What a host can, as it was found by trying.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Host {
    /// The version of Landlock; 0 for none.
    pub landlock: u32,
    /// Whether system calls can be filtered.
    pub seccomp: bool,
    /// How a process gets its own view of the file system.
    pub mounts: Way,
    /// How it gets a network of its own.
    pub networks: Way,
    /// Where groups that bound memory are made.
    pub memory: Option<Group>,
    /// Where groups that bound the number of processes are made.
    pub processes: Option<Group>,
}

impl Host {
    /// Whether it can do all that `strict` promises. What namespaces do not do here, a filter of system calls does.
    pub fn holds_strict(&self) -> bool {
        self.landlock >= LANDLOCK_STRICT && self.seccomp
    }
}

/// How namespaces are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Not at all.
    #[default]
    None,
    /// By right of the supervisor's user.
    Direct,
    /// In a namespace of users of its own.
    User,
}

/// Where control groups are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Version of the hierarchy: 1 or 2.
    pub version: u8,
    /// The folder below which each attempt gets its own.
    pub folder: String,
}

/// What the shim enforces for one attempt. The default is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a decision of its own")]
pub struct Fence {
    /// Whether a bound that cannot be put up at the start ends the attempt, where looking would do else.
    pub strict: bool,
    /// Whether it loses the way to more rights: no_new_privs, and most of root's capabilities.
    pub unprivileged: bool,
    /// The version of Landlock that is used; 0 for none.
    pub landlock: u32,
    /// What it may read and write, where Landlock holds it to that.
    pub files: Option<Files>,
    /// The network.
    pub network: Network,
    /// The sockets of tmux and of the supervisor.
    pub sockets: Sockets,
    /// Whether system calls that a network of its own does not cover are refused by a filter.
    pub filter: bool,
    /// Whether namespaces are made within one of users.
    pub user_namespace: bool,
    /// Bytes of memory, and where a group is made that bounds them.
    pub memory: Option<Bound>,
    /// The same for the number of processes.
    pub processes: Option<Bound>,
    /// Files that one process may have open.
    pub open_files: Option<u64>,
}

/// A bound on the whole tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// What it may use at most.
    pub max: u64,
    /// The group that enforces it; without one the shim looks and kills.
    pub group: Option<Group>,
}

/// What keeps a script from the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing, since it may use it.
    Open,
    /// Nothing, though it should not.
    #[default]
    Unfenced,
    /// A network of its own that is empty.
    Namespace,
    /// Sockets of all kinds but Unix' are refused.
    Seccomp,
    /// TCP is refused; UDP is not.
    LandlockTcp,
}

/// What keeps a script from the sockets of tmux and of the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sockets {
    /// Nothing.
    #[default]
    Unfenced,
    /// They are not in its view of the file system.
    Hidden(Hidden),
    /// It gets no Unix socket at all.
    Seccomp,
}

impl Fence {
    /// Whether it only bounds what a script uses: nothing is hidden from it, and nothing refused.
    pub fn is_bounds_only(&self) -> bool {
        !self.unprivileged
            && self.files.is_none()
            && matches!(self.network, Network::Open | Network::Unfenced)
            && self.sockets == Sockets::Unfenced
            && !self.filter
            && !self.user_namespace
    }

    /// Where control groups are made for it.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.memory.iter().chain(&self.processes).filter_map(|bound| bound.group.as_ref())
    }

    /// What stands on the job: the words of what was enforced. The shim says which groups it got and whether it
    /// set a limit of CPU.
    pub fn enforced(&self, memory_group: bool, processes_group: bool, cpu: bool) -> Enforced {
        let bound = |bound: &Option<Bound>, group: bool| match bound {
            None => "none",
            Some(_) if group => "cgroup",
            Some(_) => "sampled",
        };
        let fs = match &self.files {
            Some(_) => format!("landlock{}", self.landlock),
            None => "none".to_owned(),
        };
        let network = match self.network {
            Network::Open => "open",
            Network::Unfenced => "none",
            Network::Namespace => "netns",
            Network::Seccomp => "seccomp",
            Network::LandlockTcp => "landlock",
        };
        let sockets = match self.sockets {
            Sockets::Unfenced => "none",
            Sockets::Hidden(_) => "mountns",
            Sockets::Seccomp => "seccomp",
        };
        Enforced {
            fs,
            network: network.to_owned(),
            memory: bound(&self.memory, memory_group).to_owned(),
            cpu: if cpu { "rlimit" } else { "none" }.to_owned(),
            processes: bound(&self.processes, processes_group).to_owned(),
            sockets: sockets.to_owned(),
        }
    }
}

/// Seconds of CPU that one process of a script may use: its time and a little more, so that the time ends it.
pub fn cpu(script: &Script) -> Option<Duration> {
    script.times.run.map(|run| run.saturating_add(limits::SCRIPT_CPU_MORE))
}

/// Processes that a script may have.
pub fn processes(script: &Script) -> u32 {
    script.security.max_processes.unwrap_or(limits::SCRIPT_PROCESSES)
}

/// Decides how `script` is shut in on `host`, or refuses to run it there.
pub fn decide(script: &Script, places: &Places, host: &Host) -> Result<Fence, Box<Failure>> {
    let level = script.security.level;
    let permissions = &script.permissions;
    let bound = |max: u64, group: &Option<Group>| Bound { max, group: group.clone() };
    let mut fence = Fence {
        strict: level == Level::Strict,
        memory: script.security.max_memory_bytes.map(|max| bound(max, &host.memory)),
        processes: Some(bound(processes(script).into(), &host.processes)),
        open_files: Some(limits::SCRIPT_OPEN_FILES),
        network: if permissions.network { Network::Open } else { Network::Unfenced },
        ..Fence::default()
    };
    if level == Level::Minimal {
        return Ok(fence);
    }
    fence.unprivileged = true;
    fence.filter = host.seccomp;
    fence.landlock = host.landlock.min(limits::LANDLOCK_KNOWN);
    fence.files = (fence.landlock > 0).then(|| Files::of(permissions, places));
    if !permissions.network && level != Level::Network {
        fence.network = match host {
            Host { networks: Way::Direct | Way::User, .. } => Network::Namespace,
            Host { seccomp: true, .. } => Network::Seccomp,
            Host { landlock: LANDLOCK_TCP.., .. } => Network::LandlockTcp,
            _ => Network::Unfenced,
        };
    } else {
        fence.network = Network::Open;
    }
    fence.sockets = match host {
        Host { mounts: Way::Direct | Way::User, .. } => Sockets::Hidden(Hidden::of(places)),
        Host { seccomp: true, .. } => Sockets::Seccomp,
        _ => Sockets::Unfenced,
    };
    fence.user_namespace = (fence.network == Network::Namespace && host.networks == Way::User)
        || (matches!(fence.sockets, Sockets::Hidden(_)) && host.mounts == Way::User);
    if fence.strict {
        strictly(script, &fence, host)?;
    }
    Ok(fence)
}

/// Refuses what `strict` promises and this fence does not hold.
fn strictly(script: &Script, fence: &Fence, host: &Host) -> Result<(), Box<Failure>> {
    let missing = if !script.security.allowed_hosts.is_empty() {
        Some(("allowed_hosts", "nothing here can hold a script to some hosts".to_owned()))
    } else if fence.files.is_none() || fence.landlock < LANDLOCK_STRICT {
        let what = match host.landlock {
            0 => "this kernel has no Landlock".to_owned(),
            n => format!("this kernel has version {n} of Landlock, it takes {LANDLOCK_STRICT}"),
        };
        Some(("landlock", format!("its access to files cannot be bounded: {what}")))
    } else if !host.seccomp {
        Some(("seccomp", "its system calls cannot be filtered".to_owned()))
    } else if matches!(fence.network, Network::Unfenced | Network::LandlockTcp) {
        Some(("network", "it cannot be kept from the network".to_owned()))
    } else if fence.sockets == Sockets::Unfenced {
        Some(("sockets", "it cannot be kept from the sockets of tmux and of the supervisor".to_owned()))
    } else {
        None
    };
    let Some((name, what)) = missing else { return Ok(()) };
    let failure = Failure::new(Category::Permission, format!("`strict` cannot be held here: {what}"))
        .fact("sandbox", "strict")
        .fact("missing", name);
    let failure = if name == "allowed_hosts" {
        failure
            .fact("allowed_hosts", script.security.allowed_hosts.join(", "))
            .suggest("take `security.allowed_hosts` away, and `network` from its permissions where it can do without")
            .suggest("set `security.sandbox` to `standard`: the network is then open to all hosts")
    } else {
        failure
            .suggest("`tsup doctor` says what this host can, and what would help")
            .suggest("set `security.sandbox` to `standard`: it then runs with what can be enforced here")
    };
    Err(Box::new(failure))
}
