//! Owns: the tick by which the table of metrics is read; since when each agent is in its state.
//! Receives: its own ticks; events from the bus.
//! Sends: snapshots to the sinks, on their telemetry lane.
//! Bounded by: limits::SERIES_MAX series, limits::SAMPLE_TRACKED_MAX agents remembered.
//! Restart: permanent; totals stay in the table, times in the state of that moment are not counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tsup_core::clock::{Mono, Wall};
use tsup_core::event::{Event, Stamped};
use tsup_core::fleet::state::AgentState;
use tsup_core::ids::AgentId;
use tsup_core::limits;
use tsup_core::telemetry::metric;

use super::metrics::{Counter, Metrics, Timer};
use super::statsd::StatsdMsg;
use crate::actor::{Actor, Cx, Failure};
use crate::bus::Bus;
use crate::gate::{Gate, Lane};

/// What the registry receives.
#[derive(Debug)]
pub enum RegistryMsg {
    /// Read the table now and hand it to the sinks.
    Tick,
}

/// Reads the table on a tick and counts what happens on the bus.
pub struct Registry {
    metrics: Metrics,
    bus: Bus,
    sinks: Vec<Gate<StatsdMsg>>,
    every: Duration,
    next: Mono,
}

impl Registry {
    /// A registry that reads `metrics` each `every` for these sinks.
    pub fn new(metrics: Metrics, bus: Bus, sinks: Vec<Gate<StatsdMsg>>, every: Duration) -> Self {
        Registry { metrics, bus, sinks, every, next: Mono::ZERO }
    }

    fn tick(&mut self, cx: &mut Cx<Self>) {
        // The rhythm is kept: late once is not late for ever, and missed ticks are not made up for.
        let now = cx.now();
        self.next = (self.next + self.every).max(now);
        cx.after(self.next.since(now), Lane::Control, RegistryMsg::Tick).detach();
        self.metrics.read_mailboxes();
        if self.sinks.is_empty() {
            return;
        }
        let snapshot = Arc::new(self.metrics.snapshot());
        for sink in &self.sinks {
            sink.telemetry(StatsdMsg::Flush(Arc::clone(&snapshot)));
        }
    }
}

impl Actor for Registry {
    type Msg = RegistryMsg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        let mut events = self.bus.subscribe();
        let mut counts = EventCounts::new(self.metrics.clone());
        cx.spawn(async move {
            while let Some(event) = events.next().await {
                counts.take(&event);
            }
        });
        self.next = cx.now() + self.every;
        cx.after(self.every, Lane::Control, RegistryMsg::Tick).detach();
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut RegistryMsg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            RegistryMsg::Tick => self.tick(cx),
        }
        Ok(())
    }
}

/// Counts events.
struct EventCounts {
    metrics: Metrics,
    state_changes: Counter,
    relaunches: Counter,
    restarts: Counter,
    in_state: HashMap<AgentState, Timer>,
    since: HashMap<AgentId, Wall>,
}

impl EventCounts {
    fn new(metrics: Metrics) -> Self {
        EventCounts {
            state_changes: metrics.counter(metric::AGENT_STATE_CHANGES, &[]),
            relaunches: metrics.counter(metric::AGENT_RELAUNCHES, &[]),
            restarts: metrics.counter(metric::ACTOR_RESTARTS, &[]),
            in_state: HashMap::new(),
            since: HashMap::new(),
            metrics,
        }
    }

    fn take(&mut self, stamped: &Stamped) {
        match &stamped.event {
            Event::AgentFound(agent) => self.enters(agent.id, stamped.at),
            Event::AgentState { agent, from, .. } => {
                self.state_changes.inc();
                if let Some(since) = self.since.get(&agent.id) {
                    let state = from.as_str();
                    let metrics = &self.metrics;
                    let timer = || metrics.timer(metric::TIME_IN_STATE, &[("state", state)]);
                    self.in_state.entry(*from).or_insert_with(timer).record(stamped.at.since(*since));
                }
                self.enters(agent.id, stamped.at);
            }
            Event::AgentRelaunched { .. } => self.relaunches.inc(),
            Event::AgentGone(agent) => drop(self.since.remove(&agent.id)),
            Event::ActorRestarted { .. } => self.restarts.inc(),
            // What was missed may have been a change of state: no time is better than a wrong one.
            Event::Lagged { .. } => self.since.clear(),
            _ => {}
        }
    }

    fn enters(&mut self, id: AgentId, at: Wall) {
        if self.since.len() < limits::SAMPLE_TRACKED_MAX || self.since.contains_key(&id) {
            self.since.insert(id, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsup_core::event::AgentRef;
    use tsup_core::ids::SocketName;

    #[test]
    fn events_become_counters_and_times_in_state() {
        let metrics = Metrics::new(Wall::from_unix_ms(0));
        let mut counts = EventCounts::new(metrics.clone());
        let id = AgentId::owned(&SocketName("s".into()), "web", "dev");
        let agent =
            || AgentRef { id, session: "web".into(), name: "dev".into(), pane: "%1".into(), pid: None };
        let change =
            |from, to| Event::AgentState { agent: agent(), from, to, detail: None, because: String::new() };
        let at = |ms, event| Stamped { at: Wall::from_unix_ms(ms), seq: 0, event };
        counts.take(&at(0, Event::AgentFound(agent())));
        counts.take(&at(3000, change(AgentState::Starting, AgentState::Busy)));
        counts.take(&at(4000, Event::Lagged { missed: 3 }));
        counts.take(&at(5000, change(AgentState::Busy, AgentState::Idle)));
        counts.take(&at(9000, Event::AgentRelaunched { agent: agent(), relaunches: 1 }));
        let doc = metrics.doc();
        assert_eq!((doc.counters["agent.state_changes"], doc.counters["agent.relaunches"]), (2, 1));
        assert!((doc.timers["time_in_state_seconds;state=starting"].max_seconds - 3.0).abs() < 1e-9);
        assert_eq!(doc.timers.len(), 1, "what was missed is not timed");
    }
}
