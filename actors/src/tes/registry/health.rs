//! Whether a script can run here now.

use tsup_core::tes::input;
use tsup_core::tes::script::Level;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::jobs::ScriptDoc;

use super::{Entry, program};
use crate::tes::job::place;

/// A script as it is shown, with what keeps it from running here. It looks at files.
pub(in crate::tes) fn script_doc(entry: &Entry, outside: bool, own: &[(String, String)]) -> ScriptDoc {
    let script = &*entry.script;
    let problems = problems(entry, outside, own);
    let word = |text: &str| Untrusted::from(text);
    ScriptDoc {
        id: script.id.to_string(),
        version: script.version.clone(),
        description: word(&script.description),
        registry: entry.registry.display().to_string(),
        path: word(&script.path),
        inputs: script.args.iter().map(input::usage).collect(),
        outputs: script.outputs.iter().map(|o| format!("{}=<{}>", o.name, o.kind)).collect(),
        specialists: script.specialists.iter().map(|s| word(s)).collect(),
        group: script.group.as_deref().map(word),
        sandbox: match script.security.level {
            Level::Minimal => "minimal",
            Level::Standard => "standard",
            Level::Strict => "strict",
            Level::Network => "network",
        }
        .to_owned(),
        healthy: problems.is_empty(),
        problems,
    }
}

fn problems(entry: &Entry, outside: bool, own: &[(String, String)]) -> Vec<String> {
    let script = &*entry.script;
    let mut problems = Vec::new();
    if let Err(failure) = place::script(entry, outside) {
        problems.push(failure.message.to_string());
    }
    let path = own.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value);
    if let Some(program) = program::interpreter(script)
        && program::find(&program, &entry.root, path).is_none()
    {
        problems.push(format!("its interpreter {} was not found", Untrusted::new(program)));
    }
    for (program, _) in &script.dependencies {
        if program::find(program, &entry.root, path).is_none() {
            problems.push(format!("it needs {}, which was not found", Untrusted::from(program.as_str())));
        }
    }
    for name in &script.env_required {
        if !own.iter().any(|(n, _)| n == name) {
            problems.push(format!("the variable {} is not set", Untrusted::from(name.as_str())));
        }
    }
    problems
}
