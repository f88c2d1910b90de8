//! Agents and sessions.

use std::time::Duration;

use tsup_core::error::{Exit, UserError};
use tsup_core::wire::doc::{self, AgentDoc, AgentsDoc, SessionsDoc};
use tsup_core::wire::verb::{Body, Spawn};

use super::Desk;

impl Desk {
    pub(super) fn agents(&self) -> Body {
        Body::Agents(AgentsDoc { version: doc::VERSION, agents: self.parts.fleet.agents() })
    }

    pub(super) fn sessions(&self) -> Body {
        Body::Sessions(SessionsDoc { version: doc::VERSION, sessions: self.parts.fleet.sessions() })
    }

    pub(super) async fn capture(&self, agent: String) -> Result<Body, UserError> {
        Ok(Body::Capture { text: self.parts.fleet.capture(&agent).await? })
    }

    pub(super) async fn explain(&self, agent: String) -> Result<Body, UserError> {
        Ok(Body::Explained(Box::new(self.parts.fleet.explain(&agent).await?)))
    }

    pub(super) async fn record(&self, agent: String, for_ms: Option<u64>) -> Result<Body, UserError> {
        let (id, path, until) = self.parts.fleet.record(&agent, for_ms.map(Duration::from_millis)).await?;
        let (agent, path) = (id.to_string(), path.display().to_string());
        Ok(Body::Record(doc::RecordDoc { version: doc::VERSION, agent, path, until }))
    }

    pub(super) async fn spawn(&self, spawn: Spawn) -> Result<Body, UserError> {
        if let Some(why) = self.parts.tmux.unfit() {
            return Err(UserError::new(Exit::Refused, why).hint(
                "install it, for example with `apt-get install tmux`; it is looked for every 15 seconds",
            ));
        }
        self.parts.fleet.spawn(spawn).await.map(changed)
    }

    pub(super) async fn kill(&self, agent: String) -> Result<Body, UserError> {
        self.parts.fleet.kill(&agent).await.map(changed)
    }

    pub(super) async fn restart(&self, agent: String) -> Result<Body, UserError> {
        self.parts.fleet.restart(&agent).await.map(changed)
    }

    pub(super) async fn pause(&self, target: String, for_ms: Option<u64>) -> Result<Body, UserError> {
        self.parts.fleet.pause(&target, for_ms.map(Duration::from_millis)).await.map(changed)
    }

    pub(super) async fn resume(&self, target: String) -> Result<Body, UserError> {
        self.parts.fleet.resume(&target).await.map(changed)
    }
}

fn changed(agents: Vec<AgentDoc>) -> Body {
    Body::Changed(AgentsDoc { version: doc::VERSION, agents })
}
