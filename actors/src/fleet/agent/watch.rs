//! The holds on an agent's process and, where a shell stands between, on its pane's.

use std::io;

use tokio::task::AbortHandle;
use tsup_core::fleet::agent::{Event, Front};
use tsup_core::fleet::process::ExitFacts;
use tsup_core::fleet::relaunch::Phase;
use tsup_core::fleet::roster::Member;
use tsup_core::ids::ProcId;

use super::version::Known;
use super::{AgentActor, Msg};
use crate::actor::Cx;
use crate::gate::Lane;
use crate::os::{pidfd, proc};
use crate::telemetry::resources::{ResourcesMsg, Subscriber};

/// The process of an agent's pane, where it is not the agent's own.
pub(super) fn apart(member: &Member) -> Option<ProcId> {
    member.pane_process.filter(|pane| member.process.is_some_and(|own| own != *pane))
}

/// Has the end of a process told. It must be there.
fn hold(
    process: ProcId,
    tell: fn(ProcId, ExitFacts) -> Msg,
    cx: &mut Cx<AgentActor>,
) -> io::Result<AbortHandle> {
    let gate = cx.gate().clone();
    let watch = pidfd::Watch::open(process)?;
    Ok(cx.spawn(async move {
        let facts = watch.died().await;
        gate.insist(Lane::Control, tell(process, facts)).await;
    }))
}

impl AgentActor {
    /// Takes hold of a process: the state follows it from now on.
    pub(super) fn attach(&mut self, process: ProcId, cx: &mut Cx<Self>) {
        if let Some(old) = self.watch.take() {
            old.abort();
        }
        let age = proc::age(process);
        (self.seen_front, self.tool) = (Front::default(), None);
        self.version = Known::of(process, self.shared.profiles().get(&self.held.record.profile));
        self.step(Event::Attached { process, age }, cx);
        self.held.record.process = Some(process);
        match hold(process, Msg::Died, cx) {
            Ok(watch) => self.watch = Some(watch),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                // It was there, though nobody saw it: its end is the end of what was launched. One that nobody
                // launched changes nothing about why the agent is down.
                if self.held.relaunch.phase() == Phase::Launching {
                    self.came_up(cx);
                }
                self.step(Event::Died { process, facts: ExitFacts::UNKNOWN }, cx);
                return;
            }
            // Its end is then told by tmux.
            Err(e) => tracing::warn!(%process, error = %e, "a process cannot be watched"),
        }
        let to = Subscriber::gate(cx.gate().clone(), Msg::Sample);
        let _ = self.shared.resources.work(ResourcesMsg::Track { id: self.id, root: process, to });
        self.follow_transcript(process);
        self.came_up(cx);
    }

    /// Takes hold of its pane's process, or lets go of it.
    pub(super) fn watch_pane(&mut self, process: Option<ProcId>, cx: &mut Cx<Self>) {
        if process == self.pane_watch.as_ref().map(|(held, _)| *held) || process == self.pane_ended {
            return;
        }
        if let Some((_, old)) = self.pane_watch.take() {
            old.abort();
        }
        let Some(process) = process else { return };
        match hold(process, Msg::PaneProcessDied, cx) {
            Ok(watch) => self.pane_watch = Some((process, watch)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.pane_process_died(process, ExitFacts::UNKNOWN, cx);
            }
            // Its end is then told by tmux.
            Err(e) => tracing::warn!(%process, error = %e, "a pane's process cannot be watched"),
        }
    }

    pub(super) fn pane_process_died(&mut self, process: ProcId, facts: ExitFacts, cx: &mut Cx<Self>) {
        self.pane_watch = None;
        self.pane_ended = Some(process);
        self.step(Event::PaneEnding { facts }, cx);
    }
}
