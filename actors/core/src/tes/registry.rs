//! Reads registries: the original's `registry.json` in all its forms, and the same document as TOML.
//!
//! An entry that cannot be used is reported with its place and costs nobody else anything. What is unknown
//! is told and passed over, so that a registry of another version still works.
//!
//! - `registry/entry.rs`: one entry; `registry/rights.rs`: what it may do
//! - `registry/fields.rs`: reads fields of a JSON object, and says by name what is wrong with them

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::script::Script;
use crate::limits;

mod entry;
mod fields;
mod rights;
#[cfg(test)]
mod tests;

/// What a file holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The entries that can be used, in their order.
    pub scripts: Vec<Arc<Script>>,
    /// What is wrong, in its order.
    pub problems: Vec<Problem>,
    /// Whether the text is no document at all, so that nothing can be told from what it does not hold.
    pub is_broken: bool,
}

/// Something that is wrong with a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 where no line can be told.
    pub line: usize,
    /// The entry, where it says who it is.
    pub script: Option<String>,
    /// What is wrong, with the field's path.
    pub what: String,
    /// Whether the entry cannot be used because of it.
    pub fatal: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        match &self.script {
            Some(script) => write!(f, "script `{}`: {}", script.escape_default(), self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Who an entry says it is, where more of it cannot be read.
#[derive(serde::Deserialize)]
struct Who {
    id: Option<String>,
    name: Option<String>,
}

/// An entry, or who it is and why it cannot be read.
type Entry = Result<Value, (Option<String>, String)>;

/// Reads `registry.json`.
pub fn parse_json(text: &str) -> Parsed {
    #[derive(serde::Deserialize)]
    struct Document<'a> {
        #[serde(borrow, default, alias = "script")]
        scripts: Vec<&'a RawValue>,
    }
    let document: Document<'_> = match serde_json::from_str(text) {
        Ok(document) => document,
        Err(e) => return broken(e.line(), format!("column {}: {e}", e.column())),
    };
    let lines = Lines::of(text);
    let entries = document.scripts.into_iter().map(|raw| {
        // The reader borrows from the text, so the distance of the two is the place.
        let offset = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let value = serde_json::from_str(raw.get()).map_err(|e| {
            // Only depth is left to be wrong: as a whole it was read, without looking into it.
            let who = serde_json::from_str::<Who>(raw.get()).ok().and_then(|who| who.id.or(who.name));
            (who, e.to_string())
        });
        (lines.line(offset), value)
    });
    entries_of(entries)
}

/// Reads `registry.toml`.
pub fn parse_toml(text: &str) -> Parsed {
    #[derive(serde::Deserialize)]
    struct Document {
        #[serde(default, alias = "script")]
        scripts: Vec<toml::Spanned<toml::Value>>,
    }
    // A file that is being written is empty for a moment, and stays so on a full disk. TOML would take that for a
    // document that lists nothing; whoever means that leaves a line in it.
    if text.is_empty() {
        return broken(1, "it is empty".to_owned());
    }
    let lines = Lines::of(text);
    let document: Document = match toml::from_str(text) {
        Ok(document) => document,
        Err(e) => {
            let line = e.span().map_or(0, |span| lines.line(span.start));
            return broken(line, e.message().to_owned());
        }
    };
    let entries = document.scripts.into_iter().map(|entry| {
        let line = lines.line(entry.span().start);
        let value = serde_json::to_value(entry.into_inner()).map_err(|e| (None, e.to_string()));
        (line, value)
    });
    entries_of(entries)
}

fn broken(line: usize, what: String) -> Parsed {
    let problems = vec![Problem { line, script: None, what, fatal: true }];
    Parsed { scripts: Vec::new(), problems, is_broken: true }
}

fn entries_of(entries: impl Iterator<Item = (usize, Entry)>) -> Parsed {
    let mut parsed = Parsed::default();
    let mut places: HashMap<Arc<str>, usize> = HashMap::new();
    for (n, (line, value)) in entries.enumerate() {
        if n >= limits::SCRIPTS_MAX {
            let what = format!("more than {} scripts: the rest is not read", limits::SCRIPTS_MAX);
            parsed.problems.push(Problem { line, script: None, what, fatal: true });
            break;
        }
        let value = match value {
            Ok(value) => value,
            Err((script, what)) => {
                parsed.problems.push(Problem { line, script, what, fatal: true });
                continue;
            }
        };
        let (script, found, name) = entry::read(&value);
        let problem = |(what, fatal)| Problem { line, script: name.clone(), what, fatal };
        parsed.problems.extend(found.into_iter().map(problem));
        let Some(script) = script else { continue };
        if let Some(first) = places.get(&script.id) {
            let what = format!("the id was used before, at line {first}; that one counts");
            parsed.problems.push(Problem { line, script: name, what, fatal: true });
            continue;
        }
        places.insert(Arc::clone(&script.id), line);
        parsed.scripts.push(Arc::new(script));
    }
    parsed
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Lines(memchr::memchr_iter(b'\n', text.as_bytes()).collect())
    }

    /// The line of an offset, from 1.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}
