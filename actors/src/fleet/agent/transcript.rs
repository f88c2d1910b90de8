//! An agent's side of its transcript: who writes it, and where a hook said that it is.

use tsup_core::fleet::agent::Event;
use tsup_core::fleet::transcript::{Format, Heard};
use tsup_core::ids::ProcId;
use tsup_core::untrusted::Untrusted;

use super::AgentActor;
use crate::actor::Cx;
use crate::clock::now_wall;
use crate::fleet::transcripts::{Follow, Msg};

impl AgentActor {
    /// Has the transcript of its process followed, when its CLI writes one that can be read.
    pub(super) fn follow_transcript(&self, process: ProcId) {
        let Some(member) = &self.held.member else { return };
        let profiles = self.shared.profiles();
        let Some(format) = Format::of(profiles.family(&member.profile)) else { return };
        let follow = Follow { format, cli: member.profile.clone(), process, told: None, counted: now_wall() };
        if self.shared.transcripts.work(Msg::Follow(self.id, follow)).is_err() {
            tracing::warn!(agent = %self.id, "its transcript is not followed: too many wait");
        }
    }

    /// Its transcript says something else than before.
    pub(super) fn heard(&mut self, heard: &Heard, cx: &mut Cx<Self>) {
        heard.version.iter().for_each(|version| self.version.hear(version));
        self.step(Event::Transcript(Box::new(heard.clone())), cx);
    }

    /// A hook told where its transcript is.
    pub(super) fn told_transcript(&self, path: Untrusted) {
        let _ = self.shared.transcripts.work(Msg::Told(self.id, path));
    }

    /// Its process is gone: what that wrote says nothing about the next one.
    pub(super) fn forget_transcript(&mut self) {
        let _ = self.shared.transcripts.work(Msg::Forget(self.id));
        self.held.agent.step(Event::Transcript(Box::<Heard>::default()), Self::now());
    }
}
