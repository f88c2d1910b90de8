//! What a person configures, typed and checked.
//!
//! [`source::parse`] turns the text of `tsup.toml` and the overriding variables into [`Settings`]; an
//! error says file, line and column. [`check`] holds the rules that one value alone cannot tell, such
//! as ranges and names used twice. [`diff`] says what a reload changes and what of it needs a restart.
//! A key is here only when something reads it: what is not here is an error, never silence.

pub mod check;
pub mod diff;
pub mod seconds;
pub mod session;
pub mod source;
pub mod span;
pub mod statsd;
pub mod tes;

use std::time::Duration;

use serde::Deserialize;

use crate::ids::SocketName;
pub use session::{AgentSettings, EnvEntry, RestartPolicy, SessionSettings};
pub use statsd::{Dialect, StatsdSettings, StatsdTarget};
pub use tes::{ScheduleSettings, TesSettings};

/// A commented `tsup.toml`: each key with its default, commented out, and examples.
pub const SAMPLE: &str = include_str!("settings/sample.toml");

/// The whole configuration. `Settings::default()` is what an empty file means.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `[tmux]`: which servers are watched, and how.
    pub tmux: TmuxSettings,
    /// `[fleet]`: what is done with the agents that are found.
    pub fleet: FleetSettings,
    /// `[[session]]`: teams that tsup creates, owns and relaunches.
    #[serde(rename = "session")]
    pub sessions: Vec<SessionSettings>,
    /// `[relaunch]`: how an owned agent comes back.
    pub relaunch: RelaunchSettings,
    /// `[tes]`: the scripts that agents run, how many at a time, and when some run by themselves.
    pub tes: TesSettings,
    /// `[statsd]`: where metrics go. `None` sends nothing.
    pub statsd: Option<StatsdSettings>,
    /// `[log]`: the supervisor's own log.
    pub log: LogSettings,
}

impl Settings {
    /// The tmux socket of a declared session: its own `socket`, else the first of `tmux.sockets`.
    pub fn socket_of(&self, session: &SessionSettings) -> SocketName {
        let first = || self.tmux.sockets.first().cloned();
        session.socket.clone().or_else(first).unwrap_or_else(|| SocketName("default".into()))
    }
}

/// `[tmux]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TmuxSettings {
    /// Servers to watch: names as in `tmux -L NAME`, or absolute paths as in `tmux -S PATH`.
    pub sockets: Vec<SocketName>,
    /// How tsup learns at once that a pane changed.
    pub push: PushMode,
}

impl Default for TmuxSettings {
    fn default() -> Self {
        TmuxSettings { sockets: vec![SocketName("default".into())], push: PushMode::Auto }
    }
}

/// How tsup learns at once that a pane changed. Without push, changes are seen once a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushMode {
    /// By the pane's terminal device where it can be watched, else by control clients.
    #[default]
    Auto,
    /// By the terminal devices only.
    Tty,
    /// By control clients on the busiest sessions only.
    Clients,
    /// Not at all.
    Off,
}

/// `[fleet]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FleetSettings {
    /// What is done with agents that tsup finds.
    pub adopt: Adopt,
    /// What is looked at when.
    pub strategy: Strategy,
    /// How long an agent stays listed after its pane is gone. Default 120 s.
    #[serde(rename = "missing_grace_seconds", with = "seconds")]
    pub missing_grace: Duration,
    /// A folder of profiles that read every screen beside the active ones and change nothing. Absolute once
    /// the configuration is loaded.
    pub shadow_profiles: Option<String>,
    /// The folder of the person's own profiles; `None` means `$XDG_CONFIG_HOME/tsup/profiles`.
    pub profiles: Option<String>,
}

impl Default for FleetSettings {
    fn default() -> Self {
        FleetSettings {
            adopt: Adopt::Observe,
            strategy: Strategy::Event,
            missing_grace: Duration::from_mins(2),
            shadow_profiles: None,
            profiles: None,
        }
    }
}

/// What is done with agents that tsup finds and did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adopt {
    /// They are watched and never touched.
    #[default]
    Observe,
}

/// What is looked at when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// What changed, as it changes, and everything once in a while.
    #[default]
    Event,
}

/// `[relaunch]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelaunchSettings {
    /// Delay before the first relaunch; it doubles with each further one. 0 is at once. Default 1 s.
    #[serde(rename = "initial_delay_seconds", with = "seconds")]
    pub initial_delay: Duration,
    /// Longest delay. Default 60 s.
    #[serde(rename = "max_delay_seconds", with = "seconds")]
    pub max_delay: Duration,
    /// Relaunches of one agent within [`period`](Self::period) before it is held. Default 5.
    pub max_restarts: u64,
    /// Over which relaunches are counted. Default 300 s.
    #[serde(rename = "period_seconds", with = "seconds")]
    pub period: Duration,
    /// Relaunches a minute over the whole fleet; more wait. 0 turns it off. Default 20.
    pub fleet_breaker: u64,
}

impl Default for RelaunchSettings {
    fn default() -> Self {
        RelaunchSettings {
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_mins(1),
            max_restarts: 5,
            period: Duration::from_mins(5),
            fleet_breaker: 20,
        }
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// Folder of the logs; `None` is `HOME/log`. Absolute once the configuration is loaded.
    pub dir: Option<String>,
    /// A log file larger than this is set aside. Default 100 MB.
    pub rotate_mb: u64,
    /// Log files set aside longer ago than this are removed. Default 30 days.
    pub retention_days: u64,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings { dir: None, rotate_mb: 100, retention_days: 30 }
    }
}

/// Words that have a meaning, of which only some are built: the others are refused by name.
macro_rules! words {
    ($name:ident, $what:literal, { $($word:literal => $value:expr),+ }, not_built: [$($later:literal),*]) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let word = String::deserialize(d)?;
                match word.as_str() {
                    $($word => Ok($value),)+
                    $($later)|* => Err(serde::de::Error::custom(format_args!(
                        concat!("the ", $what, " `{}` is not part of this version, use one of: {}"),
                        word, [$($word),+].join(", "),
                    ))),
                    _ => Err(serde::de::Error::custom(format_args!(
                        concat!("there is no ", $what, " of this name, use one of: {}"), [$($word),+].join(", "),
                    ))),
                }
            }
        }
    };
}

words!(Adopt, "adoption", { "observe" => Adopt::Observe }, not_built: ["own"]);
words!(Strategy, "strategy", { "event" => Strategy::Event }, not_built: ["polling", "concurrent", "priority"]);
