//! Settings in TOML: one table `[[hooks]]` for each event.

use super::{EditError, Entry, is_ours};

/// Adds a table at the end.
pub(super) fn add(text: &str, event: &str, command: &str) -> Result<String, EditError> {
    check(text)?;
    let gap = match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let (event, command) = (toml::Value::from(event), toml::Value::from(command));
    let out = format!("{text}{gap}[[hooks]]\nevent = {event}\ncommand = {command}\n");
    match check(&out) {
        Ok(_) => Ok(out),
        Err(_) => Err(EditError::Shape("`hooks` in it is no list of tables".into())),
    }
}

/// Takes our tables out, each with the empty line before it. Comments in and behind them are somebody's, and stay.
pub(super) fn remove(text: &str, cli: &str) -> Result<String, EditError> {
    check(text)?;
    let mut out = String::new();
    for block in blocks(text) {
        if !entry_of(block).is_some_and(|entry| is_ours(&entry.command, cli)) {
            out.push_str(block);
            continue;
        }
        if out.ends_with("\n\n") || out == "\n" {
            out.pop();
        }
        let is_comment = |line: &str| line.trim_start().starts_with('#');
        let keys = |line: &&str| !line.trim().is_empty() && !is_comment(line);
        let lines: Vec<&str> = block.split_inclusive('\n').collect();
        let end = lines.iter().rposition(keys).map_or(0, |last| last + 1);
        out.extend(lines[..end].iter().filter(|line| is_comment(line)).copied());
        out.extend(lines[end..].iter().copied());
    }
    Ok(out)
}

/// Our tables.
pub(super) fn list(text: &str, cli: &str) -> Result<Vec<Entry>, EditError> {
    check(text)?;
    Ok(blocks(text).filter_map(entry_of).filter(|entry| is_ours(&entry.command, cli)).collect())
}

fn check(text: &str) -> Result<toml::Table, EditError> {
    toml::from_str(text).map_err(|e: toml::de::Error| {
        EditError::at(text, e.span().map_or(0, |span| span.start), e.message().trim_end())
    })
}

/// The text in pieces, each but the first beginning with a table's head.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('[') && at > 0 {
            starts.push(at);
        }
        at += line.len();
    }
    let ends: Vec<usize> = starts[1..].iter().copied().chain([text.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| &text[start..end])
}

/// The call that a piece makes, when it is a table of ours with nothing else in it.
fn entry_of(block: &str) -> Option<Entry> {
    if !block.trim_start().starts_with("[[hooks]]") {
        return None;
    }
    let table: toml::Table = toml::from_str(block).ok()?;
    let hook = table.get("hooks")?.as_array()?.first()?.as_table()?;
    let text = |key: &str| hook.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    (hook.len() == 2).then_some(())?;
    Some(Entry { event: text("event")?, command: text("command")? })
}
