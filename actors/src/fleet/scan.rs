//! One pass over `/proc` for all panes that are to be looked at.

use std::collections::BTreeSet;

use tsup_core::fleet::process::{Proc, ProcTree};
use tsup_core::fleet::profile::{Profiles, recognise};
use tsup_core::fleet::roster::{Look, Looked};
use tsup_core::limits;

use crate::os::proc;

/// Looks at the processes of the panes. Blocks for about 7 µs a process; run it off the actors' threads.
pub(super) fn look(profiles: &Profiles, panes: Vec<Look>) -> Vec<Looked> {
    let mut tree = snapshot();
    // Arguments are read only where they matter: below the panes.
    let wanted: BTreeSet<u32> = panes
        .iter()
        .flat_map(|look| tree.below(look.pid, limits::PANE_PROCESSES_MAX))
        .map(|(_, proc)| proc.id.pid)
        .collect();
    for pid in wanted {
        if let Some(proc) = tree.get_mut(pid) {
            proc.argv = proc::argv(pid).unwrap_or_default();
        }
    }
    panes
        .into_iter()
        .map(|look| Looked {
            pane: look.pane,
            pid: look.pid,
            process: tree.get(look.pid).map(|p| p.id),
            found: recognise(profiles, &tree, look.pid, &look.title),
        })
        .collect()
}

/// All processes, without their arguments. Empty where there is no `/proc`.
fn snapshot() -> ProcTree {
    let all = proc::scan().unwrap_or_else(|e| {
        tracing::warn!(error = %e, "processes cannot be read");
        Vec::new()
    });
    ProcTree::new(all.into_iter().map(|stat| Proc {
        zombie: stat.is_zombie(),
        id: stat.id,
        parent: stat.parent,
        group: stat.group,
        foreground: stat.foreground,
        comm: stat.comm,
        argv: Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use tsup_core::fleet::profile::Rule;
    use tsup_core::ids::PaneId;

    #[test]
    fn an_agent_below_a_shell_is_recognised() {
        let profiles = crate::fleet::profiles::shipped();
        let mut shell = Command::new("bash").args(["-c", "exec -a claude sleep 60 & wait"]).spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let found = loop {
            let look = Look { pane: PaneId(1), pid: shell.id(), title: "".into() };
            let looked = super::look(&profiles, vec![look]).remove(0);
            assert_eq!(looked.process.map(|p| p.pid), Some(shell.id()));
            if let Some(found) = looked.found {
                break found;
            }
            assert!(std::time::Instant::now() < deadline, "the agent was not recognised");
        };
        assert_eq!((&*found.profile, found.rule), ("claude", Rule::Name));
        assert_ne!(found.process.pid, shell.id());
        let agent = rustix::process::Pid::from_raw(found.process.pid.cast_signed()).unwrap();
        rustix::process::kill_process(agent, rustix::process::Signal::KILL).unwrap();
        shell.wait().unwrap();
    }
}
