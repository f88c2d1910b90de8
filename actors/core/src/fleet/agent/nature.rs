//! What a profile promises about its CLI: how much its silence is worth.

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
