//! What is seen of an agent beside its process's life: its screen, its title, who has its terminal.

use tsup_core::fleet::agent::{Event, Front, Nature, Shows};
use tsup_core::fleet::evidence::{Claim, Source};
use tsup_core::fleet::profile::{Profile, Profiles};
use tsup_core::fleet::screen::{self, Shot};
use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::telemetry::resources::Sample;
use tsup_core::tmux::report::Screen;
use tsup_core::untrusted::Untrusted;

use super::AgentActor;
use crate::actor::Cx;
use crate::clock::now_mono;
use crate::os::proc;

/// The profile by which an agent is read; the one of unknown programs when its own is not there.
pub(super) fn profile<'p>(profiles: &'p Profiles, name: &str) -> Option<&'p Profile> {
    profiles.get(name).or_else(|| profiles.get(Profile::GENERIC))
}

/// What may be concluded from the screens of a profile's CLI.
pub(super) fn nature(profile: &Profile) -> Nature {
    Nature::of(profile)
}

impl AgentActor {
    /// Reads a screen with the rules of its profile.
    pub(super) fn screen(&mut self, screen: Screen, cx: &mut Cx<Self>) {
        self.front(cx);
        let Screen { text, title, columns, calm, at } = screen;
        let shot = Shot { text, title, columns };
        let profiles = self.shared.profiles();
        let Some(profile) = profile(&profiles, &self.held.record.profile) else { return };
        self.held.agent.set_nature(nature(profile));
        self.version.see(profile, &shot);
        let reading = Box::new(screen::read(profile, &shot));
        self.shot = Some(shot);
        self.step(Event::Screen { reading, calm, at }, cx);
    }

    /// Reads its title, when it is another one.
    pub(super) fn titled(&mut self, before: Option<&Untrusted>, cx: &mut Cx<Self>) {
        let Some(title) = self.held.member.as_ref().map(|m| m.title.clone()) else { return };
        if before == Some(&title) {
            return;
        }
        let profiles = self.shared.profiles();
        let Some(profile) = profile(&profiles, &self.held.record.profile) else { return };
        let shot = Shot { text: Untrusted::default(), title, columns: None };
        let claims: Vec<Claim> = screen::read(profile, &shot).claims;
        let claims = claims.into_iter().filter(|claim| claim.source == Source::Title).collect();
        self.shot = Some(shot);
        self.step(Event::Title(claims), cx);
    }

    /// Looks who has its terminal, and whether it is stopped. Reads one to a few lines of `/proc`, which
    /// never wait for a disk.
    pub(super) fn front(&mut self, cx: &mut Cx<Self>) {
        let process = self.held.agent.process().filter(|_| self.held.agent.is_alive());
        let Some(front) = process.and_then(|process| self.look_at(process)) else { return };
        if front != self.seen_front {
            self.seen_front = front;
            self.step(Event::Front(front), cx);
        }
    }

    fn look_at(&self, process: ProcId) -> Option<Front> {
        let stat = proc::stat(process.pid).ok().filter(|stat| stat.id == process)?;
        let foreground = u32::try_from(stat.foreground).ok().filter(|group| *group != 0);
        let shows = match foreground {
            Some(group) if group != stat.group => {
                if is_below(group, process.pid) {
                    Shows::Child
                } else {
                    Shows::Other
                }
            }
            _ => Shows::Agent,
        };
        let tool = self.tool.map(|(_, at)| at);
        Some(Front { stopped: matches!(stat.state, 'T' | 't'), shows, tool })
    }

    /// Takes in what its process tree uses, and which process of it was started last.
    pub(super) fn sampled(&mut self, sample: Sample, cx: &mut Cx<Self>) {
        self.sample = Some(sample);
        if self.tool.map(|(ticks, _)| ticks) != sample.youngest {
            self.tool = sample.youngest.map(|ticks| {
                let age = proc::age(ProcId { pid: 0, start_ticks: ticks });
                (ticks, now_mono() - age)
            });
        }
        self.front(cx);
    }

    /// Has its screen read with other rules, though nothing on it changed.
    pub(super) fn read_again(&mut self, cx: &mut Cx<Self>) {
        self.held.agent.read_again(cx.now());
        self.want_screen();
        self.arm(cx);
    }

    pub(super) fn want_screen(&self) {
        if let Some(pane) = self.held.member.as_ref().and_then(|m| m.pane).or(self.pane) {
            self.shared.tmux.look(&self.entry.socket, pane);
        }
    }
}

/// Whether the process is below the other one.
fn is_below(pid: u32, root: u32) -> bool {
    let mut at = pid;
    for _ in 0..limits::ANCESTORS_MAX {
        match proc::stat(at) {
            Ok(stat) if stat.parent == root => return true,
            Ok(stat) if stat.parent > 1 => at = stat.parent,
            _ => return false,
        }
    }
    false
}
