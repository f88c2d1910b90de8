//! What the domains stand on: telemetry, and the gateways to tmux.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tsup_core::ids::{ActorPath, SocketName};
use tsup_core::settings::{PushMode, Settings};
use tsup_core::supervision::Strategy;

use super::{DOMAIN_BACKOFF, RootConfig, part};
use crate::bus::Bus;
use crate::gate::Gate;
use crate::supervisor::{SupervisorSpec, child};
use crate::telemetry::Metrics;
use crate::telemetry::journal::{self, JournalMsg, JournalPlan};
use crate::telemetry::registry::RegistryPlan;
use crate::telemetry::resources::{ResourcesMsg, ResourcesPlan};
use crate::telemetry::statsd::{self, StatsdPlan};
use crate::tmux::{self, Gateway, GatewaySettings, Listener, Place};

/// What measures and tells, with the ways to it.
pub(super) struct Telemetry {
    pub(super) spec: SupervisorSpec,
    pub(super) resources: Gate<ResourcesMsg>,
    pub(super) journal: Gate<JournalMsg>,
    pub(super) journal_health: watch::Receiver<Option<String>>,
}

/// The metrics and where they go, and the execution log. A dead sink never restarts anything else.
pub(super) fn telemetry(
    path: &ActorPath,
    config: &RootConfig,
    settings: &Settings,
    metrics: &Metrics,
    bus: &Bus,
) -> Telemetry {
    let mut sinks = Vec::new();
    let mut spec = part(SupervisorSpec::new(path.clone(), Strategy::OneForOne), bus);
    let statsd = settings.statsd.clone().unwrap_or_default();
    let targets = if settings.statsd.is_some() { statsd.targets.clone() } else { Vec::new() };
    for (n, target) in targets.into_iter().enumerate() {
        let id = if n == 0 { "statsd".to_owned() } else { format!("statsd-{}", n + 1) };
        let gate = statsd::gate(path.child(&id));
        metrics.watch_gate(&gate).keep();
        sinks.push(gate.clone());
        let plan = StatsdPlan::new(&id, target, &statsd, metrics.clone());
        spec = spec.child(child(&id, gate, move || plan.make()).backoff(DOMAIN_BACKOFF));
    }
    let registry = Gate::new(path.child("registry"));
    let resources = Gate::new(path.child("resources"));
    metrics.watch_gate(&registry).keep();
    metrics.watch_gate(&resources).keep();
    let reader = RegistryPlan::new(metrics.clone(), bus, sinks, statsd.flush);
    let sampler = ResourcesPlan::new(metrics.clone());
    let to_sampler = resources.clone();
    let journal = journal::gate(path.child("journal"));
    metrics.watch_gate(&journal).keep();
    let (complains, journal_health) = watch::channel(None);
    let writer = JournalPlan::new(config.log_dir.clone(), &settings.log, complains, metrics);
    let to_journal = journal.clone();
    let spec = spec
        .child(child("registry", registry, move || reader.make()).backoff(DOMAIN_BACKOFF))
        .child(child("resources", resources, move || sampler.make()).backoff(DOMAIN_BACKOFF))
        .child(child("journal", journal, move || writer.make()).backoff(DOMAIN_BACKOFF));
    Telemetry { spec, resources: to_sampler, journal: to_journal, journal_health }
}

/// One gate a socket, to be had before anybody runs, with the name of its gateway in the tree. A socket
/// given by its path has a name without slashes, which a person can type.
pub(super) fn gates(
    path: &ActorPath,
    settings: &Settings,
    metrics: &Metrics,
) -> BTreeMap<SocketName, SocketGate> {
    let sockets = settings.tmux.sockets.iter();
    sockets
        .map(|socket| {
            let id = socket.0.trim_start_matches('/').replace('/', ":");
            let gate = Gate::new(path.child(&id));
            metrics.watch_gate(&gate).keep();
            (socket.clone(), SocketGate { id, gate })
        })
        .collect()
}

pub(super) struct SocketGate {
    pub(super) id: String,
    pub(super) gate: Gate<tmux::Msg>,
}

/// The gateways, which tell the listener what they see.
pub(super) fn gateways(
    path: &ActorPath,
    gates: BTreeMap<SocketName, SocketGate>,
    push: PushMode,
    listener: &Arc<dyn Listener>,
    metrics: &Metrics,
    bus: &Bus,
) -> SupervisorSpec {
    let spec = part(SupervisorSpec::new(path.clone(), Strategy::OneForOne), bus);
    gates.into_iter().fold(spec, |spec, (socket, SocketGate { id, gate })| {
        let plan = GatewaySettings { socket, push, place: Place::from_env() };
        let (listener, table) = (Arc::clone(listener), metrics.clone());
        let gateway = child(&id, gate, move || Gateway::new(plan.clone(), Arc::clone(&listener), &table));
        spec.child(gateway.backoff(DOMAIN_BACKOFF))
    })
}
