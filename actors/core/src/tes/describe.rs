//! A script as people are shown it, without what only a look at this host can tell.

use std::time::Duration;

use super::sandbox;
use super::script::{Arg, Bounds, Level, OutputSpec, Pass, Permissions, Script};
use super::value::Kind;
use crate::untrusted::Untrusted;
use crate::wire::doc::jobs::JsonText;
use crate::wire::doc::scripts::{
    InputDoc, RetryPolicyDoc, ScriptLimitsDoc, ScriptOutputDoc, ScriptPage, TimesDoc,
};

/// The page of a script; where it is and whether it can run is for whoever can look.
pub fn page(script: &Script) -> ScriptPage {
    let words = |words: &[String]| words.iter().map(|word| Untrusted::from(word.as_str())).collect();
    ScriptPage {
        id: script.id.to_string(),
        version: script.version.clone(),
        description: script.description.as_str().into(),
        tags: words(&script.tags),
        specialists: words(&script.specialists),
        registry: String::new(),
        path: script.path.as_str().into(),
        file: None,
        program: None,
        inputs: script.args.iter().map(input).collect(),
        stdin_json: script.stdin_json,
        outputs: script.outputs.iter().map(output).collect(),
        times: TimesDoc {
            run_seconds: script.times.run.map(seconds),
            queue_seconds: script.times.queue.map(seconds),
            silence_seconds: script.times.silence.map(seconds),
            grace_seconds: seconds(script.times.grace),
        },
        retry: RetryPolicyDoc {
            max_attempts: script.retry.max_attempts.max(1),
            on: script.retry.categories.clone(),
            initial_delay_seconds: seconds(script.retry.backoff.initial),
            max_delay_seconds: seconds(script.retry.backoff.max),
            idempotent: script.retry.idempotent,
        },
        limits: ScriptLimitsDoc {
            slots: script.slots,
            max_slots: script.max_slots,
            group: script.group.as_deref().map(Untrusted::from),
            group_slots: None,
            max_memory_bytes: script.security.max_memory_bytes,
            max_processes: sandbox::processes(script),
            cpu_seconds: sandbox::cpu(script).map(seconds),
        },
        permissions: permissions(&script.permissions),
        sandbox: level(script.security.level).to_owned(),
        enforced_here: None,
        env_required: words(&script.env_required),
        dependencies: script.dependencies.iter().map(|(program, _)| program.as_str().into()).collect(),
        healthy: true,
        problems: Vec::new(),
    }
}

/// A level's word.
pub fn level(level: Level) -> &'static str {
    match level {
        Level::Minimal => "minimal",
        Level::Standard => "standard",
        Level::Strict => "strict",
        Level::Network => "network",
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn permissions(of: &Permissions) -> Vec<String> {
    let words =
        [(of.read, "read_file"), (of.write, "write_file"), (of.network, "network"), (of.env, "env_vars")];
    words.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()).collect()
}

/// The word of a type, and the words that a value may be.
fn kind(kind: &Kind) -> (String, Vec<Untrusted>) {
    match kind {
        Kind::Enum(words) => ("enum".into(), words.iter().map(|word| word.as_str().into()).collect()),
        kind => (kind.to_string(), Vec::new()),
    }
}

fn input(arg: &Arg) -> InputDoc {
    let (kind, words) = kind(&arg.kind);
    let Bounds { pattern, min, max } = &arg.bounds;
    InputDoc {
        name: arg.name.as_str().into(),
        kind,
        words,
        required: arg.required && arg.default.is_none(),
        default: JsonText(arg.default.as_ref().map_or_else(String::new, ToString::to_string)),
        pattern: pattern.is_some().then(|| arg.bounds.written().into()),
        min: *min,
        max: *max,
        arrives: match &arg.pass {
            Pass::Positional => "positional".into(),
            Pass::Option(option) => option.as_str().into(),
            Pass::Variable(name) => format!("${name}").into(),
            Pass::Stdin => "stdin".into(),
        },
        description: arg.description.as_str().into(),
    }
}

fn output(of: &OutputSpec) -> ScriptOutputDoc {
    let (kind, words) = kind(&of.kind);
    ScriptOutputDoc {
        name: of.name.as_str().into(),
        kind,
        words,
        required: of.required,
        description: of.description.as_str().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tes::registry::parse_toml;

    #[test]
    fn all_that_a_registry_says_is_on_the_page() {
        let parsed = parse_toml(
            r#"
            [[scripts]]
            id = "docs/convert"
            path = "convert.sh"
            dependencies = ["jq"]
            outputs = [{name = "title", required = true}]
            [scripts.execution]
            timeout_seconds = 90
            silence_timeout_seconds = 5
            permissions = ["read_file", "network"]
            max_slots = 2
            group = "db"
            args = [
                {name = "file", type = "file", required = true},
                {name = "pages", type = "integer", default = 3, min = 1, max = 10, option = "--pages"},
                {name = "mode", enum = ["fast", "good"], env = "MODE"},
                {name = "lang", pattern = "[a-z]{2}"},
            ]
            [scripts.execution.retry]
            max_attempts = 5
            on = ["TIMEOUT"]
            [scripts.security]
            sandbox = "strict"
            max_memory = "512MB"
            "#,
        );
        assert_eq!(parsed.problems.len(), 0, "{:?}", parsed.problems);
        let page = page(&parsed.scripts[0]);
        let inputs: Vec<_> = page
            .inputs
            .iter()
            .map(|i| {
                (i.name.to_string(), i.kind.as_str(), i.required, i.default.0.as_str(), i.arrives.to_string())
            })
            .collect();
        let input = |name: &str, kind, required, default, arrives: &str| {
            (name.to_owned(), kind, required, default, arrives.to_owned())
        };
        assert_eq!(
            inputs,
            [
                input("file", "file", true, "", "positional"),
                input("pages", "integer", false, "3", "--pages"),
                input("mode", "enum", false, "", "$MODE"),
                input("lang", "string", false, "", "positional"),
            ]
        );
        assert_eq!((page.inputs[1].min, page.inputs[1].max), (Some(1.0), Some(10.0)));
        assert_eq!(page.inputs[2].words, [Untrusted::from("fast"), "good".into()]);
        assert_eq!(page.inputs[3].pattern, Some("[a-z]{2}".into()), "as it was written");
        assert_eq!((page.times.run_seconds, page.times.silence_seconds), (Some(90.0), Some(5.0)));
        assert_eq!((page.retry.max_attempts, page.retry.on.len()), (5, 1));
        assert_eq!(page.permissions, ["read_file", "network"]);
        assert_eq!((page.limits.max_slots, page.limits.max_memory_bytes), (Some(2), Some(512 << 20)));
        assert_eq!((page.sandbox.as_str(), page.outputs[0].required), ("strict", true));
        assert_eq!(page.dependencies, [Untrusted::from("jq")]);
    }
}
