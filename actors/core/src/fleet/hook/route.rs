//! Which agent a report is about.

use super::{Caller, HookReport};
use crate::fleet::profile::Profiles;
use crate::ids::AgentId;

/// An agent as far as finding it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: AgentId,
    /// `SESSION/NAME`.
    pub name: String,
    /// Its profile's name.
    pub cli: String,
    /// The path of its tmux server's socket.
    pub socket: String,
    /// Its pane; empty while it has none.
    pub pane: String,
    /// The pid of its own process.
    pub pid: Option<u32>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The agent it is about.
    To(AgentId),
    /// It names an agent whose process did not call it: an old process, or another program in its pane.
    Late,
    /// No agent is named by it.
    Nobody,
}

/// Finds the agent of a report: by what it names (`$TSUP_AGENT`, its pane), as far as the processes above
/// the caller agree, else by these processes. Profiles of one family run the same CLI, which calls its hooks
/// by whichever name they were installed.
pub fn route(report: &HookReport, agents: &[Candidate], profiles: &Profiles) -> Way {
    let caller = &report.caller;
    let above = |agent: &&Candidate| match agent.pid {
        Some(pid) => caller.ancestors.iter().any(|p| p.pid == pid),
        None => false,
    };
    let named = || agents.iter().filter(|agent| is_named(caller, agent));
    let by_process = || {
        let mut nearest = caller.ancestors.iter();
        nearest.find_map(|p| agents.iter().find(|a| a.pid == Some(p.pid)))
    };
    let found = if caller.ancestors.is_empty() {
        named().find(|agent| agent.pid.is_some())
    } else {
        named().find(above).or_else(by_process)
    };
    match found {
        Some(agent) if profiles.family(&agent.cli) == profiles.family(&report.cli) => Way::To(agent.id),
        None if named().next().is_some() => Way::Late,
        // Another CLI that an agent runs as its tool speaks for itself.
        Some(_) | None => Way::Nobody,
    }
}

/// Whether the caller names this agent: by `$TSUP_AGENT`, or by its pane on its server.
pub fn is_named(caller: &Caller, agent: &Candidate) -> bool {
    let by_name = caller.agent.as_ref().is_some_and(|a| *a == agent.name || *a == agent.id.to_string());
    by_name
        || (!agent.pane.is_empty() && caller.pane.as_ref() == Some(&agent.pane) && {
            let socket = caller.tmux.as_deref().and_then(socket_of);
            socket.is_none_or(|path| path == agent.socket)
        })
}

/// The socket's path in `$TMUX`, which ends in the server's pid and a session's number. The path may hold
/// commas itself.
fn socket_of(tmux: &str) -> Option<&str> {
    tmux.rsplitn(3, ',').nth(2).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::fleet::hook::HookSays;
    use crate::ids::{ProcId, SocketName};
    use crate::untrusted::Untrusted;

    fn route(report: &HookReport, agents: &[Candidate]) -> Way {
        super::route(report, agents, &Profiles::default())
    }

    fn agent(name: &str, cli: &str, pane: &str, pid: u32) -> Candidate {
        Candidate {
            id: AgentId::owned(&SocketName("s".into()), "web", name),
            name: format!("web/{name}"),
            cli: cli.into(),
            socket: "/tmp/a,b/default".into(),
            pane: pane.into(),
            pid: Some(pid),
        }
    }

    fn report(cli: &str, agent: Option<&str>, tmux: Option<&str>, pane: &str, above: &[u32]) -> HookReport {
        HookReport {
            cli: cli.into(),
            event: "Stop".into(),
            says: HookSays::Nothing,
            caller: Caller {
                tmux: tmux.map(Into::into),
                pane: (!pane.is_empty()).then(|| pane.into()),
                agent: agent.map(Into::into),
                ancestors: above.iter().map(|pid| ProcId { pid: *pid, start_ticks: 1 }).collect(),
            },
            session: None,
            transcript: None,
            words: Untrusted::default(),
            at: Wall::from_unix_ms(0),
            order: 0,
        }
    }

    #[test]
    fn each_way_of_naming_finds_its_agent() {
        let all = [agent("dev", "claude", "%1", 10), agent("qa", "claude", "%2", 20)];
        let here = Some("/tmp/a,b/default,77,0");
        let id = all[0].id.to_string();
        let way = |agent, tmux, pane, above: &[u32]| route(&report("claude", agent, tmux, pane, above), &all);
        assert_eq!(way(None, here, "%2", &[99, 20, 1]), Way::To(all[1].id));
        assert_eq!(way(Some("web/dev"), None, "", &[10]), Way::To(all[0].id));
        assert_eq!(way(Some(&id), None, "", &[10]), Way::To(all[0].id));
        assert_eq!(way(None, None, "", &[99, 10]), Way::To(all[0].id), "by its process alone");
        assert_eq!(way(None, here, "%1", &[]), Way::To(all[0].id), "by its pane alone");
        assert_eq!(
            way(Some("web/dev"), here, "%2", &[20]),
            Way::To(all[1].id),
            "an inherited name is passed over"
        );
        assert_eq!(way(None, here, "%9", &[99]), Way::Nobody);
        assert_eq!(way(None, None, "", &[]), Way::Nobody);
    }

    #[test]
    fn another_process_in_the_pane_is_late() {
        let all = [agent("dev", "claude", "%1", 10)];
        let here = Some("/tmp/a,b/default,77,0");
        assert_eq!(route(&report("claude", None, here, "%1", &[9, 8]), &all), Way::Late);
        let other = Some("/tmp/other,77,0");
        assert_eq!(route(&report("claude", None, other, "%1", &[9, 8]), &all), Way::Nobody);
        let without = [Candidate { pid: None, ..all[0].clone() }];
        assert_eq!(route(&report("claude", None, here, "%1", &[10]), &without), Way::Late);
        assert_eq!(route(&report("claude", None, here, "%1", &[]), &without), Way::Late);
    }

    #[test]
    fn another_cli_below_an_agent_does_not_speak_for_it() {
        let all = [agent("dev", "claude", "%1", 10)];
        assert_eq!(route(&report("codex", None, None, "%1", &[30, 10]), &all), Way::Nobody);
    }

    #[test]
    fn profiles_of_one_family_call_the_same_hooks() {
        let profiles = Profiles::parse([
            ("claude.toml", "version = 1\nname = \"claude\"\n"),
            ("mine.toml", "version = 1\nname = \"my-claude\"\nextends = \"claude\"\n"),
            ("more.toml", "version = 1\nname = \"more\"\nextends = \"my-claude\"\n"),
            ("codex.toml", "version = 1\nname = \"codex\"\n"),
        ]);
        assert!(profiles.1.is_empty(), "{:?}", profiles.1);
        let all = [agent("dev", "more", "%1", 10)];
        let way = |cli: &str| super::route(&report(cli, None, None, "%1", &[10]), &all, &profiles.0);
        assert_eq!([way("claude"), way("my-claude"), way("more")], [Way::To(all[0].id); 3]);
        assert_eq!([way("codex"), way("nobody")], [Way::Nobody; 2]);
    }

    #[test]
    fn a_socket_is_read_from_the_variable() {
        assert_eq!(socket_of("/tmp/tmux-0/default,12,3"), Some("/tmp/tmux-0/default"));
        assert_eq!(socket_of("/a,b,12,3"), Some("/a,b"));
        for bad in ["", ",", ",,", "x,1"] {
            assert_eq!(socket_of(bad), None, "{bad}");
        }
    }
}
