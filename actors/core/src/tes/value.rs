//! The types of inputs and outputs: what fits them, and how a word of the command line becomes one.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a script's registry may declare an input or output to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// Text.
    String,
    /// A number, whole or not.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// One of these words.
    Enum(Vec<String>),
    /// A path to a file or folder.
    File,
    /// Several values.
    List,
    /// A JSON object.
    Object,
    /// Any JSON.
    Json,
}

impl Kind {
    /// The words by which a registry may name a kind; the first of each is the one that is shown.
    const WORDS: [(&'static str, Kind); 15] = [
        ("string", Kind::String),
        ("text", Kind::String),
        ("number", Kind::Number),
        ("float", Kind::Number),
        ("integer", Kind::Integer),
        ("int", Kind::Integer),
        ("boolean", Kind::Boolean),
        ("bool", Kind::Boolean),
        ("file", Kind::File),
        ("path", Kind::File),
        ("directory", Kind::File),
        ("list", Kind::List),
        ("array", Kind::List),
        ("object", Kind::Object),
        ("json", Kind::Json),
    ];

    /// The kind of a registry's word, `enum` apart, whose words stand beside it.
    pub fn named(word: &str) -> Option<Kind> {
        Kind::WORDS.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)).map(|(_, kind)| kind.clone())
    }

    /// Whether a value fits; else what was expected.
    pub fn check(&self, value: &Value) -> Result<(), Misfit> {
        let fits = match (self, value) {
            (Kind::String, Value::String(_))
            | (Kind::Number, Value::Number(_))
            | (Kind::Boolean, Value::Bool(_))
            | (Kind::List, Value::Array(_))
            | (Kind::Object, Value::Object(_))
            | (Kind::Json, _) => true,
            (Kind::Integer, Value::Number(n)) => n.is_i64() || n.is_u64(),
            (Kind::File, Value::String(path)) => !path.is_empty(),
            (Kind::Enum(words), Value::String(word)) => words.contains(word),
            _ => false,
        };
        if fits { Ok(()) } else { Err(Misfit { expected: self.to_string(), found: shown(value) }) }
    }

    /// The value that a word of the command line, an environment or a `name=value` line stands for.
    pub fn from_word(&self, word: &str) -> Result<Value, Misfit> {
        let misfit = || Misfit { expected: self.to_string(), found: shown(&Value::String(word.to_owned())) };
        let value = match self {
            Kind::String | Kind::File | Kind::Enum(_) => Value::String(word.to_owned()),
            Kind::Number | Kind::Integer => {
                // `1e3`, `007` and ` 5` are numbers to people; JSON's own reader takes the rest.
                let number: f64 = word.trim().parse().map_err(|_| misfit())?;
                match word.trim().parse::<i64>() {
                    Ok(whole) => Value::from(whole),
                    Err(_) => serde_json::Number::from_f64(number).map(Value::Number).ok_or_else(misfit)?,
                }
            }
            Kind::Boolean => match word.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Value::Bool(true),
                "false" | "no" | "off" | "0" => Value::Bool(false),
                _ => return Err(misfit()),
            },
            Kind::List if !word.trim_start().starts_with('[') => {
                Value::Array(word.split(',').map(|part| Value::String(part.trim().to_owned())).collect())
            }
            Kind::List | Kind::Object | Kind::Json => serde_json::from_str(word).map_err(|_| misfit())?,
        };
        self.check(&value).map(|()| value)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Enum(words) => write!(f, "one of {}", words.join(", ")),
            kind => {
                let word = Kind::WORDS.iter().find(|(_, k)| k == kind).map_or("json", |(word, _)| word);
                f.write_str(word)
            }
        }
    }
}

/// A value does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct Misfit {
    /// The kind that was declared.
    pub expected: String,
    /// What is there, shortened.
    pub found: String,
}

/// A value in a few words, for a message.
pub fn shown(value: &Value) -> String {
    const SHOWN_CHARS: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// The word that a value is in an argument, an environment or a line: text as it is, all else as JSON.
pub fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_fit_their_kind_only() {
        let fits = |kind: &Kind, value: Value| kind.check(&value).is_ok();
        assert!(fits(&Kind::Number, json!(1.5)) && fits(&Kind::Number, json!(3)));
        assert!(!fits(&Kind::Number, json!(true)), "true is no number");
        assert!(!fits(&Kind::Number, json!("3")) && !fits(&Kind::Integer, json!(1.5)));
        assert!(fits(&Kind::Integer, json!(u64::MAX)) && !fits(&Kind::String, json!(1)));
        let colour = Kind::Enum(vec!["red".into(), "blue".into()]);
        assert!(fits(&colour, json!("red")));
        assert_eq!(
            colour.check(&json!("green")).unwrap_err().to_string(),
            "expected one of red, blue, found \"green\""
        );
        assert!(!fits(&Kind::File, json!("")) && fits(&Kind::Json, json!(null)));
    }

    #[test]
    fn words_become_values_of_their_kind() {
        assert_eq!(Kind::Number.from_word("007"), Ok(json!(7)));
        assert_eq!(Kind::Number.from_word("1e3"), Ok(json!(1000.0)));
        assert!(Kind::Number.from_word("NaN").is_err() && Kind::Number.from_word("true").is_err());
        assert!(Kind::Integer.from_word("1.5").is_err());
        assert_eq!(Kind::Boolean.from_word("Yes"), Ok(json!(true)));
        assert!(Kind::Boolean.from_word("2").is_err());
        assert_eq!(Kind::List.from_word("a, b"), Ok(json!(["a", "b"])));
        assert_eq!(Kind::List.from_word("[1, 2]"), Ok(json!([1, 2])));
        assert_eq!(Kind::String.from_word("-x;$(y)\n"), Ok(json!("-x;$(y)\n")));
        assert!(Kind::Object.from_word("[]").is_err());
    }

    #[test]
    fn what_is_shown_is_short_and_whole_characters() {
        assert!(shown(&json!("é".repeat(1_000))).chars().count() <= 61);
        assert_eq!(word(&json!("a b")), "a b");
        assert_eq!(word(&json!({"a": 1})), "{\"a\":1}");
    }
}
