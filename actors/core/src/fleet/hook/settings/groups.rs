//! Settings in JSON: `hooks.EVENT` is a list of groups of commands, or of commands.

use std::ops::Range;

use serde_json::{Value, json};

use super::json::{Node, comma_behind, parse};
use super::{EditError, Entry, is_ours};
use crate::fleet::hook::rules::Style;
use crate::limits::HOOK_CALLS_MAX;

/// Adds a call at the end of an event's list.
pub(super) fn add(text: &str, style: Style, event: &str, command: &str) -> Result<String, EditError> {
    let entry = match style {
        Style::Commands => json!({ "command": command }),
        Style::Shell => json!({ "type": "command", "bash": command }),
        Style::Groups | Style::Tables | Style::Plugin => {
            json!({ "hooks": [{ "type": "command", "command": command }] })
        }
    };
    if text.trim().is_empty() {
        let whole = match style {
            Style::Commands | Style::Shell => format!("{{\n  \"version\": 1\n}}\n{text}"),
            Style::Groups | Style::Tables | Style::Plugin => format!("{{}}\n{text}"),
        };
        return add(&whole, style, event, command);
    }
    let root = parse(text)?;
    if root.members().is_none() {
        return Err(EditError::Shape("it holds no object".into()));
    }
    let versioned = matches!(style, Style::Commands | Style::Shell);
    if versioned && root.get("version").is_none() {
        return add(&insert(text, &root, Some("version"), &json!(1)), style, event, command);
    }
    let Some(hooks) = root.get("hooks") else {
        return Ok(insert(text, &root, Some("hooks"), &json!({ event: [entry] })));
    };
    if hooks.members().is_none() {
        return Err(EditError::Shape("`hooks` in it is no object".into()));
    }
    let Some(list) = hooks.get(event) else {
        return Ok(insert(text, hooks, Some(event), &json!([entry])));
    };
    if list.elements().is_none() {
        return Err(EditError::Shape(format!("`hooks.{event}` in it is no list")));
    }
    Ok(insert(text, list, None, &entry))
}

/// Takes our calls out, and each group, list and object that holds nothing else.
pub(super) fn remove(text: &str, style: Style, cli: &str) -> Result<String, EditError> {
    let mut text = text.to_owned();
    if text.trim().is_empty() {
        return Ok(text);
    }
    // Each cut reads the text again.
    if list(&text, style, cli)?.len() > HOOK_CALLS_MAX {
        return Err(EditError::Shape(format!("more than {HOOK_CALLS_MAX} calls of tsup are in it")));
    }
    while let Some((cut, kept)) = first_cut(&text, &parse(&text)?, style, cli) {
        text.replace_range(cut, &kept);
    }
    Ok(text)
}

/// Our calls.
pub(super) fn list(text: &str, style: Style, cli: &str) -> Result<Vec<Entry>, EditError> {
    let mut found = Vec::new();
    if text.trim().is_empty() {
        return Ok(found);
    }
    let root = parse(text)?;
    for member in root.get("hooks").and_then(Node::members).unwrap_or_default() {
        for entry in member.value.elements().unwrap_or_default() {
            for call in calls(entry, style) {
                if let Some(command) = command_of(call).filter(|c| is_ours(c, cli)) {
                    found.push(Entry { event: member.key.clone(), command: command.to_owned() });
                }
            }
        }
    }
    Ok(found)
}

/// The commands in one entry of an event's list.
fn calls(entry: &Node, style: Style) -> Vec<&Node> {
    match style {
        Style::Groups => entry.get("hooks").and_then(Node::elements).unwrap_or_default().iter().collect(),
        _ => vec![entry],
    }
}

fn command_of(call: &Node) -> Option<&str> {
    call.get("command").or_else(|| call.get("bash")).and_then(Node::text)
}

/// What to cut for the first of our calls, with all around it that would be empty, and what stays of that.
fn first_cut(text: &str, root: &Node, style: Style, cli: &str) -> Option<(Range<usize>, String)> {
    let hooks = root.get("hooks")?;
    let at_root = root.members()?.iter().position(|m| m.key == "hooks")?;
    for (at_hooks, event) in hooks.members()?.iter().enumerate() {
        for (at_event, entry) in event.value.elements().unwrap_or_default().iter().enumerate() {
            for (at_entry, call) in calls(entry, style).into_iter().enumerate() {
                if !command_of(call).is_some_and(|c| is_ours(c, cli)) {
                    continue;
                }
                let mut path = vec![(root, at_root), (hooks, at_hooks), (&event.value, at_event)];
                if style == Style::Groups
                    && let Some(list) = entry.get("hooks")
                {
                    let at_list = entry.members()?.iter().position(|m| m.key == "hooks")?;
                    // A group is nothing without its list, whatever else it says.
                    let whole = list.children().len() == 1;
                    if !whole {
                        path.push((entry, at_list));
                        path.push((list, at_entry));
                    }
                }
                return Some(cut(text, &path));
            }
        }
    }
    None
}

