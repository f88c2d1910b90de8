//! What people ask of the fleet, by the names they use.

use std::path::PathBuf;
use std::time::Duration;

use tsup_core::clock::Wall;
use tsup_core::error::{Exit, UserError};
use tsup_core::fleet::spec::AgentSpec;
use tsup_core::fleet::target;
use tsup_core::ids::AgentId;
use tsup_core::limits;
use tsup_core::settings::check::is_name;
use tsup_core::tmux::report::{Answer, Ask};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::AgentDoc;
use tsup_core::wire::doc::explain::Explained;
use tsup_core::wire::verb::Spawn;

use super::{Fleet, agent, roster};
use crate::bus::Subscription;
use crate::gate::{CallError, Lane, Reply};

impl Fleet {
    /// What an agent's pane shows now.
    pub async fn capture(&self, target: &str) -> Result<Untrusted, UserError> {
        let id = self.one(target)?;
        let entry = self.shared.directory.agent(id).ok_or_else(|| gone(target))?;
        let doc = entry.view.borrow().clone().ok_or_else(|| gone(target))?;
        let pane = doc.pane.parse().map_err(|_| {
            UserError::new(Exit::NotFound, format!("agent {}/{} has no pane", doc.session, doc.name))
        })?;
        match self.shared.tmux.ask(&entry.socket, Ask::Capture { pane, history: 0 }).await {
            Ok(Answer::Screen(text)) => Ok(text),
            Ok(_) => Err(UserError::new(Exit::Bug, "tmux gave an answer to another question")),
            Err(e) => Err(agent::failed(&e)),
        }
    }

    /// Why an agent is in its state.
    pub async fn explain(&self, target: &str) -> Result<Explained, UserError> {
        let id = self.one(target)?;
        let entry = self.shared.directory.agent(id).ok_or_else(|| gone(target))?;
        let answer = entry.gate.call(Lane::Control, limits::CALL_TIMEOUT, agent::Msg::Explain).await;
        answer.map(|explained| *explained).map_err(|e| not_answered(&e))
    }

    /// Keeps what is seen of an agent in a file, for so long; says of which agent, where, and until when.
    pub async fn record(
        &self,
        target: &str,
        for_: Option<Duration>,
    ) -> Result<(AgentId, PathBuf, Wall), UserError> {
        let for_ = agent::record::duration(for_)?;
        let id = self.one(target)?;
        let entry = self.shared.directory.agent(id).ok_or_else(|| gone(target))?;
        let make = |reply: Reply<_>| agent::Msg::Record(for_, reply);
        let answer = entry.gate.call(Lane::Control, limits::CALL_TIMEOUT, make).await;
        let (path, until) = answer.map_err(|e| not_answered(&e))??;
        Ok((id, path, until))
    }

    /// Starts an agent in a new session, or in a session of tsup's. Returns when it runs.
    pub async fn spawn(&self, ask: Spawn) -> Result<Vec<AgentDoc>, UserError> {
        let shared = &self.shared;
        for (what, name) in [("session", &ask.session), ("agent", &ask.name)] {
            if !is_name(name) {
                let shown = Untrusted::bounded(name, 80);
                return Err(UserError::new(Exit::Usage, format!("{shown:?} is no name for a {what}"))
                    .hint("letters, digits, - and _, at most 64"));
            }
        }
        if ask.command.is_empty() && shared.profiles().get(&ask.agent).is_none() {
            let profiles = shared.profiles();
            let known = profiles.names().collect::<Vec<_>>().join(", ");
            let shown = Untrusted::bounded(&ask.agent, 80);
            return Err(UserError::new(Exit::NotFound, format!("no profile {shown:?}"))
                .hint(format!("one of {known}; or give the command behind --")));
        }
        let socket = shared.settings.borrow().tmux.sockets.first().cloned();
        let socket = socket.ok_or_else(|| UserError::new(Exit::Refused, "no tmux socket is configured"))?;
        let there = self.sessions().into_iter().find(|s| s.socket == socket.0 && s.name.raw() == ask.session);
        if there.is_some_and(|s| s.present && !s.owned) {
            return Err(UserError::new(
                Exit::Refused,
                format!("session {} was not made by tsup", ask.session),
            )
            .hint("name another session; tsup adds nothing to sessions that it did not make"));
        }
        let spec = AgentSpec::spawned(&ask, socket, &shared.cwd, &shared.profiles());
        let id = spec.id();
        if shared.directory.agent(id).is_some() {
            return Err(UserError::new(
                Exit::Refused,
                format!("agent {}/{} is there already", ask.session, ask.name),
            )
            .hint("`tsup ctl restart` starts it again"));
        }
        let events = shared.bus.subscribe();
        let own = roster::Msg::Own(Box::new(spec));
        shared.roster.control(own).map_err(|e| UserError::new(Exit::Refused, e.to_string()))?;
        self.started(id, events).await.map(|doc| vec![doc])
    }

