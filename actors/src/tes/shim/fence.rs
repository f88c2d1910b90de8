//! Puts up the fence around a script, between its fork and its execution.
//!
//! What can be made ready is made by the shim: the rules of Landlock, the filter of system calls, the groups. The
//! forked child, a process of one thread, then goes through its steps in this order: group, limits, namespaces,
//! hiding, rights, Landlock, filter. Each step needs what the later ones take away. A step that fails ends the
//! attempt and says which it was: nothing runs with less than was decided.
//!
//! The session is the shim's, which has no terminal and cannot get one: its members lead none. A session more would
//! also be a group more for the scheduler to share the processors among, and a busy host lets such a newcomer wait.
//!
//! - `fence/filter.rs`: the filter of system calls
//! - `fence/groups.rs`: control groups of one attempt
//! - `fence/host.rs`: what this host can
//! - `fence/ground.rs`: where things are that a fence is about

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};
use seccompiler::BpfProgram;
use tsup_core::tes::attempt::plan::Plan;
use tsup_core::tes::sandbox::{Fence, Files, Hidden, Network, Sockets};

use crate::os::exec::{self, Limit};
use crate::os::namespace::{self, Leave};
use crate::os::{child, fork};

mod filter;
mod ground;
mod groups;
mod host;

pub use ground::{Around, Ground};
pub(super) use groups::{Groups, Spare, sweep};
pub use host::host;

/// Why a script was not started: at which step, and the system's error.
pub(super) struct NotStarted {
    pub(super) step: &'static str,
    pub(super) error: io::Error,
}

impl NotStarted {
    pub(super) fn at(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| NotStarted { step, error }
    }
}

/// A step of the way into the fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Exec,
    Start,
    Group,
    Limits,
    Namespaces,
    Sockets,
    Rights,
    Files,
    Calls,
}

impl Step {
    const ALL: [Step; 9] = [
        Step::Exec,
        Step::Start,
        Step::Group,
        Step::Limits,
        Step::Namespaces,
        Step::Sockets,
        Step::Rights,
        Step::Files,
        Step::Calls,
    ];

    fn name(self) -> &'static str {
        match self {
            Step::Exec => "exec",
            Step::Start => "sandbox: start",
            Step::Group => "sandbox: control group",
            Step::Limits => "sandbox: limits",
            Step::Namespaces => "sandbox: namespaces",
            Step::Sockets => "sandbox: sockets",
            Step::Rights => "sandbox: rights",
            Step::Files => "sandbox: files",
            Step::Calls => "sandbox: system calls",
        }
    }
}

/// Whether an attempt can go into an empty network that others are in too: nothing in it leads from one to another,
/// since it has no interface, and sockets without a path are kept apart by Landlock. Making one takes longer than
/// most scripts.
pub(super) fn may_share_network(fence: &Fence) -> bool {
    fence.network == Network::Namespace && !fence.user_namespace && fence.landlock >= LANDLOCK_SCOPES
}

/// The first version of Landlock that keeps sockets without a path apart.
const LANDLOCK_SCOPES: u32 = 6;

/// Starts `command` within the fence of its plan.
pub(super) fn spawn(
    mut command: Command,
    plan: &Plan,
    groups: &Groups,
    network: Option<&OwnedFd>,
) -> Result<Child, NotStarted> {
    let fence = &plan.fence;
    let network = network.filter(|_| may_share_network(fence)).map(OwnedFd::try_clone).transpose();
    let network = network.map_err(NotStarted::at(Step::Namespaces.name()))?;
    let rules = fence.files.as_ref().map(|files| rules(files, fence)).transpose();
    let rules = rules.map_err(|e| NotStarted::at(Step::Files.name())(io::Error::other(e)))?;
    let filter = filter::of(fence).map_err(|e| NotStarted::at(Step::Calls.name())(io::Error::other(e)))?;
    let doors = groups.doors().map_err(NotStarted::at(Step::Group.name()))?;
    let (told, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|e| NotStarted::at(Step::Start.name())(e.into()))?;
    let mut child = Inside {
        doors,
        limits: limits_of(plan),
        leave: Leave {
            users: fence.user_namespace,
            mounts: matches!(fence.sockets, Sockets::Hidden(_)),
            network: fence.network == Network::Namespace && network.is_none(),
        },
        network,
        hidden: if let Sockets::Hidden(hidden) = &fence.sockets { Some(hidden.clone()) } else { None },
        cwd: plan.cwd.clone(),
        unprivileged: fence.unprivileged,
        strict: fence.strict,
        rules,
        filter,
        step: Step::Start,
    };
    let into_fence = move || {
        fork::let_go()?;
        child.enter().inspect_err(|_| {
            let step = Step::ALL.iter().position(|s| *s == child.step).unwrap_or(0);
            let _ = rustix::io::write(tell.as_fd(), &[step as u8]);
        })
    };
    command.process_group(0);
    child::before_exec(&mut command, into_fence).map_err(NotStarted::at(Step::Start.name()))?;
    let started = command.spawn();
    // Its copy of the pipe's end goes with it.
    drop(command);
    started.map_err(|error| NotStarted { step: said(&told).name(), error })
}

