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
