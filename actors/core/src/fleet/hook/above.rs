//! Which of the processes above a hook can be the agent that called it.

use crate::ids::ProcId;
use crate::limits::HOOK_ANCESTORS_MAX;

/// The processes above a hook, nearest first, up to but without another agent of the same CLI that runs this
/// one as its tool. `is_cli` says whether a process is one of the CLI: a launcher and its program stand
/// next to each other, an agent and the agent that runs it have a shell between them.
pub fn own(above: impl IntoIterator<Item = (ProcId, bool)>) -> Vec<ProcId> {
    let (mut met, mut left) = (false, false);
    above
        .into_iter()
        .take_while(|(_, is_cli)| {
            left |= met && !is_cli;
            met |= is_cli;
            !(left && *is_cli)
        })
        .map(|(process, _)| process)
        .take(HOOK_ANCESTORS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pids(above: &[(u32, bool)]) -> Vec<u32> {
        let above = above.iter().map(|(pid, is_cli)| (ProcId { pid: *pid, start_ticks: 1 }, *is_cli));
        own(above).into_iter().map(|p| p.pid).collect()
    }

    #[test]
    fn an_agent_above_the_agent_is_left_out() {
        assert_eq!(pids(&[(9, false), (8, true), (7, false), (1, false)]), [9, 8, 7, 1]);
        assert_eq!(pids(&[(9, true), (8, true), (7, false)]), [9, 8, 7], "a launcher belongs to it");
        assert_eq!(pids(&[(9, false), (8, true), (7, false), (6, true), (5, false)]), [9, 8, 7]);
        assert_eq!(pids(&[(9, false), (8, false)]), [9, 8], "none is recognised: any may be it");
        assert_eq!(pids(&[]), [] as [u32; 0]);
        let many: Vec<(u32, bool)> = (0..100).map(|pid| (pid, false)).collect();
        assert_eq!(pids(&many).len(), HOOK_ANCESTORS_MAX);
    }
}
