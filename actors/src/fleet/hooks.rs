//! The way of a hook's report to its agent.

use tsup_core::fleet::hook::route::{Way, is_named, route};
use tsup_core::fleet::hook::{Caller, HookReport};
use tsup_core::ids::AgentId;

use super::{Fleet, agent};

impl Fleet {
    /// Which agent a report is about. Asks nobody.
    pub fn way_of(&self, report: &HookReport) -> Way {
        route(report, &self.shared.directory.named_by(&report.caller), &self.shared.profiles())
    }

    /// Hands an agent a report. `false` means that there was no room, or that the agent is gone.
    pub fn hook(&self, id: AgentId, report: HookReport) -> bool {
        let entry = self.shared.directory.agent(id);
        entry.is_some_and(|entry| entry.gate.work(agent::Msg::Hook(Box::new(report))).is_ok())
    }

    /// From which session and agent something comes that was called in a pane.
    pub fn origin(&self, caller: &Caller) -> (Option<String>, Option<AgentId>) {
        let mut agents = self.shared.directory.named_by(caller).into_iter();
        let Some(agent) = agents.find(|agent| is_named(caller, agent)) else { return (None, None) };
        let session = agent.name.rsplit_once('/').map(|(session, _)| session.to_owned());
        (session, Some(agent.id))
    }
}
