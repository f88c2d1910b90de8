//! A line of a batch: a JSON object with the names of the command line's options.

use serde_json::{Map, Value};
use tsup_core::tes::failure::{Category, Failure};
use tsup_core::tes::job::{Edge, Priority};
use tsup_core::wire::verb::Submit;

use crate::cli::ctl::submit::{after, at, ms, pane, user};
use crate::cli::duration;

/// The names there are.
const NAMES: &str = "script, arg, input, priority, key, session, specialist, user, correlation, after, delay, at, timeout, hold";

/// What every line has unless it says otherwise: who asks, and from where.
pub(super) fn defaults() -> Submit {
    Submit { user: user(), pane: pane(), ..Submit::default() }
}

fn misfit(what: impl Into<String>) -> Failure {
    Failure::new(Category::Validation, what.into())
}

/// Reads a line.
pub(super) fn line(text: &[u8], defaults: &Submit) -> Result<Submit, Failure> {
    let value: Value = serde_json::from_slice(text).map_err(|e| {
        misfit(format!("the line is not JSON: {e}"))
            .suggest("write one JSON object a line, such as {\"script\": \"docs/convert\", \"arg\": {\"file\": \"a.md\"}}")
    })?;
    let Value::Object(map) = value else {
        return Err(misfit("the line must be a JSON object").suggest(format!("its names are {NAMES}")));
    };
    let mut submit = defaults.clone();
    for (name, value) in map {
        // Null is how JSON leaves something out.
        if !value.is_null() {
            set(&mut submit, &name, value)?;
        }
    }
    if submit.script.is_empty() {
        return Err(misfit("`script` is missing").suggest("`tsup ctl scripts` lists them"));
    }
    Ok(submit)
}

fn set(submit: &mut Submit, name: &str, value: Value) -> Result<(), Failure> {
    let said = |what: String| misfit(format!("`{name}`: {what}"));
    match name {
        "script" => submit.script = word(value).map_err(said)?,
        "arg" | "args" => args(submit, value).map_err(said)?,
        "input" | "inputs" => {
            let map = object(value).map_err(said)?;
            add(submit, map, false);
        }
        "priority" => {
            let priority = word(value).map_err(said)?.parse::<Priority>();
            submit.priority = Some(priority.map_err(|e| said(e.to_string()))?);
        }
        "key" => submit.key = Some(word(value).map_err(said)?),
        "session" => submit.session = Some(word(value).map_err(said)?),
        "specialist" => submit.specialist = Some(word(value).map_err(said)?),
        "user" => submit.user = Some(word(value).map_err(said)?),
        "correlation" | "correlation_id" => submit.correlation_id = Some(word(value).map_err(said)?),
        "after" => submit.after = afters(value).map_err(said)?,
        "delay" => submit.delay_ms = Some(time(&value).map_err(said)?),
        "timeout" => submit.timeout_ms = Some(time(&value).map_err(said)?),
        "at" => submit.at = Some(at(&word(value).map_err(said)?).map_err(said)?),
        "hold" => submit.hold = value.as_bool().ok_or_else(|| said("expected true or false".into()))?,
        _ => {
            let shown = tsup_core::untrusted::Untrusted::bounded(name, 64);
            return Err(
                misfit(format!("there is no name `{shown}`")).suggest(format!("the names are {NAMES}"))
            );
        }
    }
    Ok(())
}

fn word(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!("expected text, found {}", kind(&other))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Inputs: an object, or words as on the command line. A text is a word, and read by its declared type;
/// anything else is what it is.
fn args(submit: &mut Submit, value: Value) -> Result<(), String> {
    match value {
        Value::Object(map) => {
            let mut typed = Map::new();
            for (name, value) in map {
                match value {
                    Value::String(text) => submit.args.push((name, text)),
                    other => drop(typed.insert(name, other)),
                }
            }
            if !typed.is_empty() {
                add(submit, typed, true);
            }
            Ok(())
        }
        Value::Array(words) => words.into_iter().try_for_each(|one| {
            let text = word(one)?;
            let (name, value) = text.split_once('=').ok_or("write each like name=value")?;
            submit.args.push((name.to_owned(), value.to_owned()));
            Ok(())
        }),
        other => Err(format!("expected an object of inputs, found {}", kind(&other))),
    }
}

/// Adds inputs to those that are there; of two with the same name one counts more.
fn add(submit: &mut Submit, inputs: Map<String, Value>, counts_more: bool) {
    let before = submit.input.take().and_then(|text| serde_json::from_str::<Map<_, _>>(&text).ok());
    let before = before.unwrap_or_default();
    let (mut all, over) = if counts_more { (before, inputs) } else { (inputs, before) };
    all.extend(over);
    submit.input = Some(Value::Object(all).to_string());
}

fn object(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(map) => Ok(map),
        other => Err(format!("expected an object of inputs, found {}", kind(&other))),
    }
}

