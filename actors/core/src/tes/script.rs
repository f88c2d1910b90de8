//! A registered script: what it is, what it takes and gives, and what it may do.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::retry::RetryPolicy;
use super::value::{Kind, shown};
use crate::untrusted::Untrusted;

/// A script of a registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// `category/name`, with `@version` where several stand beside each other.
    pub id: Arc<str>,
    /// Its name.
    pub name: String,
    /// Its category, or an empty text.
    pub category: String,
    /// What it does.
    pub description: String,
    /// Its version.
    pub version: Option<String>,
    /// Where it is, as the registry says: resolved when it runs, within the registry's folder.
    pub path: String,
    /// What runs it.
    pub runtime: Runtime,
    /// The program that runs it, where the registry names one.
    pub interpreter: Option<String>,
    /// What it takes, in the order of its arguments.
    pub args: Vec<Arg>,
    /// Whether it gets all inputs as one JSON object on its standard input too.
    pub stdin_json: bool,
    /// What it gives.
    pub outputs: Vec<OutputSpec>,
    /// How long it may take.
    pub times: Times,
    /// What it may do.
    pub permissions: Permissions,
    /// How it is held back from the rest.
    pub security: Security,
    /// Variables without which it does not start.
    pub env_required: Vec<String>,
    /// For whom it is.
    pub specialists: Vec<String>,
    /// Programs that it needs, with the versions that the registry asks for.
    pub dependencies: Vec<(String, String)>,
    /// The group whose limit its jobs are under.
    pub group: Option<Arc<str>>,
    /// Slots that a job of it takes.
    pub slots: u16,
    /// Slots that its jobs may take together.
    pub max_slots: Option<u32>,
    /// When it is tried again.
    pub retry: RetryPolicy,
    /// Words by which people find it.
    pub tags: Vec<String>,
}

/// What runs a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// `bash`, unless it names another.
    Shell,
    /// `python3`, unless it names another.
    Python,
    /// `node`, unless it names another.
    Node,
    /// Itself.
    Program,
}

impl Runtime {
    /// The program that runs such a script when the registry names none.
    pub fn interpreter(self) -> Option<&'static str> {
        match self {
            Runtime::Shell => Some("bash"),
            Runtime::Python => Some("python3"),
            Runtime::Node => Some("node"),
            Runtime::Program => None,
        }
    }
}

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    /// Its name.
    pub name: String,
    /// What it must be.
    pub kind: Kind,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when it is not given.
    pub default: Option<Value>,
    /// What bounds it beyond its kind.
    pub bounds: Bounds,
    /// What it means.
    pub description: String,
    /// How the script gets it.
    pub pass: Pass,
}

/// What a value of the right kind must still keep to.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// A text matches this as a whole.
    pub pattern: Option<regex::Regex>,
    /// A number is at least this; a text has so many characters, a list so many values.
    pub min: Option<f64>,
    /// And at most this.
    pub max: Option<f64>,
}

impl PartialEq for Bounds {
    fn eq(&self, other: &Self) -> bool {
        let pattern = |of: &Bounds| of.pattern.as_ref().map(|p| p.as_str().to_owned());
        (pattern(self), self.min, self.max) == (pattern(other), other.min, other.max)
    }
}

impl Bounds {
    /// What a value should be and is not.
    pub fn misfit(&self, value: &Value) -> Option<String> {
        let (size, of) = match value {
            Value::Number(n) => (n.as_f64()?, ""),
            Value::String(text) => (text.chars().count() as f64, " characters"),
            Value::Array(values) => (values.len() as f64, " values"),
            _ => return None,
        };
        if let Some(min) = self.min.filter(|min| size < *min) {
            return Some(format!("expected at least {min}{of}, found {}", shown(value)));
        }
        if let Some(max) = self.max.filter(|max| size > *max) {
            return Some(format!("expected at most {max}{of}, found {}", shown(value)));
        }
        let pattern =
            self.pattern.as_ref().filter(|p| value.as_str().is_some_and(|text| !p.is_match(text)))?;
        debug_assert!(pattern.as_str().ends_with(Self::WHOLE.1), "a pattern matches a text as a whole");
        Some(format!("expected what matches `{}`, found {}", Untrusted::from(self.written()), shown(value)))
    }

    /// The pattern as it was written, without what makes it match the whole text; empty where there is none.
    pub fn written(&self) -> &str {
        let pattern = self.pattern.as_ref().map_or("", |pattern| pattern.as_str());
        let inner = pattern.strip_prefix(Self::WHOLE.0).and_then(|rest| rest.strip_suffix(Self::WHOLE.1));
        inner.unwrap_or(pattern)
    }

    /// What is put around a pattern.
    pub(super) const WHOLE: (&str, &str) = ("\\A(?:", ")\\z");
}

/// How a script gets an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// At its place among the arguments.
    Positional,
    /// After this option; a boolean is the option alone, or nothing.
    Option(String),
    /// As this variable of its environment.
    Variable(String),
    /// In the JSON object on its standard input only.
    Stdin,
}

/// One output.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputSpec {
    /// Its name.
    pub name: String,
    /// What it must be.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// What it means.
    pub description: String,
}

/// How long things may take. `None` is without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// From the start of an attempt to its end.
    pub run: Option<Duration>,
    /// From the submission to the first start.
    pub queue: Option<Duration>,
    /// Without a byte of output.
    pub silence: Option<Duration>,
    /// From the request to end to the kill.
    pub grace: Duration,
}

/// What a script may do; what is not here it may not, where that can be enforced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a permission of its own in the registry")]
pub struct Permissions {
    /// Read the registry's folder and the system.
    pub read: bool,
    /// Write to the registry's folder and to the attempt's own temporary folder.
    pub write: bool,
    /// Use the network.
    pub network: bool,
    /// See the variables of the supervisor's environment.
    pub env: bool,
}

/// How far a script is shut in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Limits on its resources only.
    Minimal,
    /// And its permissions, as far as this host can enforce them.
    #[default]
    Standard,
    /// And nothing runs where they cannot be enforced.
    Strict,
    /// As standard, with the network open.
    Network,
}

/// What shuts a script in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Security {
    /// How far.
    pub level: Level,
    /// Bytes of memory that its processes may use together.
    pub max_memory_bytes: Option<u64>,
    /// Processes that there may be of it.
    pub max_processes: Option<u32>,
    /// Hosts that it may reach; nothing here enforces this yet, so `strict` refuses it.
    pub allowed_hosts: Vec<String>,
    /// Whether its path may lead out of the registry's folder.
    pub outside_root: bool,
}

impl Script {
    /// What is left of a script that is not registered any more: nothing is declared, nothing is allowed.
    pub fn bare(id: &str) -> Self {
        Script {
            id: id.into(),
            name: id.to_owned(),
            category: String::new(),
            description: String::new(),
            version: None,
            path: String::new(),
            runtime: Runtime::Program,
            interpreter: None,
            args: Vec::new(),
            stdin_json: false,
            outputs: Vec::new(),
            times: Times {
                run: Some(crate::limits::SCRIPT_TIMEOUT),
                queue: None,
                silence: None,
                grace: crate::limits::SCRIPT_GRACE,
            },
            permissions: Permissions::default(),
            security: Security::default(),
            env_required: Vec::new(),
            specialists: Vec::new(),
            dependencies: Vec::new(),
            group: None,
            slots: 1,
            max_slots: None,
            retry: RetryPolicy::default(),
            tags: Vec::new(),
        }
    }
}
