//! Whether a script can run here now.

use std::path::PathBuf;

use tsup_core::tes::failure::{Category, Failure};
use tsup_core::tes::sandbox::{self, Bound, Places};
use tsup_core::tes::script::{Level, Script};
use tsup_core::tes::{describe, input};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::jobs::ScriptDoc;
use tsup_core::wire::doc::scripts::{ProblemDoc, ScriptPage};

use super::{Entry, program};
use crate::tes::Common;
use crate::tes::job::{place, plan};

/// A script as it is shown, with what keeps it from running here. It looks at files.
pub(in crate::tes) fn script_doc(entry: &Entry, outside: bool, own: &[(String, String)]) -> ScriptDoc {
    let script = &*entry.script;
    let problems = problems(entry, outside, own).0;
    let problems: Vec<String> = problems.iter().map(|failure| failure.message.to_string()).collect();
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
        sandbox: describe::level(script.security.level).to_owned(),
        healthy: problems.is_empty(),
        problems,
    }
}

/// Everything about a script, and what would hold it back here. It looks at files and tries what the host can.
pub(in crate::tes) fn script_page(shared: &Common, entry: &Entry) -> ScriptPage {
    let settings = shared.settings.borrow().tes.clone();
    let mut script = Script::clone(&entry.script);
    if settings.strict {
        script.security.level = Level::Strict;
    }
    let mut page = describe::page(&script);
    let (mut problems, file) = problems(entry, settings.allow_outside_root, &shared.own_env);
    // Which places a fence is about changes nothing of how it holds.
    let fence = match shared.host() {
        Ok(host) => sandbox::decide(&script, &Places::default(), host),
        Err(e) => Err(Box::new(plan::untried(&e))),
    };
    let group = |bound: &Option<Bound>| bound.as_ref().is_some_and(|bound| bound.group.is_some());
    match fence {
        Ok(fence) => {
            let cpu = page.limits.cpu_seconds.is_some();
            page.enforced_here = Some(fence.enforced(group(&fence.memory), group(&fence.processes), cpu));
        }
        Err(failure) => problems.push(*failure),
    }
    page.registry = entry.registry.display().to_string();
    page.file = file.map(|file| file.display().to_string());
    let program = program::interpreter(&script);
    page.program = program
        .and_then(|named| program::find(&named, &entry.root, sandbox::path(&shared.own_env)))
        .map(|found| found.display().to_string());
    page.limits.group_slots = script.group.as_deref().and_then(|group| settings.groups.get(group).copied());
    page.healthy = problems.is_empty();
    let todo = |failure: &Failure| failure.suggestions.first().map(|todo| Untrusted::from(todo.as_str()));
    page.problems = problems
        .iter()
        .map(|failure| ProblemDoc { says: failure.message.clone(), todo: todo(failure) })
        .collect();
    page
}

/// What keeps a script from running here, and where its file is.
fn problems(entry: &Entry, outside: bool, own: &[(String, String)]) -> (Vec<Failure>, Option<PathBuf>) {
    let script = &*entry.script;
    let mut problems = Vec::new();
    let file = place::script(entry, outside).map_err(|failure| problems.push(*failure)).ok();
    let path = sandbox::path(own);
    if let Some(program) = program::interpreter(script)
        && program::find(&program, &entry.root, path).is_none()
    {
        problems.push(plan::no_interpreter(script, &program));
    }
    for (program, _) in &script.dependencies {
        if program::find(program, &entry.root, path).is_none() {
            problems.push(plan::no_program(program));
        }
    }
    for name in &script.env_required {
        if !own.iter().any(|(n, _)| n == name) {
            let what = format!("the variable {} is not set", Untrusted::from(name.as_str()));
            let todo = "set it where the supervisor is started, and `tsup restart`";
            problems.push(Failure::new(Category::Dependency, what).suggest(todo));
        }
    }
    (problems, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A supervisor without a PATH gives its scripts one, and finds their programs there.
    #[test]
    fn programs_are_looked_for_where_scripts_find_them() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x.sh"), "").unwrap();
        let text = r#"{"scripts": [{"id": "a/x", "path": "x.sh", "dependencies": ["cat", "no-such-program"],
            "execution": {"interpreter": "sh"}}]}"#;
        let script = tsup_core::tes::registry::parse_json(text).scripts.remove(0);
        let registry = dir.path().join("registry.json").into();
        let entry = Entry { script, registry, root: dir.path().into() };
        let (found, _) = problems(&entry, false, &[]);
        let says: Vec<_> = found.iter().map(|failure| failure.message.to_string()).collect();
        assert_eq!(says, ["it needs no-such-program, which was not found"]);
        let own = [("PATH".to_owned(), "/nowhere".to_owned())];
        assert_eq!(problems(&entry, false, &own).0.len(), 3);
    }
}
