//! One entry of a registry.

use std::time::Duration;

use serde_json::Value;

use super::fields::{Fields, Found};
use super::rights::{permissions, security};
use crate::limits;
use crate::supervision::backoff::Backoff;
use crate::tes::failure::Category;
use crate::tes::retry::RetryPolicy;
use crate::tes::script::{Arg, Bounds, OutputSpec, Pass, Runtime, Script, Times};
use crate::tes::value::{Kind, shown};

/// Reads an entry: the script if it can be used, what is wrong, and who it says it is.
pub(super) fn read(value: &Value) -> (Option<Script>, Found, Option<String>) {
    let mut found = Found::new();
    let mut f = Fields::of(Some(value), "", &mut found);
    let id = f.text("id", &mut found).map(str::to_owned);
    let name = f.text("name", &mut found).map(str::to_owned);
    let category = f.text("category", &mut found).unwrap_or_default().to_owned();
    let who = id.clone().or_else(|| name.clone());
    let id = id.or_else(|| {
        Some(if category.is_empty() { name.clone()? } else { format!("{category}/{}", name.as_ref()?) })
    });
    match &id {
        None => found.push(("id: every script needs one, `category/name`".into(), true)),
        Some(id) if !is_id(id) => {
            let what = format!(
                "id: `{}` is none: up to {} letters, digits and `_-./@:`, the first a letter or digit",
                id.escape_default(),
                limits::SCRIPT_ID_MAX
            );
            found.push((what, true));
        }
        Some(_) => {}
    }
    let path = f.text("path", &mut found).unwrap_or_default().to_owned();
    if path.is_empty() {
        found.push(("path: every script needs one".into(), true));
    }
    let mut x = Fields::of(f.value("execution"), "execution", &mut found);
    let runtime = runtime(&mut x, &path, &mut found);
    let interpreter = x.text("interpreter", &mut found).filter(|i| !i.is_empty()).map(str::to_owned);
    let args = args(&mut x, &mut found);
    let stdin_json = stdin(&mut x, &mut found) || args.iter().any(|a| a.pass == Pass::Stdin);
    let mut permissions = permissions(&mut x, &mut found);
    let security = security(&mut f, &mut permissions, &mut found);
    let script = Script {
        name: name.unwrap_or_else(|| id.as_deref().unwrap_or_default().to_owned()),
        id: id.unwrap_or_default().into(),
        category,
        description: f.text("description", &mut found).unwrap_or_default().to_owned(),
        version: version(&mut f, &mut found),
        path,
        runtime,
        interpreter,
        args,
        stdin_json,
        outputs: outputs(&mut f, &mut found),
        times: times(&mut x, &mut found),
        permissions,
        security,
        env_required: x.texts("env_required", &mut found),
        specialists: f.texts("specialists", &mut found),
        dependencies: dependencies(&mut f, &mut found),
        group: x.text("group", &mut found).map(Into::into),
        slots: x.whole("slots", 1..=limits::JOB_SLOTS_MAX.into(), &mut found).unwrap_or(1) as u16,
        max_slots: x.whole("max_slots", 0..=u32::MAX.into(), &mut found).map(|n| n as u32),
        retry: retry(&mut x, &mut found),
        tags: f.texts("tags", &mut found),
    };
    // Read by people, or by the original's own tools.
    for told in [
        "scriptDependencies",
        "changelog",
        "examples",
        "usage",
        "author",
        "created",
        "updated",
        "last_updated",
    ] {
        f.value(told);
    }
    x.unknown(&mut found);
    f.unknown(&mut found);
    let fatal = found.iter().any(|(_, fatal)| *fatal);
    ((!fatal).then_some(script), found, who)
}

fn is_id(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./@:".contains(c);
    id.len() <= limits::SCRIPT_ID_MAX
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.chars().all(plain)
        && !id.split('/').any(|part| part.is_empty() || part == "..")
}

/// A version may be written as a number.
fn version(f: &mut Fields<'_>, found: &mut Found) -> Option<String> {
    match f.value("version")? {
        Value::String(text) => Some(text.clone()),
        Value::Number(n) => Some(n.to_string()),
        other => {
            found.push((format!("version: expected text, found {}", shown(other)), true));
            None
        }
    }
}

fn runtime(x: &mut Fields<'_>, path: &str, found: &mut Found) -> Runtime {
    match x.text("type", found) {
        Some("shell_script" | "shell" | "bash" | "sh") => Runtime::Shell,
        Some("python_script" | "python") => Runtime::Python,
        Some("node_script" | "node" | "javascript") => Runtime::Node,
        Some("program" | "binary" | "executable") => Runtime::Program,
        Some(other) => {
            let what = format!(
                "execution.type: there is no type `{}`: use shell_script, python_script, node_script or program",
                other.escape_default()
            );
            found.push((what, true));
            Runtime::Program
        }
        None => match path.rsplit_once('.').map(|(_, ext)| ext) {
            Some("sh" | "bash") => Runtime::Shell,
            Some("py") => Runtime::Python,
            Some("js" | "mjs" | "cjs") => Runtime::Node,
            _ => Runtime::Program,
        },
    }
}

