//! Owns: the tick by which the table of metrics is read.
//! Receives: its own ticks; restarts of actors, from the bus.
//! Sends: snapshots to the sinks, on their telemetry lane.
//! Bounded by: limits::SERIES_MAX series.
//! Restart: permanent; totals stay in the table, and its place in the bus passes on as an heirloom.

use std::sync::Arc;
use std::time::Duration;

use tsup_core::clock::Mono;
use tsup_core::event::Event;
use tsup_core::telemetry::metric;

use super::metrics::Metrics;
use super::statsd::StatsdMsg;
use crate::actor::{Actor, Cx, Failure};
use crate::bus::{Bus, Subscription};
use crate::gate::{Gate, Lane};
use crate::heirloom::Heirloom;

/// What the registry receives.
#[derive(Debug)]
pub enum RegistryMsg {
    /// Read the table now and hand it to the sinks.
    Tick,
}

/// Makes the incarnations of the registry.
#[derive(Clone)]
pub struct RegistryPlan {
    metrics: Metrics,
    /// Outlives a restart: its own restart, and those that happen meanwhile, are counted too.
    events: Heirloom<Subscription>,
    sinks: Vec<Gate<StatsdMsg>>,
    every: Duration,
}

impl RegistryPlan {
    /// A registry that reads `metrics` each `every` for these sinks, and counts what it hears on `bus` from
    /// now on.
    pub fn new(metrics: Metrics, bus: &Bus, sinks: Vec<Gate<StatsdMsg>>, every: Duration) -> Self {
        RegistryPlan { metrics, events: Heirloom::new(bus.subscribe()), sinks, every }
    }

    /// The next incarnation.
    pub fn make(&self) -> Registry {
        Registry { plan: self.clone(), next: Mono::ZERO }
    }
}

/// Reads the table on a tick and counts the restarts of actors, which have no other teller than the bus.
pub struct Registry {
    plan: RegistryPlan,
    next: Mono,
}

impl Registry {
    fn tick(&mut self, cx: &mut Cx<Self>) {
        // The rhythm is kept: late once is not late for ever, and missed ticks are not made up for.
        let now = cx.now();
        self.next = (self.next + self.plan.every).max(now);
        cx.after(self.next.since(now), Lane::Control, RegistryMsg::Tick).detach();
        self.plan.metrics.read_mailboxes();
        if self.plan.sinks.is_empty() {
            return;
        }
        let snapshot = Arc::new(self.plan.metrics.snapshot());
        for sink in &self.plan.sinks {
            sink.telemetry(StatsdMsg::Flush(Arc::clone(&snapshot)));
        }
    }
}

impl Actor for Registry {
    type Msg = RegistryMsg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        let mut events = self.plan.events.reach();
        let restarts = self.plan.metrics.counter(metric::ACTOR_RESTARTS, &[]);
        cx.spawn(async move {
            events.filled().await;
            while let Some(event) = events.next().await {
                if matches!(event.event, Event::ActorRestarted { .. }) {
                    restarts.inc();
                }
            }
        });
        self.next = cx.now() + self.plan.every;
        cx.after(self.plan.every, Lane::Control, RegistryMsg::Tick).detach();
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
