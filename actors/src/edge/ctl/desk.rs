//! Answers each verb, from the views of the domains or by asking them. One file a noun; the client
//! mirrors them.

mod admin;
mod agents;
mod jobs;
mod metrics;
mod tree;

use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, watch};
use tsup_core::clock::{Mono, Wall};
use tsup_core::error::{Exit, UserError};
use tsup_core::event::Event;
use tsup_core::limits::AUDIT_TARGET_BYTES_MAX;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc;
use tsup_core::wire::doc::jobs::Submitted;
use tsup_core::wire::verb::{Body, Verb};

use crate::bus::{Bus, Subscription};
use crate::clock::now_wall;
use crate::edge::audit::{AuditMsg, Entry, Peer};
use crate::fleet::Fleet;
use crate::gate::{Gate, Reply};
use crate::store::StoreError;
use crate::supervisor::View;
use crate::telemetry::Metrics;
use crate::tes::Tes;
use crate::tmux::Health;

/// What only the process itself can do; its main loop receives it.
#[derive(Debug)]
pub enum Admin {
    /// Read the configuration again; answers with what changed.
    Reload(Reply<Result<String, UserError>>),
    /// Drain and end.
    Shutdown,
}

/// What does not change while the supervisor runs.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The supervisor's process.
    pub pid: u32,
    /// When it started.
    pub started_at: Wall,
    /// The same by the monotonic clock.
    pub started: Mono,
    /// Its home directory.
    pub home: String,
    /// Its control socket.
    pub socket: String,
    /// Its version.
    pub version: String,
}

/// What the desk answers from. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    parts: Arc<Parts>,
}

/// The sources of the desk's answers.
pub struct Parts {
    /// Who this supervisor is.
    pub identity: Identity,
    /// Whether everything is up.
    pub ready: watch::Receiver<bool>,
    /// What happens.
    pub bus: Bus,
    /// The whole tree; set when its root runs, which is a moment after the desk.
    pub tree: Arc<OnceLock<View>>,
    /// The agents.
    pub fleet: Fleet,
    /// The jobs.
    pub tes: Tes,
    /// The numbers.
    pub metrics: Metrics,
    /// What keeps tsup from the tmux servers.
    pub tmux: Health,
    /// What is wrong with the store, while something is.
    pub store: watch::Receiver<Option<StoreError>>,
    /// The audit log.
    pub audit: Gate<AuditMsg>,
    /// What is wrong with the audit log, while something is.
    pub audit_health: watch::Receiver<Option<String>>,
    /// What is wrong with the execution log, while something is.
    pub journal_health: watch::Receiver<Option<String>>,
    /// What is wrong with the user's own profiles.
    pub profile_complaints: watch::Receiver<Vec<String>>,
    /// The process's main loop.
    pub admin: mpsc::Sender<Admin>,
}

/// The audit line of a verb that is under way: written when it goes, with the outcome or without.
struct Line<'a> {
    audit: &'a Gate<AuditMsg>,
    peer: Peer,
    verb: &'static str,
    target: Option<String>,
    outcome: String,
}

impl<'a> Line<'a> {
    fn new(audit: &'a Gate<AuditMsg>, verb: &Verb, peer: Peer) -> Self {
        // Stands when the control socket ends, or panics, before there is an answer.
        let outcome = match verb {
            Verb::Drain { .. } => "begun: nobody waited for its end",
            _ => "unknown: cut off while it was under way",
        };
        // A target that is no name of anything must not fill the log.
        let target = verb.target().map(|t| Untrusted::bounded(&t, AUDIT_TARGET_BYTES_MAX).raw().to_owned());
        Line { audit, peer, verb: verb.name(), target, outcome: outcome.to_owned() }
    }
}

/// What became of it. What was refused was not done.
fn outcome(body: &Body) -> String {
    match body {
        Body::Error(e) => format!("error {}: {}", e.exit.code(), e.what),
        Body::Refused(doc) => {
            // It may quote what was submitted.
            let why = Untrusted::bounded(doc.error.message.raw(), AUDIT_TARGET_BYTES_MAX);
            format!("refused: {}: {}", doc.error.category, why.raw())
        }
        Body::Job(answer) => format!("done: {}", answer.job.id),
        Body::Batch(answers) => {
            let taken = answers.iter().filter(|a| matches!(a, Submitted::Job(_))).count();
            format!("{taken} taken in, {} refused", answers.len() - taken)
        }
        _ => "done".to_owned(),
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let outcome = std::mem::take(&mut self.outcome);
        let entry =
            Entry { at: now_wall(), peer: self.peer, verb: self.verb, target: self.target.take(), outcome };
        if self.audit.control(AuditMsg::Append(entry)).is_err() {
            tracing::error!(verb = self.verb, "audit line lost: the audit log is overloaded");
        }
    }
}

