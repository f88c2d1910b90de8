use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::tes::registry::parse_json;

fn script(args: &Value) -> std::sync::Arc<Script> {
    let text = json!({"scripts": [{"id": "t/x", "path": "x.sh", "execution": {"args": args}}]}).to_string();
    let parsed = parse_json(&text);
    assert_eq!(parsed.problems, []);
    std::sync::Arc::clone(&parsed.scripts[0])
}

fn words(given: &[(&str, &str)]) -> BTreeMap<String, Given> {
    given.iter().map(|(n, v)| ((*n).to_owned(), Given::Word((*v).to_owned()))).collect()
}

#[test]
fn defaults_never_shift_places() {
    let s = script(&json!([
        {"name": "input", "required": true},
        {"name": "output"},
        {"name": "verbose", "type": "boolean", "default": false},
    ]));
    let inputs = check(&s, &words(&[("input", "a b;$(c)")])).unwrap();
    assert_eq!(lay_out(&s, &inputs).argv, ["a b;$(c)", "", "false"]);
    let s = script(&json!([{"name": "a"}, {"name": "b"}]));
    assert!(lay_out(&s, &check(&s, &words(&[])).unwrap()).argv.is_empty());
    assert_eq!(lay_out(&s, &check(&s, &words(&[("b", "-x")])).unwrap()).argv, ["", "-x"]);
}

#[test]
fn every_way_to_pass() {
    let s = script(&json!([
        {"name": "level", "type": "integer", "option": "--level"},
        {"name": "dry", "type": "boolean", "pass": "option"},
        {"name": "tag", "type": "list", "option": "-t"},
        {"name": "token", "env": "TOKEN"},
        {"name": "plan", "type": "object", "pass": "stdin"},
    ]));
    let given = from_json(&json!({"level": 3, "dry": true, "tag": ["a", 2], "token": "s", "plan": {"k": 1}}));
    let inputs = check(&s, &given.unwrap()).unwrap();
    let laid = lay_out(&s, &inputs);
    assert_eq!(laid.argv, ["--level", "3", "--dry", "-t", "a", "-t", "2"]);
    assert_eq!(laid.env, [("TOKEN".to_owned(), "s".to_owned())]);
    let stdin: Value = serde_json::from_str(&laid.stdin.unwrap()).unwrap();
    assert_eq!(stdin["plan"], json!({"k": 1}));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let s = script(&json!([
        {"name": "count", "type": "number", "required": true},
        {"name": "colour", "enum": ["red", "blue"]},
        {"name": "path", "type": "file", "required": true},
    ]));
    let given = from_json(&json!({"count": true, "color": "red", "colour": "green"})).unwrap();
    let e = check(&s, &given).unwrap_err();
    assert_eq!(e.category, Category::Validation);
    let context: Vec<String> = e.context.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    assert_eq!(
        context,
        [
            "color: no such input",
            "colour: expected one of red, blue, found \"green\"",
            "count: expected number, found true",
            "path: missing: expected file",
        ]
    );
    assert_eq!(e.message.to_string(), "input `color`: no such input, and 3 more");
    assert_eq!(
        e.suggestions,
        ["did you mean `colour`?", "t/x takes count=<number> [colour=<one of red, blue>] path=<file>"]
    );
}

#[test]
fn what_the_kernel_would_refuse_is_refused_before() {
    let s = script(&json!([{"name": "a"}, {"name": "b", "type": "list"}]));
    let e = check(&s, &words(&[("a", "x\0y")])).unwrap_err();
    assert!(e.context["a"].raw().contains("NUL"));
    let e = check(&s, &words(&[("a", &"x".repeat(200_000))])).unwrap_err();
    assert!(e.context["a"].raw().contains("131071 are possible"));
    let wide = json!({"b": vec!["x".repeat(1_000); 2_000]});
    let e = check(&s, &from_json(&wide).unwrap()).unwrap_err();
    assert_eq!(e.category, Category::Validation);
    assert!(from_json(&json!([1])).is_err());
}

proptest! {
    #[test]
    fn any_words_are_taken_literally_or_refused(a in ".*", b in proptest::option::of(".*")) {
        let s = script(&json!([{"name": "a", "required": true}, {"name": "b"}]));
        let mut given = words(&[("a", &a)]);
        if let Some(b) = &b {
            given.insert("b".into(), Given::Word(b.clone()));
        }
        if let Ok(inputs) = check(&s, &given) {
            let expected: Vec<String> = std::iter::once(a).chain(b).collect();
            prop_assert_eq!(lay_out(&s, &inputs).argv, expected);
        }
    }
}

#[test]
fn inputs_keep_to_their_bounds() {
    let text = serde_json::json!({"scripts": [{"id": "t/x", "path": "x.sh", "execution": {"args": [
        {"name": "tag", "pattern": "v[0-9]+|latest", "max": 8},
        {"name": "n", "type": "number", "min": -2, "max": 10},
        {"name": "of", "type": "list", "min": 2},
    ]}}]});
    let parsed = crate::tes::registry::parse_json(&text.to_string());
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    let told = |name: &str, word: &str| {
        let given = BTreeMap::from([(name.to_owned(), Given::Word(word.to_owned()))]);
        check(&parsed.scripts[0], &given).map(|_| ()).map_err(|f| f.context[name].raw().to_owned())
    };
    for (name, word) in [("tag", "v12"), ("tag", "latest"), ("n", "-2"), ("n", "10"), ("of", "a,b")] {
        assert_eq!(told(name, word), Ok(()), "{name}={word}");
    }
    let refused = |name, word, why: &str| assert_eq!(told(name, word), Err(why.to_owned()));
    refused("tag", "xv1", "expected what matches `v[0-9]+|latest`, found \"xv1\"");
    refused("tag", "v1\n", "expected what matches `v[0-9]+|latest`, found \"v1\\n\"");
    refused("tag", "v12345678", "expected at most 8 characters, found \"v12345678\"");
    refused("n", "-2.5", "expected at least -2, found -2.5");
    refused("n", "11", "expected at most 10, found 11");
    refused("of", "a", "expected at least 2 values, found [\"a\"]");
}

#[test]
fn bounds_that_cannot_be_are_told_in_the_registry() {
    let told = |arg: serde_json::Value| {
        let text = serde_json::json!({"scripts": [{"id": "t/x", "path": "x", "execution": {"args": [arg]}}]});
        let parsed = crate::tes::registry::parse_json(&text.to_string());
        parsed.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let pattern = "execution.args[0].pattern: no regular expression";
    assert!(told(serde_json::json!({"name": "a", "pattern": "("})).contains(pattern));
    assert!(told(serde_json::json!({"name": "a", "pattern": "x{1000}{1000}"})).contains(pattern));
    let default = serde_json::json!({"name": "a", "type": "integer", "max": 3, "default": 4});
    assert!(told(default).contains("execution.args[0].default: expected at most 3, found 4"));
    assert!(told(serde_json::json!({"name": "a", "min": "x"})).contains("execution.args[0].min: "));
}