/// Whether the inputs go to the standard input too.
fn stdin(x: &mut Fields<'_>, found: &mut Found) -> bool {
    match x.text("stdin", found) {
        None | Some("none") => false,
        Some("json") => true,
        Some(other) => {
            let what = format!("execution.stdin: expected json or none, found `{}`", other.escape_default());
            found.push((what, true));
            false
        }
    }
}

fn args(x: &mut Fields<'_>, found: &mut Found) -> Vec<Arg> {
    let values = x.list("args", found);
    if values.len() > limits::SCRIPT_ARGS_MAX {
        found.push((format!("execution.args: more than {}", limits::SCRIPT_ARGS_MAX), true));
    }
    let mut args: Vec<Arg> = Vec::new();
    for (n, value) in values.into_iter().enumerate().take(limits::SCRIPT_ARGS_MAX) {
        let at = format!("execution.args[{n}]");
        let Some(arg) = arg(value, &at, found) else { continue };
        if args.iter().any(|a| a.name == arg.name) {
            found.push((format!("{at}.name: `{}` stands here twice", arg.name.escape_default()), true));
        }
        args.push(arg);
    }
    args
}

fn arg(value: &Value, at: &str, found: &mut Found) -> Option<Arg> {
    // The oldest form is the name alone.
    let alone = value.as_str().map(|name| serde_json::json!({ "name": name }));
    let mut f = Fields::of(Some(alone.as_ref().unwrap_or(value)), at, found);
    let name = f.text("name", found).unwrap_or_default().to_owned();
    if name.is_empty() {
        found.push((format!("{at}.name: every argument needs one"), true));
        return None;
    }
    let kind = kind(&mut f, found);
    let default = f.value("default").cloned();
    if let Some(Err(misfit)) = default.as_ref().map(|d| kind.check(d)) {
        found.push((format!("{at}.default: {misfit}"), true));
    }
    let option = f.text("option", found).map(|o| Pass::Option(o.to_owned()));
    let variable = f.text("env", found).map(|v| Pass::Variable(v.to_owned()));
    let pass = match f.text("pass", found) {
        None => option.or(variable).unwrap_or(Pass::Positional),
        Some("positional") => Pass::Positional,
        Some("option") => option.unwrap_or_else(|| Pass::Option(format!("--{name}"))),
        Some("env") => variable.unwrap_or_else(|| Pass::Variable(name.clone())),
        Some("stdin") => Pass::Stdin,
        Some(other) => {
            let what = format!(
                "{at}.pass: expected positional, option, env or stdin, found `{}`",
                other.escape_default()
            );
            found.push((what, true));
            Pass::Positional
        }
    };
    if let Pass::Variable(v) = &pass
        && !is_variable(v)
    {
        found.push((format!("{at}.env: `{}` is no name of a variable", v.escape_default()), true));
    }
    let required = f.flag("required", found).unwrap_or(false);
    let description = f.text("description", found).unwrap_or_default().to_owned();
    let bounds = bounds(&mut f, found);
    if let Some(misfit) = default.as_ref().and_then(|default| bounds.misfit(default)) {
        found.push((format!("{at}.default: {misfit}"), true));
    }
    for told in ["example", "examples"] {
        f.value(told);
    }
    f.unknown(found);
    Some(Arg { name, kind, required, default, bounds, description, pass })
}

