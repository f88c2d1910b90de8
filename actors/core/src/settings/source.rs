//! From the text of a configuration file and the overriding variables to [`Settings`], with the place
//! of every error.

use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::Settings;
use super::check::{KeyPart, Problem, check};
use super::statsd::{StatsdTarget, TargetError};
use crate::error::{Exit, UserError};
use crate::place::position;

/// Variables whose names begin so and hold a `__` override a key: `TSUP_FLEET__MISSING_GRACE_SECONDS`.
pub const OVERRIDE_PREFIX: &str = "TSUP_";

/// Where a configuration is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file; line and column count from 1, columns in characters.
    File {
        /// The file as it was named.
        file: String,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// In a variable of the environment.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Place::Variable(name) => f.write_str(name),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct SettingsError {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
}

impl From<SettingsError> for UserError {
    fn from(e: SettingsError) -> Self {
        UserError { hint: e.hint.clone(), ..UserError::new(Exit::Usage, e.to_string()) }
    }
}

/// Reads a configuration. `file` is how errors name it; of `variables`, those that override a key are
/// used and the others passed over. The first error is returned.
pub fn parse(file: &str, text: &str, variables: &[(String, String)]) -> Result<Settings, SettingsError> {
    let in_file = InFile { file, text };
    let mut settings: Settings = toml::from_str(text).map_err(|e| in_file.error(&e))?;
    let mut overridden: Vec<(String, String)> = Vec::new();
    if let Some((name, _)) = variables.iter().find(|(name, _)| key_of(name).is_some()) {
        let mut table: toml::Table = toml::from_str(text).map_err(|e| SettingsError {
            place: Place::Variable(name.clone()),
            what: e.to_string(),
            hint: None,
        })?;
        for (name, value) in variables {
            let Some(key) = key_of(name) else { continue };
            settings = override_key(&mut table, &key, name, value)?;
            overridden.push((key.join("."), name.clone()));
        }
    }
    take_metaclaude(&mut settings, variables)?;
    match check(&settings).first() {
        None => {
            in_file.place_schedules(&mut settings);
            Ok(settings)
        }
        Some(problem) => Err(in_file.problem(problem, &overridden)),
    }
}

