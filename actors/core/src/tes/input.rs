//! Checks what a script is given, and lays out how it gets it: arguments, variables, standard input.
//!
//! Every argument keeps its place: one that is left out is an empty text when a later one is there, so a
//! default never moves to another's place. Nothing passes a shell.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::failure::{Category, Failure};
use super::script::{Arg, Pass, Script};
use super::value::{Kind, shown, word};
use crate::limits;

/// An input as somebody gave it.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// A word of a command line: it is read by the declared kind.
    Word(String),
    /// JSON: it must be of the declared kind.
    Json(Value),
}

/// The inputs of a job: checked, with defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inputs(pub Map<String, Value>);

/// How a script gets its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Laid {
    /// Arguments behind the script's path.
    pub argv: Vec<String>,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// What it reads on its standard input.
    pub stdin: Option<String>,
}

/// Checks what was given against what is declared. All that is wrong is told at once.
pub fn check(script: &Script, given: &BTreeMap<String, Given>) -> Result<Inputs, Box<Failure>> {
    let mut wrong = Wrong::default();
    for name in given.keys().filter(|name| !script.args.iter().any(|a| a.name == **name)) {
        wrong.add(name, "no such input".into());
        if let Some(near) = nearest(name, script.args.iter().map(|a| a.name.as_str())) {
            wrong.suggestions.push(format!("did you mean `{near}`?"));
        }
    }
    let mut inputs = Map::new();
    for arg in &script.args {
        match value_of(arg, given.get(&arg.name)) {
            Ok(Some(value)) => {
                inputs.insert(arg.name.clone(), value);
            }
            Ok(None) => {}
            Err(what) => wrong.add(&arg.name, what),
        }
    }
    let inputs = Inputs(inputs);
    if wrong.context.is_empty() {
        measure(&inputs, &lay_out(script, &inputs), &mut wrong);
    }
    wrong.into_result(script).map(|()| inputs)
}

fn value_of(arg: &Arg, given: Option<&Given>) -> Result<Option<Value>, String> {
    let value = match given {
        // Null is how JSON leaves something out.
        Some(Given::Json(Value::Null)) if arg.kind != Kind::Json => None,
        Some(Given::Json(value)) => {
            arg.kind.check(value).map_err(|e| e.to_string())?;
            Some(value.clone())
        }
        Some(Given::Word(text)) => Some(arg.kind.from_word(text).map_err(|e| e.to_string())?),
        None => None,
    };
    if let Some(misfit) = value.as_ref().and_then(|value| arg.bounds.misfit(value)) {
        return Err(misfit);
    }
    match value.or_else(|| arg.default.clone()) {
        None if arg.required => Err(format!("missing: expected {}", arg.kind)),
        value => Ok(value),
    }
}

/// What is wrong with the inputs.
#[derive(Default)]
struct Wrong {
    context: BTreeMap<String, String>,
    suggestions: Vec<String>,
}

impl Wrong {
    fn add(&mut self, name: &str, what: String) {
        self.context.insert(name.to_owned(), what);
    }

    fn into_result(self, script: &Script) -> Result<(), Box<Failure>> {
        let Some((name, what)) = self.context.first_key_value() else { return Ok(()) };
        let more = match self.context.len() - 1 {
            0 => String::new(),
            n => format!(", and {n} more"),
        };
        let mut failure = Failure::new(Category::Validation, format!("input `{name}`: {what}{more}"));
        for (name, what) in self.context {
            failure = failure.fact(&name, what);
        }
        failure.suggestions = self.suggestions;
        let takes: Vec<String> = script.args.iter().map(usage).collect();
        let takes = if takes.is_empty() { "no inputs".to_owned() } else { takes.join(" ") };
        Err(Box::new(failure.suggest(format!("{} takes {takes}", script.id))))
    }
}

/// An input as it is asked for: `name=<type>`, in brackets where it may be left out.
pub fn usage(arg: &Arg) -> String {
    let shown = format!("{}=<{}>", arg.name, arg.kind);
    if arg.required && arg.default.is_none() { shown } else { format!("[{shown}]") }
}