/// What an input must keep to beyond its kind. A pattern is bounded in what it may cost: it is matched in linear time, and
/// compiled within [`limits::INPUT_PATTERN_BYTES_MAX`].
fn bounds(f: &mut Fields<'_>, found: &mut Found) -> Bounds {
    let pattern = f.text("pattern", found).and_then(|pattern| {
        let (before, after) = Bounds::WHOLE;
        let whole = format!("{before}{pattern}{after}");
        let made = regex::RegexBuilder::new(&whole).size_limit(limits::INPUT_PATTERN_BYTES_MAX).build();
        if made.is_err() {
            let what = "no regular expression that is understood here, or too large a one";
            found.push((format!("{}: {what}", f.path("pattern")), true));
        }
        made.ok()
    });
    let mut bound = |key| f.typed(key, "a number", found, Value::as_f64);
    let (min, max) = (bound("min"), bound("max"));
    if let (Some(least), Some(most)) = (min, max)
        && least > most
    {
        found.push((format!("{}: {least} is more than `max`, {most}: nothing fits", f.path("min")), true));
    }
    Bounds { pattern, min, max }
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The kind of an argument or output: its `type`, or the words of its `enum`.
fn kind(f: &mut Fields<'_>, found: &mut Found) -> Kind {
    let words = f.texts("enum", found);
    let word = f.text("type", found);
    let is_empty = match f.value("enum") {
        None => word == Some("enum"),
        Some(words) => words.as_array().is_some_and(Vec::is_empty),
    };
    match word {
        None | Some("string" | "enum") if !words.is_empty() => Kind::Enum(words),
        _ if is_empty => {
            found.push((format!("{}: an enum needs its words", f.path("enum")), true));
            Kind::String
        }
        None => Kind::String,
        Some(word) => Kind::named(word).unwrap_or_else(|| {
            let what = format!(
                "{}: there is no type `{}`: use string, number, integer, boolean, enum, file, list, object or json",
                f.path("type"),
                word.escape_default()
            );
            found.push((what, true));
            Kind::String
        }),
    }
}

fn outputs(f: &mut Fields<'_>, found: &mut Found) -> Vec<OutputSpec> {
    let mut outputs = Vec::new();
    for (n, value) in f.list("outputs", found).into_iter().enumerate().take(limits::SCRIPT_ARGS_MAX) {
        let at = format!("outputs[{n}]");
        let mut f = Fields::of(Some(value), at.clone(), found);
        let name = f.text("name", found).unwrap_or_default().to_owned();
        if name.is_empty() {
            found.push((format!("{at}.name: every output needs one"), true));
            continue;
        }
        let kind = kind(&mut f, found);
        let required = f.flag("required", found).unwrap_or(false);
        let description = f.text("description", found).unwrap_or_default().to_owned();
        f.unknown(found);
        outputs.push(OutputSpec { name, kind, required, description });
    }
    outputs
}

fn times(x: &mut Fields<'_>, found: &mut Found) -> Times {
    // The original counts in milliseconds.
    let ms = x.number("timeout", found).map(|ms| ms / 1_000.0);
    let mut time = |key| {
        let seconds = x.number(key, found)?;
        Some(duration(seconds))
    };
    let run = time("timeout_seconds").or(ms.map(duration)).unwrap_or(limits::SCRIPT_TIMEOUT);
    Times {
        run: (!run.is_zero() && run <= limits::SCRIPT_TIMEOUT_MAX).then_some(run),
        queue: time("queue_timeout_seconds"),
        silence: time("silence_timeout_seconds"),
        grace: time("grace_seconds").unwrap_or(limits::SCRIPT_GRACE).min(limits::SCRIPT_TIMEOUT_MAX),
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Programs with their versions; the older form is a list of names.
fn dependencies(f: &mut Fields<'_>, found: &mut Found) -> Vec<(String, String)> {
    match f.value("dependencies") {
        None => Vec::new(),
        Some(Value::Object(map)) => {
            let constraint = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            map.iter().map(|(name, v)| (name.clone(), constraint(v))).collect()
        }
        Some(Value::Array(names)) => {
            names.iter().filter_map(|n| Some((n.as_str()?.to_owned(), String::new()))).collect()
        }
        Some(other) => {
            let what = format!("dependencies: expected names with versions, found {}", shown(other));
            found.push((what, true));
            Vec::new()
        }
    }
}

fn retry(x: &mut Fields<'_>, found: &mut Found) -> RetryPolicy {
    let idempotent = x.flag("idempotent", found).unwrap_or(false);
    let mut policy = RetryPolicy { idempotent, ..RetryPolicy::default() };
    let mut r = Fields::of(x.value("retry"), "execution.retry", found);
    if let Some(n) = r.whole("max_attempts", 1..=limits::ATTEMPTS_MAX.into(), found) {
        policy.max_attempts = n as u32;
    }
    let first = r.number("initial_delay_seconds", found).map_or(limits::RETRY_FIRST, duration);
    let last = r.number("max_delay_seconds", found).map_or(limits::RETRY_LAST, duration);
    policy.backoff =
        Backoff::exponential(first.min(limits::RETRY_AFTER_MAX), last.min(limits::RETRY_AFTER_MAX));
    let on = r.texts("on", found);
    if !on.is_empty() {
        policy.categories.clear();
    }
    for word in on {
        let category = Category::ALL.into_iter().find(|c| c.as_str().eq_ignore_ascii_case(&word));
        if category.is_none() {
            let what = format!("execution.retry.on: there is no category `{}`", word.escape_default());
            found.push((what, true));
        }
        policy.categories.extend(category);
    }
    r.unknown(found);
    policy
}
