//! Owns: which profiles seem to drift from their CLIs, and the profiles that are tried in the shadow.
//! Receives: what agents' screens and hooks said, disagreements of shadow profiles, its own ticks.
//! Sends: alerts to the bus, counts into the table of metrics; two views that agents read.
//! Bounded by: limits of drift in `tsup_core`; one look at the shadow profiles' folder at a time.
//! Restart: permanent; what it knows passes on as an heirloom.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tsup_core::clock::Mono;
use tsup_core::event::{AlertState, Event as Happened};
use tsup_core::fleet::drift::{Cli, Drift, Seen, Turned};
use tsup_core::fleet::profile::Profiles;
use tsup_core::ids::{AgentId, Generation};
use tsup_core::limits;
use tsup_core::telemetry::metric;
use tsup_core::untrusted::Untrusted;

use super::{Shared, profiles};
use crate::actor::{Actor, Cx, Failure};
use crate::gate::Lane;
use crate::heirloom::Held;
use crate::telemetry::metrics::Gauge;

/// What it receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// What was seen of an agent.
    Saw(Seen),
    /// The shadow profiles read a screen of an agent otherwise than the active ones, in these words.
    Disagreed(AgentId, Cli, String),
    /// Time to look for signs, and at the shadow profiles' folder.
    Tick,
    /// What is in that folder; `None` when it is as it was.
    Loaded(Generation, Option<Shadow>),
}

/// Profiles that are tried.
#[derive(Debug, Clone, Default)]
pub(super) struct Shadow {
    /// Their folder, and what was in it.
    seen: Option<(PathBuf, profiles::Stamp)>,
    profiles: Option<Arc<Profiles>>,
}

/// What passes from one incarnation to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    drift: Drift,
    /// What fires, for `explain`.
    pub(super) firing: watch::Sender<Vec<(Cli, String)>>,
    /// The profiles that are tried, for the agents.
    pub(super) shadow: watch::Sender<Option<Arc<Profiles>>>,
    loaded: Shadow,
}

/// The actor.
pub(super) struct DriftActor {
    shared: Shared,
    held: Held<Memory>,
    firing: Gauge,
    logged: HashMap<Cli, Mono>,
    loading: bool,
}

impl DriftActor {
    pub(super) fn new(shared: Shared) -> Self {
        let firing = shared.metrics.gauge(metric::PROFILE_DRIFT, &[]);
        DriftActor {
            held: shared.drift_memory.reach(),
            firing,
            logged: HashMap::new(),
            loading: false,
            shared,
        }
    }

    fn step(&mut self, seen: Seen, now: Mono) {
        let turned = self.held.drift.step(seen, now);
        if turned.is_empty() {
            return;
        }
        for Turned { alert, cli, firing, words } in turned {
            let state = if firing { AlertState::Firing } else { AlertState::Resolved };
            if firing {
                tracing::warn!(%alert, %cli, %words, "the rules of a profile may no longer fit its CLI");
            } else {
                tracing::info!(%alert, %cli, "a profile fits again");
            }
            let kind = "profile_drift".to_owned();
            self.shared.bus.publish(Happened::Alert { alert, kind, state, because: words });
        }
        let now_firing: Vec<(Cli, String)> =
            self.held.drift.firing().map(|(cli, words)| (Arc::clone(cli), words.to_owned())).collect();
        self.firing.set(now_firing.len() as f64);
        self.held.firing.send_replace(now_firing);
    }

    fn disagreed(&mut self, id: AgentId, cli: &Cli, words: &str, now: Mono) {
        self.shared.metrics.counter(metric::PROFILE_SHADOW, &[("cli", cli)]).inc();
        let last = self.logged.get(cli);
        if last.is_none_or(|at| now.since(*at) >= limits::SHADOW_LOG_EVERY) {
            self.logged.insert(Arc::clone(cli), now);
            tracing::info!(agent = %id, %cli, %words, "the shadow profile disagrees");
        }
    }

    /// Looks into the folder of shadow profiles, off this thread.
    fn load(&mut self, cx: &mut Cx<Self>) {
        let folder = self.shared.settings.borrow().fleet.shadow_profiles.clone().map(PathBuf::from);
        if self.loading || (folder.is_none() && self.held.loaded.profiles.is_none()) {
            return;
        }
        self.loading = true;
        let (before, generation) = (self.held.loaded.seen.clone(), cx.generation());
        cx.offload(move || look(folder.as_deref(), before.as_ref()), move |new| Msg::Loaded(generation, new));
    }
}

/// What is in the folder, when that is something else than before.
fn look(folder: Option<&Path>, before: Option<&(PathBuf, profiles::Stamp)>) -> Option<Shadow> {
    let Some(folder) = folder else { return Some(Shadow::default()) };
    let seen = (folder.to_path_buf(), profiles::stamp(&profiles::files(folder)));
    if before == Some(&seen) {
        return None;
    }
    let profiles = match profiles::over(folder) {
        Ok((profiles, errors)) => {
            for error in errors {
                let error = Untrusted::new(error.to_string());
                tracing::warn!(%error, "a shadow profile cannot be used in full");
            }
            Some(Arc::new(profiles))
        }
        Err(e) => {
            tracing::warn!(folder = %folder.display(), error = %e, "shadow profiles cannot be read");
            None
        }
    };
    Some(Shadow { seen: Some(seen), profiles })
}

impl Actor for DriftActor {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        self.held.filled().await;
        self.load(cx);
        cx.after(limits::DRIFT_REVIEW, Lane::Control, Msg::Tick).detach();
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        let now = cx.now();
        match message {
            Msg::Saw(seen) => self.step(seen.clone(), now),
            Msg::Disagreed(id, cli, words) => self.disagreed(*id, cli, words, now),
            Msg::Tick => {
                self.step(Seen::Tick, now);
                self.load(cx);
                cx.after(limits::DRIFT_REVIEW, Lane::Control, Msg::Tick).detach();
            }
            Msg::Loaded(by, new) if *by == cx.generation() => {
                self.loading = false;
                if let Some(new) = new.take() {
                    self.held.shadow.send_replace(new.profiles.clone());
                    self.held.loaded = new;
                }
            }
            // The incarnation that looked is gone, and this one looks for itself.
            Msg::Loaded(..) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_behind_a_link_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (shelf, kept) = (dir.path().join("shadow"), dir.path().join("kept.toml"));
        std::fs::create_dir(&shelf).unwrap();
        std::fs::write(&kept, "version = 1\nname = \"mine\"\n").unwrap();
        std::os::unix::fs::symlink(&kept, shelf.join("mine.toml")).unwrap();
        let first = look(Some(&shelf), None).unwrap();
        assert!(look(Some(&shelf), first.seen.as_ref()).is_none(), "nothing changed");
        std::fs::write(&kept, "version = 1\nname = \"another\"\n").unwrap();
        let second = look(Some(&shelf), first.seen.as_ref()).unwrap();
        assert!(second.profiles.unwrap().get("another").is_some());
    }
}