/// The step at which the child gave up; it was the execution itself when it says nothing.
fn said(told: &OwnedFd) -> Step {
    let mut step = [0];
    match rustix::io::read(told, &mut step) {
        Ok(1) => Step::ALL.get(usize::from(step[0])).copied().unwrap_or(Step::Exec),
        _ => Step::Exec,
    }
}

/// The child, on its way in.
struct Inside {
    doors: Vec<fs::File>,
    limits: Vec<(Limit, u64, u64)>,
    leave: Leave,
    network: Option<OwnedFd>,
    hidden: Option<Hidden>,
    cwd: String,
    unprivileged: bool,
    strict: bool,
    rules: Option<RulesetCreated>,
    filter: Option<BpfProgram>,
    /// Where it is.
    step: Step,
}

impl Inside {
    fn enter(&mut self) -> io::Result<()> {
        self.step = Step::Group;
        for door in &self.doors {
            rustix::io::write(door, b"0")?;
        }
        self.step = Step::Limits;
        exec::lower(&self.limits)?;
        self.step = Step::Namespaces;
        if self.leave.users || self.leave.mounts || self.leave.network {
            namespace::leave(self.leave)?;
        }
        if let Some(network) = &self.network {
            namespace::enter_network(network)?;
        }
        self.step = Step::Sockets;
        if let Some(hidden) = &self.hidden {
            hide(hidden)?;
            // The folder it stood in may be one that is hidden now, with a way up into what is around it.
            rustix::process::chdir(self.cwd.as_str())?;
        }
        self.step = Step::Rights;
        if self.unprivileged {
            namespace::shed_rights(self.strict)?;
        }
        self.step = Step::Files;
        if let Some(rules) = self.rules.take() {
            rules.restrict_self().map_err(|_| io::Error::last_os_error())?;
        }
        self.step = Step::Calls;
        if let Some(filter) = &self.filter {
            seccompiler::apply_filter(filter).map_err(|_| io::Error::last_os_error())?;
        }
        self.step = Step::Exec;
        Ok(())
    }
}

/// The limits that each process of a script gets: which, soft, hard.
pub(super) fn limits_of(plan: &Plan) -> Vec<(Limit, u64, u64)> {
    // A script is told first, and killed when it goes on.
    let cpu = plan.cpu.map(|cpu| (Limit::Cpu, cpu.as_secs().max(1), cpu.as_secs().max(1) + 1));
    let bytes = plan.file_bytes.map(|bytes| (Limit::FileBytes, bytes, bytes));
    let files = plan.fence.open_files.map(|files| (Limit::OpenFiles, files, files));
    let core = cpu.or(bytes).or(files).map(|_| (Limit::Core, 0, 0));
    [cpu, bytes, files, core].into_iter().flatten().collect()
}

fn hide(hidden: &Hidden) -> io::Result<()> {
    let mut kept = Vec::with_capacity(hidden.kept.len());
    for path in &hidden.kept {
        kept.extend(namespace::take(path)?);
    }
    for folder in &hidden.folders {
        namespace::hide_folder(folder, &kept)?;
    }
    for socket in &hidden.sockets {
        namespace::hide_socket(socket)?;
    }
    Ok(())
}

/// The rules of Landlock. Every right that its version knows is refused but for what the files grant; processes
/// outside are out of reach of signals, and so are sockets without a path.
fn rules(files: &Files, fence: &Fence) -> Result<RulesetCreated, RulesetError> {
    let abi = ABI::from(fence.landlock.cast_signed());
    let (all, read) = (AccessFs::from_all(abi), AccessFs::from_read(abi));
    // A device that one makes oneself is a way around every rule.
    let write = all & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let device = (AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev) & all;
    let mut rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(all)?;
    let scopes = Scope::from_all(abi);
    if !scopes.is_empty() {
        rules = rules.scope(scopes)?;
    }
    if fence.network == Network::LandlockTcp {
        rules = rules.handle_access(AccessNet::from_all(abi))?;
    }
    rules
        .create()?
        .add_rules(path_beneath_rules(&files.read, read))?
        .add_rules(path_beneath_rules(&files.write, write))?
        .add_rules(path_beneath_rules(&files.devices, device))
}
