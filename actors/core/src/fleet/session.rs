//! Who belongs to a session: from whole pictures to who comes, changes and goes.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{AgentId, PaneId};
use crate::untrusted::Untrusted;

use super::roster::{Member, Picture};

/// What happened to a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// What it looks like now.
    Picture(Picture),
    /// These agents are in another session now.
    Left(Vec<AgentId>),
    /// An agent says that nothing of it is left.
    Gone(AgentId),
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// An agent is to be watched.
    Start(Box<Member>),
    /// An agent's facts, or the session's name, changed.
    Tell(Box<Member>),
    /// An agent's pane is not there any more.
    PaneGone(AgentId),
    /// An agent is no longer to be watched here; `announce` unless it goes on elsewhere.
    End {
        /// Which.
        id: AgentId,
        /// Whether it is gone for everybody.
        announce: bool,
    },
    /// The session is there now.
    Found,
    /// The session is not there any more.
    Lost,
    /// Nothing is left of it.
    Empty,
}

/// An agent of the session.
#[derive(Debug, Clone)]
struct Held {
    member: Member,
    pane_gone: bool,
}

/// One session.
#[derive(Debug, Clone, Default)]
pub struct Session {
    name: Untrusted,
    present: bool,
    held: BTreeMap<AgentId, Held>,
}

impl Session {
    /// Its name now.
    pub fn name(&self) -> &Untrusted {
        &self.name
    }

    /// Whether an agent belongs to it, also one whose pane is gone.
    pub fn holds(&self, id: AgentId) -> bool {
        self.held.contains_key(&id)
    }

    /// Whether nothing is left of it.
    pub fn is_empty(&self) -> bool {
        !self.present && self.held.is_empty()
    }

