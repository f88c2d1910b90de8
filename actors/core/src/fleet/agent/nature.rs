//! What a profile promises about its CLI: how much its silence is worth.

use crate::fleet::profile::Profile;

/// What may be concluded from the screen of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Nature {
    /// Its profile has rules for its screen. Then output alone does not make it busy, and quiet alone not
    /// idle; without such rules they are all there is.
    pub reads_screen: bool,
    /// Whatever it works at, its screen or its title shows it. Then a readable screen without a sign of
    /// work proves that there is none, whatever a hook said long before.
    pub busy_is_drawn: bool,
}

impl Nature {
    /// What may be concluded from the screens of a profile's CLI.
    pub fn of(profile: &Profile) -> Self {
        let rules = &profile.rules;
        let known = !(rules.composers.is_empty() && rules.spinners.is_empty() && rules.rules.is_empty());
        // What an unknown program shows has the shape of a prompt at most: its output says more.
        let reads_screen = known && !profile.is_of_any();
        Nature { reads_screen, busy_is_drawn: reads_screen && rules.screen.busy_is_drawn }
    }
}