/// Refuses what the kernel would refuse at the start, and what would fill the store.
fn measure(inputs: &Inputs, laid: &Laid, wrong: &mut Wrong) {
    let parts = laid.argv.iter().chain(laid.env.iter().map(|(_, v)| v));
    let mut total = 0;
    for part in parts {
        total += part.len() + 1 + size_of::<usize>();
        if part.contains('\0') {
            wrong.add(&owner(inputs, part), "holds a NUL byte, which no argument can".into());
        }
        if part.len() > limits::JOB_ARG_BYTES_MAX {
            let what = format!("{} bytes, {} are possible", part.len(), limits::JOB_ARG_BYTES_MAX);
            wrong.add(&owner(inputs, part), what);
        }
    }
    if total > limits::JOB_ARGV_BYTES_MAX {
        wrong.add(
            "inputs",
            format!("{total} bytes as arguments, {} are possible", limits::JOB_ARGV_BYTES_MAX),
        );
        wrong.suggestions.push("pass large inputs in files, or declare `stdin = \"json\"`".into());
    }
    let json = Value::Object(inputs.0.clone()).to_string().len();
    if json > limits::JOB_INPUT_BYTES_MAX {
        wrong.add("inputs", format!("{json} bytes as JSON, {} are possible", limits::JOB_INPUT_BYTES_MAX));
        wrong.suggestions.push("pass large inputs in files".into());
    }
}

fn owner(inputs: &Inputs, part: &str) -> String {
    inputs.0.iter().find(|(_, v)| word(v) == part).map_or_else(|| "inputs".into(), |(name, _)| name.clone())
}

/// Lays checked inputs out.
pub fn lay_out(script: &Script, inputs: &Inputs) -> Laid {
    let mut laid = Laid::default();
    let mut left_out = 0;
    for arg in &script.args {
        let value = inputs.0.get(&arg.name);
        match (&arg.pass, value) {
            (Pass::Positional, None) => left_out += 1,
            (Pass::Positional, Some(value)) => {
                laid.argv.extend(std::iter::repeat_n(String::new(), left_out));
                left_out = 0;
                laid.argv.push(word(value));
            }
            (Pass::Option(option), Some(Value::Bool(given))) => {
                laid.argv.extend(given.then(|| option.clone()));
            }
            (Pass::Option(option), Some(Value::Array(values))) => {
                laid.argv.extend(values.iter().flat_map(|v| [option.clone(), word(v)]));
            }
            (Pass::Option(option), Some(value)) => laid.argv.extend([option.clone(), word(value)]),
            (Pass::Variable(name), Some(value)) => laid.env.push((name.clone(), word(value))),
            (Pass::Option(_) | Pass::Variable(_), None) | (Pass::Stdin, _) => {}
        }
    }
    if script.stdin_json {
        laid.stdin = Some(Value::Object(inputs.0.clone()).to_string());
    }
    laid
}

/// The name that was probably meant: at most two letters away.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: usize = 2;
    let near = names.filter(|n| n.len() <= limits::SCRIPT_ID_MAX).map(|n| (distance(name, n), n));
    near.filter(|(d, n)| *d <= NEAR && *d < n.len()).min().map(|(_, n)| n)
}

/// Levenshtein's distance, with one row.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(limits::SCRIPT_ID_MAX).collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// What a JSON document gives: an object of inputs.
pub fn from_json(document: &Value) -> Result<BTreeMap<String, Given>, Box<Failure>> {
    match document {
        Value::Object(map) => {
            Ok(map.iter().map(|(name, value)| (name.clone(), Given::Json(value.clone()))).collect())
        }
        other => {
            let message = format!("the inputs must be a JSON object, found {}", shown(other));
            Err(Box::new(Failure::new(Category::Validation, message)))
        }
    }
}

#[cfg(test)]
mod tests;