    /// Waits until an agent runs.
    async fn started(&self, id: AgentId, mut events: Subscription) -> Result<AgentDoc, UserError> {
        let wait = async {
            // It is in its session's view before anybody hears of it, so something happens after that.
            let mut view = loop {
                if let Some(entry) = self.shared.directory.agent(id) {
                    break entry.view;
                }
                events.next().await?;
            };
            let up =
                |doc: &Option<AgentDoc>| doc.as_ref().is_some_and(|d| d.pid.is_some() || d.state.is_dead());
            view.wait_for(up).await.ok()?.clone()
        };
        match tokio::time::timeout(limits::START_WAIT, wait).await {
            Ok(Some(doc)) => Ok(doc),
            _ => Err(UserError::new(Exit::TimedOut, "it has not started yet").hint(
                "`tsup ctl agents` shows it when it runs; the supervisor's log says what is in the way",
            )),
        }
    }

    /// Ends an agent that tsup owns. Returns when its process has ended.
    pub async fn kill(&self, target: &str) -> Result<Vec<AgentDoc>, UserError> {
        let id = self.one(target)?;
        self.ask(id, target, agent::Msg::Kill).await.map(|doc| vec![doc])
    }

    /// Ends and starts again an agent that tsup owns. Returns when the new process runs.
    pub async fn restart(&self, target: &str) -> Result<Vec<AgentDoc>, UserError> {
        let id = self.one(target)?;
        self.ask(id, target, agent::Msg::Restart).await.map(|doc| vec![doc])
    }

    /// Leaves an agent, or all agents of a session, alone: no relaunch, for so long or until it is resumed.
    pub async fn pause(&self, target: &str, time: Option<Duration>) -> Result<Vec<AgentDoc>, UserError> {
        let mut docs = Vec::new();
        for id in self.several(target)? {
            docs.push(self.ask(id, target, |reply| agent::Msg::Pause(time, reply)).await?);
        }
        Ok(docs)
    }

    /// Ends a pause.
    pub async fn resume(&self, target: &str) -> Result<Vec<AgentDoc>, UserError> {
        let mut docs = Vec::new();
        for id in self.several(target)? {
            docs.push(self.ask(id, target, agent::Msg::Resume).await?);
        }
        Ok(docs)
    }

    fn one(&self, target: &str) -> Result<AgentId, UserError> {
        target::agent(target, &self.shared.directory.candidates())
    }

    fn several(&self, target: &str) -> Result<Vec<AgentId>, UserError> {
        target::agents_or_session(target, &self.shared.directory.candidates())
    }

    async fn ask(
        &self,
        id: AgentId,
        target: &str,
        make: impl FnOnce(agent::Done) -> agent::Msg + Send,
    ) -> Result<AgentDoc, UserError> {
        let entry = self.shared.directory.agent(id).ok_or_else(|| gone(target))?;
        let timeout = limits::START_WAIT + limits::CALL_TIMEOUT;
        let answer = entry.gate.call(Lane::Control, timeout, |reply: Reply<_>| make(reply)).await;
        answer.map_err(|e| not_answered(&e))?
    }
}

fn not_answered(e: &CallError) -> UserError {
    let exit = match e {
        CallError::Timeout(_) => Exit::TimedOut,
        CallError::Full(_) => Exit::Refused,
        CallError::Dropped(_) | CallError::Vacant => Exit::Failed,
    };
    UserError::new(exit, e.to_string())
}

fn gone(target: &str) -> UserError {
    UserError::new(Exit::NotFound, format!("agent {:?} is gone", Untrusted::bounded(target, 80).to_string()))
}
