//! The document of `ctl scripts NAME`: everything that is registered of one script, and what would hold for it here.

use serde::{Deserialize, Serialize};

use super::jobs::JsonText;
use crate::tes::attempt::Enforced;
use crate::tes::failure::Category;
use crate::untrusted::Untrusted;

/// `ctl scripts NAME`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptAnswer {
    /// [`super::VERSION`].
    pub version: u32,
    /// The script.
    pub script: ScriptPage,
}

/// Everything about one script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptPage {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: Option<String>,
    /// What it does.
    pub description: Untrusted,
    /// Words by which people find it.
    pub tags: Vec<Untrusted>,
    /// For whom it is.
    pub specialists: Vec<Untrusted>,
    /// The registry's file.
    pub registry: String,
    /// Its path, as the registry says.
    pub path: Untrusted,
    /// Where it is; `None` when it may not run from there, or is not there.
    pub file: Option<String>,
    /// What runs it; `None` when it runs itself, or its interpreter was not found.
    pub program: Option<String>,
    /// What it takes, in the order of its arguments.
    pub inputs: Vec<InputDoc>,
    /// Whether it gets all inputs as one JSON object on its standard input too.
    pub stdin_json: bool,
    /// What it gives.
    pub outputs: Vec<ScriptOutputDoc>,
    /// How long it may take.
    pub times: TimesDoc,
    /// When it is tried again.
    pub retry: RetryPolicyDoc,
    /// What its jobs may use.
    pub limits: ScriptLimitsDoc,
    /// What it may do: `read_file`, `write_file`, `network`, `env_vars`.
    pub permissions: Vec<String>,
    /// How far it is shut in, the configuration counted: `minimal`, `standard`, `strict`, `network`.
    pub sandbox: String,
    /// What would hold an attempt back on this host; `None` when it would be refused, or could not be found out.
    pub enforced_here: Option<Enforced>,
    /// Variables without which it does not start.
    pub env_required: Vec<Untrusted>,
    /// Programs that it needs.
    pub dependencies: Vec<Untrusted>,
    /// Whether it can run here now.
    pub healthy: bool,
    /// Why not, and what to do.
    pub problems: Vec<ProblemDoc>,
}

/// An input of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputDoc {
    /// Its name.
    pub name: Untrusted,
    /// Its type.
    pub kind: String,
    /// The words that it may be, where it is one of several.
    pub words: Vec<Untrusted>,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when it is not given.
    pub default: JsonText,
    /// What a text must match as a whole.
    pub pattern: Option<Untrusted>,
    /// What a number is at least; of a text its characters, of a list its values.
    pub min: Option<f64>,
    /// The same at most.
    pub max: Option<f64>,
    /// How it arrives: `positional`, an option, `$VARIABLE`, `stdin`.
    pub arrives: Untrusted,
    /// What it means.
    pub description: Untrusted,
}

/// An output of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptOutputDoc {
    /// Its name.
    pub name: Untrusted,
    /// Its type.
    pub kind: String,
    /// The words that it may be, where it is one of several.
    pub words: Vec<Untrusted>,
    /// Whether it must be there.
    pub required: bool,
    /// What it means.
    pub description: Untrusted,
}

/// How long things may take. `None` is without end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimesDoc {
    /// An attempt.
    pub run_seconds: Option<f64>,
    /// From the submission to the first start.
    pub queue_seconds: Option<f64>,
    /// Without a byte of output.
    pub silence_seconds: Option<f64>,
    /// From the request to end to the kill.
    pub grace_seconds: f64,
}

/// When a script is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicyDoc {
    /// Attempts in all.
    pub max_attempts: u32,
    /// After which failures.
    pub on: Vec<Category>,
    /// The first pause is drawn between nothing and this; it doubles with each attempt.
    pub initial_delay_seconds: f64,
    /// The longest pause.
    pub max_delay_seconds: f64,
    /// Whether an attempt whose end cannot be known is made again.
    pub idempotent: bool,
}

/// What jobs of a script may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptLimitsDoc {
    /// Slots that one takes.
    pub slots: u16,
    /// Slots that all of them may take together.
    pub max_slots: Option<u32>,
    /// The group whose limit they are under.
    pub group: Option<Untrusted>,
    /// Slots that the jobs of that group may take together.
    pub group_slots: Option<u32>,
    /// Memory of the whole tree.
    pub max_memory_bytes: Option<u64>,
    /// Processes of the whole tree.
    pub max_processes: u32,
    /// CPU of one process.
    pub cpu_seconds: Option<f64>,
}

/// What keeps a script from running here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProblemDoc {
    /// What is wrong.
    pub says: Untrusted,
    /// What to do about it.
    pub todo: Option<Untrusted>,
}
