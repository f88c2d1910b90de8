//! The looks: the painted screens of each CLI.

use tsup_actors::fleet::screens::{self, Screen};
use tsup_core::fleet::stage::Painted;

/// The screens of one CLI.
#[derive(Debug, Clone)]
pub(super) struct Look(Vec<Screen>);

impl Look {
    /// The look of a CLI.
    pub(super) fn named(name: &str) -> Result<Look, String> {
        let look = Look(screens::of(name).collect());
        if look.0.is_empty() {
            return Err(format!("no look `{name}`: use {}", screens::clis().join(", ")));
        }
        Ok(look)
    }

    /// The names of its screens.
    pub(super) fn cases(&self) -> Vec<&'static str> {
        self.0.iter().map(|screen| screen.case).collect()
    }

    /// One screen, or the plainest one that the look has when it has none of that name.
    pub(super) fn screen(&self, case: &str) -> Result<Painted, String> {
        let plain = ["idle", "prompt"];
        let find = |name: &str| self.0.iter().find(|screen| screen.case == name);
        let screen = find(case).or_else(|| plain.iter().find_map(|name| find(name)));
        let screen = screen.ok_or_else(|| format!("this look has no screen `{case}`"))?;
        screen.painted().map_err(|e| format!("{}.screen: {e}", screen.case))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_look_can_start_work_and_be_idle() {
        for cli in screens::clis() {
            let look = Look::named(cli).unwrap();
            for case in ["starting", "fresh", "thinking", "permission", "idle"] {
                look.screen(case).unwrap();
            }
        }
        assert!(Look::named("nobody").unwrap_err().contains("claude"));
    }
}
