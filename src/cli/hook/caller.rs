//! Who calls: the environment, and the processes above.

use rustix::time::{ClockId, clock_gettime};
use tsup_actors::os::proc;
use tsup_core::fleet::hook::{Caller, above};
use tsup_core::fleet::process::Proc;
use tsup_core::fleet::profile::Recognise;
use tsup_core::ids::ProcId;
use tsup_core::limits::HOOK_ANCESTORS_MAX;

/// Nanoseconds since the machine started, sleep included: the same clock for every process.
pub(super) fn boot_nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, rest) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// Where this process was called.
pub(super) fn caller(cli: &Recognise) -> Caller {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Caller {
        tmux: variable("TMUX"),
        pane: variable("TMUX_PANE"),
        agent: variable("TSUP_AGENT"),
        ancestors: above::own(ancestors(cli)),
    }
}

/// The processes above this one, nearest first, and whether each is one of the CLI. None where the system
/// does not tell.
fn ancestors(cli: &Recognise) -> Vec<(ProcId, bool)> {
    let mut found = Vec::new();
    let mut next = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().cast_unsigned());
    while next != 0 && found.len() < 2 * HOOK_ANCESTORS_MAX {
        let Ok(stat) = proc::stat(next) else { break };
        next = stat.parent;
        let process = Proc {
            id: stat.id,
            parent: stat.parent,
            group: stat.group,
            foreground: stat.foreground,
            zombie: stat.is_zombie(),
            argv: proc::argv(stat.id.pid).unwrap_or_default(),
            comm: stat.comm,
        };
        found.push((process.id, cli.fits(&process)));
    }
    found
}
