//! Reads what a script gave: one JSON object, or lines of `name=value`, by what its registry declares.

use serde_json::{Map, Value};

use super::failure::{Category, Failure};
use super::script::OutputSpec;
use super::value::shown;

/// The values in what a script printed. `cut` says that it printed more than was kept.
///
/// A script that declares nothing may print what it likes: an object is taken as its outputs, all else is
/// no output. A declared value that does not fit is VALIDATION, with every difference told.
pub fn read(specs: &[OutputSpec], printed: &str, cut: bool) -> Result<Map<String, Value>, Box<Failure>> {
    let object = match serde_json::from_str::<Value>(printed.trim()) {
        Ok(Value::Object(map)) => Some(map),
        _ => None,
    };
    if specs.is_empty() {
        return Ok(object.unwrap_or_default());
    }
    let mut wrong: Vec<(&str, String)> = Vec::new();
    let outputs = match object {
        Some(map) => {
            for spec in specs {
                if let Some(Err(misfit)) = map.get(&spec.name).map(|v| spec.kind.check(v)) {
                    wrong.push((&spec.name, misfit.to_string()));
                }
            }
            map
        }
        None => lines(specs, printed, &mut wrong),
    };
    for spec in specs.iter().filter(|s| s.required && !outputs.contains_key(&s.name)) {
        if !wrong.iter().any(|(name, _)| *name == spec.name) {
            wrong.push((&spec.name, format!("missing: expected {}", spec.kind)));
        }
    }
    let Some((name, what)) = wrong.first() else { return Ok(outputs) };
    let more = match wrong.len() - 1 {
        0 => String::new(),
        n => format!(", and {n} more"),
    };
    let mut failure = Failure::new(Category::Validation, format!("output `{name}`: {what}{more}"));
    for (name, what) in &wrong {
        failure = failure.fact(name, what.clone());
    }
    failure = failure.fact("printed", shown(&Value::String(printed.trim().to_owned()))).suggest(
        "print one JSON object, or a line `name=value` for each declared output, and talk on stderr",
    );
    if cut {
        failure = failure.suggest("it printed more than is kept: write large results into a file");
    }
    Err(Box::new(failure))
}

/// The declared values among lines of `name=value`; of a name that stands twice the last one counts. Other
/// lines are talk.
fn lines<'a>(
    specs: &'a [OutputSpec],
    printed: &str,
    wrong: &mut Vec<(&'a str, String)>,
) -> Map<String, Value> {
    let mut outputs = Map::new();
    for line in printed.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let Some(spec) = specs.iter().find(|s| s.name == name.trim()) else { continue };
        wrong.retain(|(name, _)| *name != spec.name);
        match spec.kind.from_word(value) {
            Ok(value) => {
                outputs.insert(spec.name.clone(), value);
            }
            Err(misfit) => {
                outputs.remove(&spec.name);
                wrong.push((&spec.name, misfit.to_string()));
            }
        }
    }
    outputs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tes::value::Kind;

    fn spec(name: &str, kind: Kind, required: bool) -> OutputSpec {
        OutputSpec { name: name.into(), kind, required, description: String::new() }
    }

    #[test]
    fn an_object_or_lines() {
        let specs = [spec("n", Kind::Integer, true), spec("ok", Kind::Boolean, false)];
        let of = |printed| read(&specs, printed, false).map(Value::Object);
        assert_eq!(of("{\"n\": 3, \"more\": [1]}\n"), Ok(json!({"n": 3, "more": [1]})));
        assert_eq!(of("talk\nn=3\nok = yes\nn=4\nother=5\n"), Ok(json!({"n": 4, "ok": true})));
        assert_eq!(read(&[], "whatever", false), Ok(Map::new()));
        assert_eq!(read(&[], "{\"a\": 1}", false).map(Value::Object), Ok(json!({"a": 1})));
    }

    #[test]
    fn a_mismatch_shows_the_difference() {
        let specs = [spec("n", Kind::Integer, true), spec("m", Kind::Number, true)];
        let e = read(&specs, "n=many\n", true).unwrap_err();
        assert_eq!(e.category, Category::Validation);
        assert_eq!(e.message.to_string(), "output `n`: expected integer, found \"many\", and 1 more");
        assert_eq!(e.context["m"].raw(), "missing: expected number");
        assert_eq!(e.suggestions.len(), 2);
        assert!(read(&specs, "{\"n\": 1.5, \"m\": 1}", false).is_err());
    }
}
