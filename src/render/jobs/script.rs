//! One script on a page: whether it can run here, what it takes and gives, what bounds it.

use std::fmt::Write as _;

use anstyle::AnsiColor;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::scripts::{InputDoc, ScriptPage};

use super::super::fold::fold;
use super::page::{NAME, enforced, line};
use super::{Look, words};

/// Draws a script.
pub fn draw(script: &ScriptPage, look: Look) -> String {
    let mut out = String::new();
    let (color, health) = if script.healthy { (AnsiColor::Green, "ok") } else { (AnsiColor::Red, "broken") };
    let health = look.paint(color.on_default().bold(), health);
    let _ = write!(out, "{health}  {}", Untrusted::new(script.id.as_str()));
    if let Some(version) = &script.version {
        let _ = write!(out, "  {}", Untrusted::new(version.as_str()));
    }
    out.push('\n');
    if !script.description.raw().is_empty() {
        let _ = writeln!(out, "{}", script.description);
    }
    for problem in &script.problems {
        let _ = writeln!(out, "\n{}", problem.says);
        if let Some(todo) = &problem.todo {
            let _ = writeln!(out, "  hint: {todo}");
        }
    }
    out.push('\n');
    takes(script, &mut out);
    bounds(script, &mut out);
    place(script, &mut out);
    fold(&out, look.width, NAME + 1)
}

fn takes(script: &ScriptPage, out: &mut String) {
    if script.inputs.is_empty() {
        line(out, "inputs", "none");
    } else {
        let _ = writeln!(out, "inputs");
    }
    for input in &script.inputs {
        told(out, &input.name, &about(input), &input.description);
    }
    if script.stdin_json {
        line(out, "stdin", "all inputs as one JSON object");
    }
    if !script.outputs.is_empty() {
        let _ = writeln!(out, "outputs");
    }
    for output in &script.outputs {
        let required = if output.required { ", required" } else { "" };
        told(
            out,
            &output.name,
            &format!("{}{required}", kind(&output.kind, &output.words)),
            &output.description,
        );
    }
}

fn told(out: &mut String, name: &Untrusted, about: &str, description: &Untrusted) {
    let end = if description.raw().is_empty() { String::new() } else { format!(": {description}") };
    let _ = writeln!(out, "  {:<10} {about}{end}", name.to_string());
}

fn kind(kind: &str, words: &[Untrusted]) -> String {
    if words.is_empty() { Untrusted::new(kind).to_string() } else { format!("one of {}", list(words)) }
}

fn about(input: &InputDoc) -> String {
    let mut text = kind(&input.kind, &input.words);
    match (input.min, input.max) {
        (Some(min), Some(max)) => text.extend([format!(", {min} to {max}")]),
        (Some(min), None) => text.extend([format!(", at least {min}")]),
        (None, Some(max)) => text.extend([format!(", at most {max}")]),
        (None, None) => {}
    }
    if let Some(pattern) = &input.pattern {
        text.extend([format!(", matching {pattern}")]);
    }
    if input.required {
        text += ", required";
    }
    if !input.default.0.is_empty() {
        text.extend([format!(", default {}", Untrusted::new(input.default.0.as_str()))]);
    }
    if input.arrives.raw() != "positional" {
        text.extend([format!(", as {}", input.arrives)]);
    }
    text
}

fn list(words: &[Untrusted]) -> String {
    words.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn bounds(script: &ScriptPage, out: &mut String) {
    let seconds = |time: Option<f64>| time.map_or_else(|| "no bound".to_owned(), words::seconds);
    let times = &script.times;
    let grace = words::short_seconds(times.grace_seconds);
    line(
        out,
        "time",
        &format!(
            "{} for an attempt; {grace} from the request to end to the kill",
            seconds(times.run_seconds)
        ),
    );
    if times.queue_seconds.is_some() {
        line(out, "", &format!("{} from the submission to the first start", seconds(times.queue_seconds)));
    }
    if times.silence_seconds.is_some() {
        line(out, "", &format!("{} without a byte of output", seconds(times.silence_seconds)));
    }
    let retry = &script.retry;
    let on: Vec<&str> = retry.on.iter().map(|category| category.as_str()).collect();
    let tried = match (retry.max_attempts, on.is_empty()) {
        (1, _) | (_, true) => "never by itself".to_owned(),
        (attempts, false) => format!(
            "{attempts} attempts in all, after {}; the first pause is at most {}, each next one twice that, up to {}",
            on.join(", "),
            words::short_seconds(retry.initial_delay_seconds),
            words::seconds(retry.max_delay_seconds)
        ),
    };
    line(out, "tried again", &tried);
    if retry.idempotent {
        line(out, "", "also when the end of an attempt cannot be known");
    }
    let limits = &script.limits;
    let mut slots = format!("{} for each job", limits.slots);
    if let Some(most) = limits.max_slots {
        slots.extend([format!(", {most} for all of them")]);
    }
    if let Some(group) = &limits.group {
        let most = limits.group_slots.map_or_else(String::new, |most| format!(", which has {most}"));
        slots.extend([format!("; of group {group}{most}")]);
    }
    line(out, "slots", &slots);
    let memory = limits.max_memory_bytes.map_or_else(|| "no bound".to_owned(), words::bytes);
    let cpu =
        limits.cpu_seconds.map_or_else(String::new, |cpu| format!(", {} of CPU each", words::seconds(cpu)));
    line(out, "memory", &memory);
    line(out, "processes", &format!("{}{cpu}", limits.max_processes));
    let may = if script.permissions.is_empty() {
        "nothing beyond running".to_owned()
    } else {
        script.permissions.join(", ")
    };
    line(out, "may", &may);
    line(out, "sandbox", &Untrusted::new(script.sandbox.as_str()).to_string());
    match script.enforced_here.as_ref().map(enforced) {
        Some(how) => line(out, "enforced", &format!("{how} (what this host can do now)")),
        None => line(out, "enforced", "nothing: it is not started here"),
    }
}

fn place(script: &ScriptPage, out: &mut String) {
    if !script.specialists.is_empty() {
        line(out, "for", &list(&script.specialists));
    }
    if !script.tags.is_empty() {
        line(out, "tags", &list(&script.tags));
    }
    if !script.dependencies.is_empty() {
        line(out, "needs", &list(&script.dependencies));
    }
    if !script.env_required.is_empty() {
        line(out, "variables", &list(&script.env_required));
    }
    line(out, "registry", &Untrusted::new(script.registry.as_str()).to_string());
    match &script.file {
        Some(file) => line(out, "file", &Untrusted::new(file.as_str()).to_string()),
        None => line(out, "file", &format!("{} (as the registry says)", script.path)),
    }
    if let Some(program) = &script.program {
        line(out, "run by", &Untrusted::new(program.as_str()).to_string());
    }
}