    /// Takes in what happened.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Picture(picture) => self.picture(picture, &mut out),
            Event::Left(ids) => {
                // Whoever keeps what outlives this state may hold one that is not known here any more.
                for id in ids {
                    self.held.remove(&id);
                    out.push(Effect::End { id, announce: false });
                }
            }
            Event::Gone(id) => {
                if self.held.get(&id).is_some_and(|held| held.pane_gone) {
                    self.end(id, true, &mut out);
                }
            }
        }
        if self.is_empty() {
            out.push(Effect::Empty);
        }
        out
    }

    fn end(&mut self, id: AgentId, announce: bool, out: &mut Vec<Effect>) {
        if self.held.remove(&id).is_some() {
            out.push(Effect::End { id, announce });
        }
    }

    fn picture(&mut self, picture: Picture, out: &mut Vec<Effect>) {
        let present = picture.tmux.is_some();
        if present && !self.present {
            out.push(Effect::Found);
        } else if self.present && !present {
            out.push(Effect::Lost);
        }
        self.present = present;
        let renamed = self.name != picture.name;
        self.name = picture.name;
        // Before its server was heard of nobody knows what is there already.
        if !picture.heard {
            return;
        }
        self.leave_out(&picture.members, out);
        for member in picture.members {
            match self.held.get_mut(&member.id) {
                None => {
                    out.push(Effect::Start(Box::new(member.clone())));
                    self.held.insert(member.id, Held { member, pane_gone: false });
                }
                Some(held) => {
                    if held.member != member || renamed || held.pane_gone {
                        out.push(Effect::Tell(Box::new(member.clone())));
                    }
                    *held = Held { member, pane_gone: false };
                }
            }
        }
    }

    /// Deals with those that are not in the picture any more.
    fn leave_out(&mut self, members: &[Member], out: &mut Vec<Effect>) {
        let there: BTreeSet<AgentId> = members.iter().map(|m| m.id).collect();
        let panes: BTreeSet<PaneId> = members.iter().filter_map(|m| m.pane).collect();
        let mut ended = Vec::new();
        for (id, held) in &mut self.held {
            if there.contains(id) {
                continue;
            }
            // Its pane has another agent, or a person no longer wants it: nothing of it will come back.
            if held.member.owned || held.member.pane.is_some_and(|pane| panes.contains(&pane)) {
                ended.push(*id);
            } else if !held.pane_gone {
                held.pane_gone = true;
                out.push(Effect::PaneGone(*id));
            }
        }
        for id in ended {
            self.end(id, true, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{SessionId, SocketName};
    use crate::tmux::report::DeadPane;

    fn member(n: u32, pane: u32, owned: bool) -> Member {
        Member {
            id: AgentId::owned(&SocketName("s".into()), "web", &n.to_string()),
            name: n.to_string().into(),
            role: None,
            profile: "claude".into(),
            rule: None,
            owned,
            spec: None,
            pane: Some(PaneId(pane)),
            pane_process: None,
            pane_pid: Some(pane),
            process: None,
            dead: None,
            title: "".into(),
        }
    }

    fn picture(present: bool, members: Vec<Member>) -> Event {
        let tmux = present.then_some(SessionId(1));
        let (name, panes) = ("web".into(), members.len() as u64);
        Event::Picture(Picture { name, tmux, owned: false, panes, heard: true, members })
    }

    #[test]
    fn agents_come_change_and_go() {
        let mut s = Session::default();
        let (a, b) = (member(1, 1, false), member(2, 2, false));
        let out = s.step(picture(true, vec![a.clone(), b.clone()]));
        assert_eq!(
            out,
            [Effect::Found, Effect::Start(Box::new(a.clone())), Effect::Start(Box::new(b.clone()))]
        );
        assert!(s.step(picture(true, vec![a.clone(), b.clone()])).is_empty(), "nothing changed");
        let dead = |pid| Member { dead: Some(DeadPane::default()), pane_pid: Some(pid), ..b.clone() };
        s.step(picture(true, vec![a.clone(), dead(2)]));
        let again = s.step(picture(true, vec![a.clone(), dead(9)]));
        assert_eq!(again, [Effect::Tell(Box::new(dead(9)))], "another process in its pane ended alike");
        let titled = Member { title: "x".into(), ..a.clone() };
        assert_eq!(
            s.step(picture(true, vec![titled.clone()])),
            [Effect::PaneGone(b.id), Effect::Tell(Box::new(titled))]
        );
        assert_eq!(s.step(Event::Gone(a.id)), [], "an agent whose pane is there is not gone");
        assert_eq!(s.step(Event::Gone(b.id)), [Effect::End { id: b.id, announce: true }]);
        assert_eq!(s.step(picture(false, vec![])), [Effect::Lost, Effect::PaneGone(a.id)]);
        assert_eq!(s.step(Event::Gone(a.id)), [Effect::End { id: a.id, announce: true }, Effect::Empty]);
    }

    #[test]
    fn a_pane_with_another_agent_ends_the_one_before() {
        let mut s = Session::default();
        let (a, b) = (member(1, 1, false), member(2, 1, false));
        s.step(picture(true, vec![a.clone()]));
        assert_eq!(
            s.step(picture(true, vec![b.clone()])),
            [Effect::End { id: a.id, announce: true }, Effect::Start(Box::new(b))]
        );
    }

    #[test]
    fn an_agent_that_moved_is_not_announced_as_gone() {
        let mut s = Session::default();
        let a = member(1, 1, false);
        s.step(picture(true, vec![a.clone()]));
        assert_eq!(s.step(Event::Left(vec![a.id])), [Effect::End { id: a.id, announce: false }]);
        assert!(!s.holds(a.id));
        // Nor by a state that was begun anew and has not met it yet.
        let out = Session::default().step(Event::Left(vec![a.id]));
        assert_eq!(out, [Effect::End { id: a.id, announce: false }, Effect::Empty]);
    }

    #[test]
    fn nothing_is_missing_before_the_server_was_heard() {
        let mut s = Session::default();
        let Event::Picture(mut unheard) = picture(false, vec![member(1, 1, true)]) else { unreachable!() };
        unheard.heard = false;
        assert!(!s.step(Event::Picture(unheard)).iter().any(|e| matches!(e, Effect::Start(_))));
        assert!(matches!(s.step(picture(false, vec![member(1, 1, true)]))[..], [Effect::Start(_)]));
    }

    proptest! {
        /// Whatever pictures come: whoever was started and not ended is held, and nobody is started twice.
        #[test]
        fn starts_and_ends_balance(
            steps in proptest::collection::vec((any::<bool>(), proptest::collection::btree_map(0_u32..6, 0_u32..4, 0..6)), 0..30)
        ) {
            let mut s = Session::default();
            let mut alive: BTreeSet<AgentId> = BTreeSet::new();
            for (present, members) in steps {
                let members = members.into_iter().map(|(n, pane)| member(n, pane, n == 0)).collect();
                for effect in s.step(picture(present, members)) {
                    match effect {
                        Effect::Start(m) => prop_assert!(alive.insert(m.id)),
                        Effect::End { id, .. } => prop_assert!(alive.remove(&id)),
                        Effect::Tell(m) => prop_assert!(alive.contains(&m.id)),
                        Effect::PaneGone(id) => prop_assert!(alive.contains(&id)),
                        Effect::Found | Effect::Lost | Effect::Empty => {}
                    }
                }
            }
        }
    }
}