fn afters(value: Value) -> Result<Vec<(String, Edge)>, String> {
    match value {
        Value::Array(all) => all.into_iter().map(|one| after(&word(one)?)).collect(),
        one => Ok(vec![after(&word(one)?)?]),
    }
}

/// A time: as on the command line, or as a number of seconds.
fn time(value: &Value) -> Result<u64, String> {
    match value {
        Value::String(text) => duration::parse(text).map(ms),
        Value::Number(n) => {
            let seconds = n.as_f64().and_then(|s| std::time::Duration::try_from_secs_f64(s).ok());
            seconds.map(ms).filter(|ms| *ms > 0).ok_or_else(|| "expected more than no time at all".into())
        }
        other => Err(format!("expected a time like \"90s\", found {}", kind(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Submit, String> {
        line(text.as_bytes(), &Submit::default()).map_err(|f| f.message.raw().to_owned())
    }

    #[test]
    fn a_line_says_what_the_command_line_says() {
        let text = r#"{"script":"a/b","arg":{"n":"3","deep":[1]},"input":{"x":1,"deep":2},"priority":"high","key":"k","session":"s",
            "specialist":"q","user":"u","correlation":"c","after":["ab:end","cd"],"delay":"2s","timeout":1.5,
            "at":"2026-11-21T01:39:22Z","hold":true}"#;
        let submit = read(text).unwrap();
        let args: Vec<(String, String)> = vec![("n".into(), "3".into())];
        assert_eq!((submit.script.as_str(), submit.args), ("a/b", args));
        let input: Value = serde_json::from_str(&submit.input.unwrap()).unwrap();
        assert_eq!(input, serde_json::json!({"x": 1, "deep": [1]}));
        assert_eq!(submit.priority, Some(Priority::High));
        assert_eq!(submit.after, [("ab".into(), Edge::End), ("cd".into(), Edge::Success)]);
        assert_eq!((submit.delay_ms, submit.timeout_ms, submit.hold), (Some(2_000), Some(1_500), true));
        assert_eq!(submit.at.map(tsup_core::clock::Wall::unix_ms), Some(1_795_225_162_000));
        let words = [submit.key, submit.session, submit.specialist, submit.user, submit.correlation_id];
        assert_eq!(words.map(Option::unwrap), ["k", "s", "q", "u", "c"]);
        assert_eq!(read(r#"{"script":"a","args":["x=y=z"],"key":null}"#).unwrap().args[0].1, "y=z");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, says) in [
            ("{", "not JSON"),
            ("[]", "must be a JSON object"),
            ("{}", "`script` is missing"),
            (r#"{"script":1}"#, "`script`: expected text, found a number"),
            (r#"{"script":"a","skript":1}"#, "no name `skript`"),
            (r#"{"script":"a","arg":1}"#, "`arg`: expected an object"),
            (r#"{"script":"a","arg":["x"]}"#, "name=value"),
            (r#"{"script":"a","input":"{}"}"#, "`input`: expected an object"),
            (r#"{"script":"a","priority":"urgent"}"#, "`urgent` is not a priority"),
            (r#"{"script":"a","after":["ab:done"]}"#, "success, failure or end"),
            (r#"{"script":"a","delay":-1}"#, "more than no time"),
            (r#"{"script":"a","delay":"soon"}"#, "write it like 90s"),
            (r#"{"script":"a","hold":"yes"}"#, "expected true or false"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
    }
}
