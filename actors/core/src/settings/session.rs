//! Declared teams: `[[session]]` and `[[session.agent]]`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::SocketName;

/// `[[session]]`: a tmux session that tsup creates when it is not there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSettings {
    /// Its name.
    pub name: String,
    /// The tmux socket it lives on, one of `tmux.sockets`; the first of them when left out.
    #[serde(default)]
    pub socket: Option<SocketName>,
    /// Its agents, in the order they are started.
    #[serde(default, rename = "agent")]
    pub agents: Vec<AgentSettings>,
}

/// `[[session.agent]]`: an agent that tsup starts, owns and relaunches.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSettings {
    /// Its name, one of its kind in the session.
    pub name: String,
    /// Its role: `pm`, `developer`, `qa`, any word.
    #[serde(default)]
    pub role: Option<String>,
    /// The profile by which its state is told. Default `claude`.
    #[serde(default = "default_profile")]
    pub agent: String,
    /// Program and arguments, literal; empty means the profile's own command.
    #[serde(default)]
    pub command: Vec<String>,
    /// Working directory. Relative to the folder of the configuration file; absolute once loaded.
    #[serde(default = "default_cwd")]
    pub cwd: String,
    /// When it is started again after its end. Default `on-failure`.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// What of the supervisor's environment it gets, and what else. Default [`DEFAULT_ENV`].
    #[serde(default = "default_env")]
    pub env: Vec<EnvEntry>,
}

fn default_profile() -> String {
    "claude".into()
}

fn default_cwd() -> String {
    ".".into()
}

/// The variables an agent gets when nothing is said: who and where the user is, and the language.
pub const DEFAULT_ENV: [&str; 10] =
    ["HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"];

fn default_env() -> Vec<EnvEntry> {
    DEFAULT_ENV.iter().map(|name| EnvEntry::Pass((*name).into())).collect()
}

/// When an agent is started again after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// However it ended.
    Always,
    /// When it was ended by a signal, or by a status other than 0.
    #[default]
    OnFailure,
    /// Not.
    Never,
}

/// One entry of an environment: `NAME` or `NAME=value`.
#[derive(Clone, PartialEq, Eq)]
pub enum EnvEntry {
    /// Passed on from the supervisor's environment, when it is there.
    Pass(String),
    /// Set to a value. The value may be a secret and is not shown.
    Set {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
    },
}

impl EnvEntry {
    /// The variable's name.
    pub fn name(&self) -> &str {
        match self {
            EnvEntry::Pass(name) | EnvEntry::Set { name, .. } => name,
        }
    }
}

impl fmt::Debug for EnvEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnvEntry::Pass(name) => write!(f, "{name}"),
            EnvEntry::Set { name, .. } => write!(f, "{name}=…"),
        }
    }
}

impl<'de> Deserialize<'de> for EnvEntry {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Ok(match text.split_once('=') {
            Some((name, value)) => EnvEntry::Set { name: name.into(), value: value.into() },
            None => EnvEntry::Pass(text),
        })
    }
}
