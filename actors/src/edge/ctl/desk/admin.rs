//! What only the process itself can do.

use tokio::time::timeout;
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::CALL_TIMEOUT;
use tsup_core::wire::verb::Body;

use super::{Admin, Desk};
use crate::gate::Reply;

impl Desk {
    pub(super) async fn reload(&self) -> Result<Body, UserError> {
        let (reply, answer) = Reply::channel();
        self.admin(Admin::Reload(reply))?;
        match timeout(CALL_TIMEOUT, answer).await {
            Ok(Ok(done)) => done.map(Body::Done),
            Ok(Err(_)) => {
                Err(UserError::new(Exit::Failed, "the configuration was not read: tsup is going down"))
            }
            Err(_) => Err(UserError::new(Exit::TimedOut, "the configuration was not read in time")),
        }
    }

    pub(super) fn shutdown(&self) -> Result<Body, UserError> {
        self.admin(Admin::Shutdown)?;
        Ok(Body::Done("going down".into()))
    }

    fn admin(&self, ask: Admin) -> Result<(), UserError> {
        self.parts.admin.try_send(ask).map_err(|_| {
            UserError::new(Exit::Refused, "the supervisor is busy with another such request")
                .hint("try again in a moment")
        })
    }
}