/// The variables of the system that tsup replaces: `METACLAUDE_METRICS_HOST`, `METACLAUDE_METRICS_PORT`
/// (one is enough to turn sending on) and `METACLAUDE_LOG_DIR`.
fn take_metaclaude(settings: &mut Settings, variables: &[(String, String)]) -> Result<(), SettingsError> {
    let get = |wanted: &str| {
        let found = variables.iter().find(|(name, value)| name == wanted && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    if let Some(dir) = get("METACLAUDE_LOG_DIR") {
        settings.log.dir = Some(dir.into());
    }
    let (host, port) = (get("METACLAUDE_METRICS_HOST"), get("METACLAUDE_METRICS_PORT"));
    if host.is_none() && port.is_none() {
        return Ok(());
    }
    let address = format!("{}:{}", host.unwrap_or("127.0.0.1"), port.unwrap_or("8125"));
    let target = address.parse::<StatsdTarget>().map_err(|e| {
        let is_port = matches!(e, TargetError::Port(_)) && port.is_some();
        let name = if is_port { "METACLAUDE_METRICS_PORT" } else { "METACLAUDE_METRICS_HOST" };
        SettingsError { place: Place::Variable(name.into()), what: e.to_string(), hint: None }
    })?;
    settings.statsd.get_or_insert_default().targets = vec![target];
    Ok(())
}

/// The key that a variable overrides, or `None` when it overrides none.
fn key_of(variable: &str) -> Option<Vec<String>> {
    let rest = variable.strip_prefix(OVERRIDE_PREFIX)?;
    rest.contains("__").then(|| rest.split("__").map(str::to_ascii_lowercase).collect())
}

/// Sets one key and reads everything again, so that an error is known to be this variable's.
///
/// The value is taken as TOML where that fits (`5`, `true`, `["a", "b"]`), else as a text, else as a
/// list of texts parted by commas.
fn override_key(
    table: &mut toml::Table,
    key: &[String],
    variable: &str,
    value: &str,
) -> Result<Settings, SettingsError> {
    let as_toml = toml::from_str::<toml::Table>(&format!("v = {value}")).ok().and_then(|mut t| t.remove("v"));
    let as_text = toml::Value::String(value.into());
    let as_list = value.split(',').map(|v| toml::Value::String(v.trim().into())).collect();
    let mut first_error = None;
    for candidate in [as_toml, Some(as_text), Some(toml::Value::Array(as_list))].into_iter().flatten() {
        let mut tried = table.clone();
        if set(&mut tried, key, candidate).is_none() {
            break;
        }
        match tried.clone().try_into::<Settings>() {
            Ok(settings) => {
                *table = tried;
                return Ok(settings);
            }
            Err(e) => first_error = first_error.or(Some(e.message().to_owned())),
        }
    }
    Err(SettingsError {
        place: Place::Variable(variable.into()),
        what: first_error.unwrap_or_else(|| format!("`{}` is not a key that can be set so", key.join("."))),
        hint: Some(
            "a variable is named TSUP_SECTION__KEY; docs/reference/configuration.md lists the keys".into(),
        ),
    })
}

fn set(table: &mut toml::Table, key: &[String], value: toml::Value) -> Option<()> {
    let (last, sections) = key.split_last()?;
    let mut here = table;
    for section in sections {
        let entry = here.entry(section.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        here = entry.as_table_mut()?;
    }
    here.insert(last.clone(), value);
    Some(())
}

struct InFile<'a> {
    file: &'a str,
    text: &'a str,
}

impl InFile<'_> {
    fn place(&self, offset: usize) -> Place {
        let (line, column) = position(self.text, offset);
        Place::File { file: self.file.into(), line, column }
    }

    fn error(&self, e: &toml::de::Error) -> SettingsError {
        let start = e.span().map_or(0, |s| s.start);
        let key = DeTable::parse(self.text).ok().and_then(|t| key_at(t.get_ref(), start));
        let message = e.message().lines().collect::<Vec<_>>().join(", ");
        let what = match key {
            Some(key) if !message.contains("unknown field") => format!("`{key}`: {message}"),
            _ => message,
        };
        let hint = what
            .contains("unknown field")
            .then(|| "`tsup init` writes a file with every key that this version knows".to_owned());
        SettingsError { place: self.place(start), what, hint }
    }

    /// Tells schedules where they stand: what is wrong with one may show only when it is to run.
    fn place_schedules(&self, settings: &mut Settings) {
        let schedules = &mut settings.tes.schedules;
        if schedules.is_empty() {
            return;
        }
        let Ok(table) = DeTable::parse(self.text) else { return };
        for (i, schedule) in schedules.iter_mut().enumerate() {
            let key = [KeyPart::Name("tes"), KeyPart::Name("schedule"), KeyPart::Index(i)];
            let span = locate(table.get_ref(), &key);
            schedule.place.0 = span.map(|s| self.place(s.start).to_string()).unwrap_or_default();
        }
    }

    fn problem(&self, problem: &Problem, overridden: &[(String, String)]) -> SettingsError {
        let key = problem.key_text();
        let variable = overridden.iter().find(|(k, _)| key.starts_with(k.as_str())).map(|(_, name)| name);
        let place = if let Some(name) = variable {
            Place::Variable(name.clone())
        } else {
            let table = DeTable::parse(self.text).ok();
            let span = table.and_then(|t| locate(t.get_ref(), &problem.key));
            self.place(span.map_or(0, |s| s.start))
        };
        SettingsError { place, what: problem.to_string(), hint: None }
    }
}

/// Where the value at the end of a way stands; as far along the way as the text goes.
fn locate(table: &DeTable<'_>, key: &[KeyPart]) -> Option<Range<usize>> {
    let (first, rest) = key.split_first()?;
    let KeyPart::Name(name) = first else { return None };
    let (_, value) = table.iter().find(|(k, _)| k.get_ref() == name)?;
    let mut span = value.span();
    let mut here = value.get_ref();
    for part in rest {
        let next = match (part, here) {
            (KeyPart::Name(name), DeValue::Table(t)) => {
                t.iter().find(|(k, _)| k.get_ref() == name).map(|(_, v)| v)
            }
            (KeyPart::Own(name), DeValue::Table(t)) => {
                t.iter().find(|(k, _)| k.get_ref() == name).map(|(_, v)| v)
            }
            (KeyPart::Index(i), DeValue::Array(list)) => list.get(*i),
            _ => None,
        };
        let Some(next) = next else { break };
        span = next.span();
        here = next.get_ref();
    }
    Some(span)
}

/// The dotted key of the innermost value that an offset lies in, or `None` outside of values.
fn key_at(table: &DeTable<'_>, offset: usize) -> Option<String> {
    for (key, value) in table {
        let name = key.get_ref();
        match value.get_ref() {
            DeValue::Table(inner) => {
                if let Some(rest) = key_at(inner, offset) {
                    return Some(format!("{name}.{rest}"));
                }
            }
            DeValue::Array(list) => {
                for (i, item) in list.iter().enumerate() {
                    match item.get_ref() {
                        DeValue::Table(inner) => {
                            if let Some(rest) = key_at(inner, offset) {
                                return Some(format!("{name}[{i}].{rest}"));
                            }
                        }
                        _ if item.span().contains(&offset) => return Some(format!("{name}[{i}]")),
                        _ => {}
                    }
                }
                if value.span().contains(&offset) {
                    return Some(name.to_string());
                }
            }
            _ if value.span().contains(&offset) => return Some(name.to_string()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
