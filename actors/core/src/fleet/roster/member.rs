//! What a session looks like: its agents, each with its name, and where they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fleet::profile::Rule;
use crate::fleet::spec::AgentSpec;
use crate::ids::{AgentId, PaneId, ProcId, SessionId, SocketName};
use crate::tmux::report::DeadPane;
use crate::untrusted::Untrusted;

use super::{Pane, ProfileName, Roster, SessionKey};

/// One agent in a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: AgentId,
    /// Its name in the session.
    pub name: Untrusted,
    /// Its role, from configuration, a request or a tag; never guessed.
    pub role: Option<String>,
    /// Its profile's name.
    pub profile: ProfileName,
    /// By which rule it was recognised; `None` for one that tsup started.
    pub rule: Option<Rule>,
    /// Whether tsup made its pane.
    pub owned: bool,
    /// How it is started, while it is declared or was spawned.
    pub spec: Option<Arc<AgentSpec>>,
    /// Its pane; `None` while it has none.
    pub pane: Option<PaneId>,
    /// The process that tmux started in its pane, also after its end.
    pub pane_process: Option<ProcId>,
    /// The pid of that process as tmux tells it, also where nobody saw the process: two in one pane may end alike.
    pub pane_pid: Option<u32>,
    /// Its own process. Of an owned agent that is the pane's.
    pub process: Option<ProcId>,
    /// How its pane ended, when tmux says that it is dead.
    pub dead: Option<DeadPane>,
    /// Its pane's title.
    pub title: Untrusted,
}

/// A whole session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its name now.
    pub name: Untrusted,
    /// Its id; `None` while it is not there.
    pub tmux: Option<SessionId>,
    /// Whether agents of it are declared or spawned.
    pub owned: bool,
    /// Panes in it, agents or not.
    pub panes: u64,
    /// Whether its server's answer is known: before that nothing of it is missing.
    pub heard: bool,
    /// Its agents, sorted by id.
    pub members: Vec<Member>,
}

/// What a member would be called if it were alone.
struct Named {
    member: Member,
    window: String,
    fixed: bool,
}

/// The pictures of all sessions of a server.
pub(super) fn pictures(roster: &Roster, socket: &SocketName) -> BTreeMap<SessionKey, Picture> {
    let mut named: BTreeMap<SessionKey, Vec<Named>> = BTreeMap::new();
    let mut panes: BTreeMap<SessionKey, u64> = BTreeMap::new();
    let mut homes: BTreeMap<AgentId, &Pane> = BTreeMap::new();
    let Some(server) = roster.servers.get(socket) else { return BTreeMap::new() };
    for pane in server.panes.values() {
        let key = server.sessions.get(&pane.facts.session).copied();
        if let Some(key) = key {
            *panes.entry(key).or_default() += 1;
        }
        let tag = pane.facts.owner.as_ref().filter(|tag| tag.home == roster.home);
        let owned = tag.map(|tag| AgentId::owned(socket, &tag.session, &tag.name));
        match owned {
            Some(id) if roster.owned.contains_key(&id) => {
                // Of two panes with one tag the living one counts.
                let better = homes.get(&id).is_none_or(|old| old.facts.dead.is_some());
                if better {
                    homes.insert(id, pane);
                }
            }
            // A pane that tsup made, but the declaration is gone: watched, and may be ended.
            Some(id) => {
                let profile = pane.found.as_ref().map_or_else(|| "unknown".into(), |f| f.profile.clone());
                let name = tag.map(|t| Untrusted::new(t.name.clone())).unwrap_or_default();
                push(&mut named, key, in_pane(pane, id, name, profile, true));
            }
            None => {
                let (Some(found), Some(facts)) = (&pane.found, &server.facts) else { continue };
                let id = AgentId::found(socket, facts.process, pane.facts.pane, found.process);
                push(&mut named, key, in_pane(pane, id, base_name(pane), found.profile.clone(), false));
            }
        }
    }
    for (id, spec) in roster.owned.iter().filter(|(_, spec)| spec.socket == *socket) {
        let name = Untrusted::new(spec.name.clone());
        let mut entry = match homes.get(id) {
            Some(pane) => in_pane(pane, *id, name, spec.profile.as_str().into(), true),
            None => without_pane(*id, name, spec.profile.as_str().into()),
        };
        entry.member.role.clone_from(&spec.role);
        entry.member.spec = Some(Arc::clone(spec));
        push(&mut named, roster.home_of(spec), entry);
    }
    let sessions = roster.sessions.iter().filter(|(_, s)| s.socket == *socket);
    sessions
        .map(|(key, session)| {
            let members = named.remove(key).unwrap_or_default();
            let owned = members.iter().any(|m| m.fixed);
            let picture = Picture {
                name: session.name.clone(),
                tmux: session.tmux,
                owned,
                panes: panes.get(key).copied().unwrap_or(0),
                heard: server.heard,
                members: tell_apart(members),
            };
            (*key, picture)
        })
        .collect()
}

fn push(named: &mut BTreeMap<SessionKey, Vec<Named>>, key: Option<SessionKey>, entry: Named) {
    if let Some(key) = key {
        named.entry(key).or_default().push(entry);
    }
}

/// The window's name, and the pane's index where the window holds several.
fn base_name(pane: &Pane) -> Untrusted {
    if pane.facts.window_panes > 1 {
        Untrusted::new(format!("{}.{}", pane.facts.window_name.raw(), pane.facts.pane_index))
    } else {
        pane.facts.window_name.clone()
    }
}

fn in_pane(pane: &Pane, id: AgentId, name: Untrusted, profile: ProfileName, owned: bool) -> Named {
    let alive = pane.process.filter(|_| pane.facts.dead.is_none());
    let process = if owned { alive } else { pane.found.as_ref().map(|f| f.process) };
    let member = Member {
        id,
        name,
        role: None,
        profile,
        rule: pane.found.as_ref().filter(|_| !owned).map(|f| f.rule),
        owned,
        spec: None,
        pane: Some(pane.facts.pane),
        pane_process: pane.process,
        pane_pid: Some(pane.facts.pid),
        process,
        dead: pane.facts.dead,
        title: pane.facts.title.clone(),
    };
    Named { member, window: pane.facts.window.to_string(), fixed: owned }
}

fn without_pane(id: AgentId, name: Untrusted, profile: ProfileName) -> Named {
    let member = Member {
        id,
        name,
        role: None,
        profile,
        rule: None,
        owned: true,
        spec: None,
        pane: None,
        pane_process: None,
        pane_pid: None,
        process: None,
        dead: None,
        title: Untrusted::default(),
    };
    Named { member, window: String::new(), fixed: true }
}

/// Adds `@WINDOW` where names repeat. Agents that tsup started keep the name they were given.
fn tell_apart(named: Vec<Named>) -> Vec<Member> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &named {
        *count.entry(entry.member.name.raw().to_owned()).or_default() += 1;
    }
    let mut members: Vec<Member> = named
        .into_iter()
        .map(|mut entry| {
            if !entry.fixed && count[entry.member.name.raw()] > 1 {
                entry.member.name = Untrusted::new(format!("{}{}", entry.member.name.raw(), entry.window));
            }
            entry.member
        })
        .collect();
    members.sort_by_key(|m| m.id);
    members
}