/// Cuts the last child of a path, or the nearest above it that has brothers. Comments between it and a brother
/// are somebody's, and stay.
fn cut(text: &str, path: &[(&Node, usize)]) -> (Range<usize>, String) {
    let (node, at) = path
        .iter()
        .rev()
        .find(|(node, _)| node.children().len() > 1)
        .or(path.first())
        .expect("a path begins at the root");
    let children = node.children();
    let own = &children[*at];
    if let Some(next) = children.get(at + 1) {
        let behind = comma_behind(text, own.end).map_or(own.end, |comma| comma + 1);
        let blank = text[behind..next.start].len() - text[behind..next.start].trim_start().len();
        return (own.start..behind + blank, String::new());
    }
    let Some(before) = at.checked_sub(1).map(|before| &children[before]) else {
        return (node.span.start + 1..node.span.end - 1, String::new());
    };
    let between = &text[before.end..own.start];
    let comma = comma_behind(text, before.end).map_or(0, |comma| comma - before.end);
    let comments = between.contains('/');
    // The break behind a comment that runs to the end of its line stays with it.
    let kept = if comments { [&between[..comma], &between[comma + 1..]].concat() } else { String::new() };
    (before.end..own.end, kept)
}

/// Adds a value at the end of an object (with a key) or a list.
fn insert(text: &str, into: &Node, key: Option<&str>, value: &Value) -> String {
    let inner = &text[into.span.start + 1..into.span.end - 1];
    let children = into.children();
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let outer = indent_of(text, into.span.start);
    // What stands on one line stays on one line, unless it holds nothing yet.
    let one_line = !inner.contains('\n') && !children.is_empty();
    let unit = unit_of(text);
    let own = match children.first() {
        Some(first) if !one_line => indent_of(text, first.start),
        _ => format!("{outer}{unit}"),
    };
    let name = key.map(|key| format!("{}: ", json!(key))).unwrap_or_default();
    let written = if one_line { compact(value) } else { pretty(value, &own, &unit, end) };
    let mut out = text.to_owned();
    match children.last() {
        Some(last) if one_line => out.insert_str(last.end, &format!(", {name}{written}")),
        Some(last) => out.insert_str(last.end, &format!(",{end}{own}{name}{written}")),
        None => {
            let place = into.span.start + 1..into.span.end - 1;
            let kept = if inner.trim().is_empty() { "" } else { inner.trim_end() };
            out.replace_range(place, &format!("{kept}{end}{own}{name}{written}{end}{outer}"));
        }
    }
    out
}

/// The white space at the beginning of the line on which an offset stands.
fn indent_of(text: &str, offset: usize) -> String {
    let line = &text[text[..offset].rfind('\n').map_or(0, |at| at + 1)..];
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
}

/// One step of indentation, as the text has it; two spaces when it shows none.
fn unit_of(text: &str) -> String {
    let mut indents = text.lines().skip(1).map(|line| indent_of(line, 0));
    indents.find(|indent| !indent.is_empty()).unwrap_or_else(|| "  ".to_owned())
}

fn compact(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(k, v)| format!("{}: {}", json!(k), compact(v)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(compact).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn pretty(value: &Value, indent: &str, unit: &str, end: &str) -> String {
    let deeper = format!("{indent}{unit}");
    let (open, close, children): (_, _, Vec<String>) = match value {
        Value::Object(members) if !members.is_empty() => {
            let one = |(k, v): (&String, &Value)| format!("{}: {}", json!(k), pretty(v, &deeper, unit, end));
            ('{', '}', members.iter().map(one).collect())
        }
        Value::Array(elements) if !elements.is_empty() => {
            ('[', ']', elements.iter().map(|v| pretty(v, &deeper, unit, end)).collect())
        }
        other => return other.to_string(),
    };
    let lines: Vec<String> = children.into_iter().map(|child| format!("{end}{deeper}{child}")).collect();
    format!("{open}{}{end}{indent}{close}", lines.join(","))
}