impl Desk {
    /// A desk over these parts.
    pub fn new(parts: Parts) -> Self {
        Desk { parts: Arc::new(parts) }
    }

    /// Answers one verb; what changes something is audited with its outcome.
    pub(super) async fn answer(&self, verb: Verb, peer: Peer) -> Body {
        let mut line = verb.changes().then(|| Line::new(&self.parts.audit, &verb, peer));
        let body = self.dispatch(verb).await;
        if let Some(line) = &mut line {
            line.outcome = outcome(&body);
        }
        body
    }

    async fn dispatch(&self, verb: Verb) -> Body {
        let answer = match verb {
            Verb::Status => Ok(Body::Status(Box::new(self.status()))),
            Verb::Tree => self.tree(),
            Verb::Crash { path } => self.crash(path).await,
            Verb::Sessions => Ok(self.sessions()),
            Verb::Agents => Ok(self.agents()),
            Verb::Capture { agent } => self.capture(agent).await,
            Verb::Explain { agent } => self.explain(agent).await,
            Verb::Spawn(spawn) => self.spawn(spawn).await,
            Verb::Kill { agent } => self.kill(agent).await,
            Verb::Restart { agent } => self.restart(agent).await,
            Verb::Pause { target, for_ms } => self.pause(target, for_ms).await,
            Verb::Resume { target } => self.resume(target).await,
            Verb::Metrics => Ok(self.metrics()),
            Verb::Reload => self.reload().await,
            Verb::Shutdown => self.shutdown(),
            Verb::Record { agent, for_ms } => self.record(agent, for_ms).await,
            Verb::Scripts => self.scripts().await,
            Verb::Submit(submit) => self.submit(*submit).await,
            Verb::SubmitBatch(batch) => Ok(self.submit_batch(batch).await),
            Verb::Jobs { states, script, limit } => self.jobs(states, script, limit).await,
            Verb::Job { job } => self.job(&job).await,
            Verb::Wait { jobs, for_ms } => self.wait(jobs, for_ms).await,
            Verb::Cancel { job } => self.cancel(&job).await,
            Verb::Retry { job } => self.retry(&job).await,
            Verb::Hold { job } => self.hold(&job, true).await,
            Verb::Release { job } => self.hold(&job, false).await,
            Verb::Output { job, attempt } => self.output(&job, attempt).await,
            Verb::DropDead { job } => self.drop_dead(&job).await,
            Verb::Drain { for_ms } => self.drain(for_ms).await,
            Verb::EndDrain => self.end_drain().await,
            Verb::Groups => self.groups().await,
            Verb::Script { script } => self.script(&script).await,
            Verb::Select(which) => self.parts.tes.select(*which).await.map(Body::Selected),
            Verb::Schedules => Ok(Body::Schedules(self.parts.tes.schedules())),
            // The connection turns itself into a stream before it asks the desk.
            Verb::Watch { .. } => Err(UserError::new(Exit::Bug, "a stream reached the desk")),
        };
        answer.unwrap_or_else(Body::Error)
    }

    /// Events from now on; an unknown kind is an error, so that a typing slip is not silence.
    pub(super) fn subscribe(&self, kinds: &[String]) -> Result<Subscription, UserError> {
        if let Some(unknown) = kinds.iter().find(|k| !Event::KINDS.contains(&k.as_str())) {
            let shown = tsup_core::untrusted::Untrusted::bounded(unknown, 64);
            return Err(UserError::new(Exit::Usage, format!("no kind of event `{shown}`"))
                .hint(format!("kinds are {}", Event::KINDS.join(" "))));
        }
        Ok(self.parts.bus.subscribe())
    }

    fn status(&self) -> doc::StatusDoc {
        let parts = &self.parts;
        let mut degraded: Vec<String> = parts.store.borrow().iter().map(ToString::to_string).collect();
        degraded.extend(parts.audit_health.borrow().clone());
        degraded.extend(parts.journal_health.borrow().clone());
        degraded.extend(parts.profile_complaints.borrow().iter().cloned());
        degraded.extend(parts.tmux.complaints());
        degraded.extend(parts.tes.complaints());
        if let Some(tree) = parts.tree.get() {
            tree::not_running(&tree.node(), &mut degraded);
        }
        doc::StatusDoc {
            version: doc::VERSION,
            running: true,
            pid: parts.identity.pid,
            started_at: parts.identity.started_at,
            uptime_seconds: crate::clock::now_mono().since(parts.identity.started).as_secs_f64(),
            home: parts.identity.home.clone(),
            socket: parts.identity.socket.clone(),
            supervisor_version: parts.identity.version.clone(),
            ready: *parts.ready.borrow(),
            degraded,
            agents: parts.fleet.counts(),
            jobs: parts.tes.counts(),
        }
    }
}
