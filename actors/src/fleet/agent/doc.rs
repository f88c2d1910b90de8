//! What others see of an agent.

use tsup_core::clock::Wall;
use tsup_core::event::AgentRef;
use tsup_core::fleet::relaunch::Hold;
use tsup_core::wire::doc::AgentDoc;

use super::AgentActor;
use crate::clock::{now_mono, now_wall};
use crate::store::AgentRecord;

/// An agent as events name it.
pub(in crate::fleet) fn reference(doc: &AgentDoc) -> AgentRef {
    AgentRef {
        id: doc.id,
        session: doc.session.clone(),
        name: doc.name.clone(),
        pane: doc.pane.clone(),
        pid: doc.pid,
    }
}

impl AgentActor {
    pub(super) fn reference(&self) -> AgentRef {
        reference(&self.doc())
    }

    /// Its document, as its view shows it.
    pub(super) fn doc(&self) -> AgentDoc {
        self.held.view.borrow().clone().unwrap_or_else(|| self.whole())
    }

    /// Writes its whole document: names, pane and title are new.
    pub(super) fn describe(&self) {
        let doc = self.whole();
        self.held.view.send_if_modified(|before| {
            let changed = before.as_ref() != Some(&doc);
            *before = Some(doc);
            changed
        });
    }

    /// Brings what moves in its document up to date.
    pub(super) fn publish(&self) {
        self.held.view.send_if_modified(|doc| {
            let Some(doc) = doc else { return false };
            let before = (doc.state, doc.detail, doc.pid, doc.paused, doc.relaunches, doc.last_activity);
            self.fill(doc);
            before != (doc.state, doc.detail, doc.pid, doc.paused, doc.relaunches, doc.last_activity)
        });
    }

    fn fill(&self, doc: &mut AgentDoc) {
        let (verdict, now) = (self.held.agent.verdict(), now_mono());
        doc.state = verdict.state;
        doc.detail = verdict.detail;
        doc.since = self.held.agent.since().wall;
        doc.confidence = self.held.agent.confidence(now);
        doc.pid = self.held.agent.process().filter(|_| self.held.agent.is_alive()).map(|p| p.pid);
        doc.paused = self.held.relaunch.is_paused(now);
        doc.relaunches = self.held.relaunch.total();
        doc.cpu_percent = self.sample.and_then(|s| s.cpu_percent);
        doc.rss_bytes = self.sample.map(|s| s.rss_bytes);
        let usage = self.held.agent.usage();
        doc.context_percent = usage.context_percent();
        doc.context_tokens = usage.context_tokens;
        doc.input_tokens = usage.input_tokens;
        doc.output_tokens = usage.output_tokens;
        doc.limit_resets_at = match self.held.relaunch.hold().map(|hold| hold.shown(Self::now())) {
            Some(Hold::Limit { until, known: true }) => Some(until),
            _ => usage.limit_resets_at,
        };
        doc.last_activity = self.held.agent.last_activity().map(|at| now_wall().minus(now.since(at)));
    }

    fn whole(&self) -> AgentDoc {
        let member = self.held.member.as_deref();
        let pane = member.and_then(|m| m.pane).or(self.pane);
        let mut doc = AgentDoc {
            id: self.id,
            session: self.held.session.clone(),
            name: member.map(|m| m.name.clone()).unwrap_or_default(),
            role: member.and_then(|m| m.role.clone()),
            agent: member.map_or_else(String::new, |m| m.profile.to_string()),
            pane: pane.map(|p| p.to_string()).unwrap_or_default(),
            pid: None,
            state: self.held.agent.verdict().state,
            detail: None,
            since: Wall::default(),
            confidence: 0.0,
            owned: self.held.record.owned,
            paused: false,
            relaunches: 0,
            cpu_percent: None,
            rss_bytes: None,
            last_activity: None,
            title: member.map(|m| m.title.clone()).unwrap_or_default(),
            context_percent: None,
            context_tokens: None,
            input_tokens: None,
            output_tokens: None,
            limit_resets_at: None,
        };
        self.fill(&mut doc);
        if self.held.agent.process().is_none() {
            // It is taken hold of in a moment; who reads meanwhile sees the process it was found by.
            doc.pid = member.filter(|m| m.dead.is_none()).and_then(|m| m.process).map(|p| p.pid);
        }
        doc
    }

    /// What the store keeps of it.
    pub(super) fn record(&self) -> AgentRecord {
        AgentRecord {
            kept: self.held.relaunch.kept(Self::now()),
            paused: self.held.paused,
            ..self.held.record.clone()
        }
    }
}
