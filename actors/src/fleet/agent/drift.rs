//! An agent's side of drift: what its screens and hooks said, and what shadow profiles make of its screens.

use std::sync::Arc;

use tsup_core::clock::Mono;
use tsup_core::fleet::agent::Event;
use tsup_core::fleet::drift::{Cli, Glance, Seen, disagreement};
use tsup_core::fleet::evidence::Verdict;
use tsup_core::fleet::hook::HookSays;
use tsup_core::fleet::screen;

use super::{AgentActor, see};
use crate::clock::now_mono;
use crate::fleet::drift::Msg;

impl AgentActor {
    /// Tells what was seen to who looks for drift, before it becomes evidence.
    pub(super) fn look_for_drift(&mut self, event: &Event) {
        let cli = || Cli::from(self.held.record.profile.as_str());
        match event {
            Event::Screen { reading, .. } if self.seen_front.shows_agent() => {
                let cli = cli();
                let seen = Seen::Read(self.id, Arc::clone(&cli), Glance::of(reading));
                self.shared.drift.telemetry(Msg::Saw(seen));
                self.shadow(&cli, reading);
            }
            Event::Hook { says: HookSays::State(state, detail), .. } => {
                let seen = Seen::Hooked(self.id, cli(), Verdict::new(*state, *detail));
                self.shared.drift.telemetry(Msg::Saw(seen));
            }
            Event::Died { .. } => self.shared.drift.telemetry(Msg::Saw(Seen::Gone(self.id))),
            _ => {}
        }
    }

    /// Reads the screen in hand with the shadow profiles too, where there are any.
    fn shadow(&mut self, cli: &Cli, active: &screen::Reading) {
        let Some(profiles) = self.shared.shadow.borrow().clone() else { return };
        let (Some(shot), Some(profile)) = (&self.shot, see::profile(&profiles, cli)) else { return };
        let Some(words) = disagreement(active, &screen::read(profile, shot)) else { return };
        self.shared.drift.telemetry(Msg::Disagreed(self.id, Arc::clone(cli), words.clone()));
        self.shadowed = Some((now_mono(), words));
    }

    /// What a person should know of its profile, beside why it is in its state.
    pub(super) fn with_drift(&self, mut notes: Vec<String>, now: Mono) -> Vec<String> {
        if let Some((at, words)) = &self.shadowed {
            let seconds = now.since(*at).as_secs();
            notes.push(format!("the shadow profile disagreed {seconds} s ago: its screen was {words}"));
        }
        for (_, words) in
            self.shared.drifting.borrow().iter().filter(|(cli, _)| **cli == *self.held.record.profile)
        {
            notes.push(format!("the rules of its profile may no longer fit its CLI: {words}"));
        }
        notes
    }
}
