//! What an agent's hooks say.

use tsup_core::fleet::agent::Event;
use tsup_core::fleet::hook::HookReport;

use super::AgentActor;
use crate::actor::Cx;

impl AgentActor {
    /// Takes in a report of its present process, unless a later one came before.
    pub(super) fn hook(&mut self, report: &HookReport, cx: &mut Cx<Self>) {
        let process = self.held.agent.process().filter(|_| self.held.agent.is_alive());
        if let Err(why) = self.held.heed.take(report, process) {
            tracing::debug!(agent = %self.id, event = %report.event, ?why, "a hook's report comes late");
            return self.shared.counters.hooks_late.inc();
        }
        if let Some(path) = &report.transcript {
            self.told_transcript(path.clone());
        }
        let (says, rule, words) = (report.says, report.rule(), report.words.clone());
        self.step(Event::Hook { says, rule, words, at: cx.now() }, cx);
    }
}
