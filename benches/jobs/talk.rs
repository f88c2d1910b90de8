//! How a bench talks to its supervisor.

use tsup::ctl::client::Client;
use tsup_core::wire::verb::Submit;

use super::world::{Supervisor, World};

impl World {
    /// Starts a supervisor and returns when it is ready.
    pub(crate) fn start(&self) -> Supervisor {
        self.start_with(self.command()).unwrap_or_else(|| panic!("not ready:\n{}", self.log()))
    }
}

impl Supervisor {
    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.socket).unwrap()
    }
}

pub(crate) fn ask(script: &str) -> Submit {
    Submit { script: script.into(), ..Submit::default() }
}
