//! Owns: the tick by which the table of metrics is read.
//! Receives: its own ticks; restarts of actors, from the bus.
//! Sends: snapshots to the sinks, on their telemetry lane.
//! Bounded by: limits::SERIES_MAX series.
//! Restart: permanent; totals stay in the table.

use std::sync::Arc;
use std::time::Duration;

use tsup_core::clock::Mono;
use tsup_core::event::Event;
use tsup_core::telemetry::metric;

use super::metrics::Metrics;
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

/// Reads the table on a tick and counts the restarts of actors, which have no other teller than the bus.
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
        let restarts = self.metrics.counter(metric::ACTOR_RESTARTS, &[]);
        cx.spawn(async move {
            while let Some(event) = events.next().await {
                if matches!(event.event, Event::ActorRestarted { .. }) {
                    restarts.inc();
                }
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
