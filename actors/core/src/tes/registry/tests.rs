use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::tes::script::{Level, Pass, Runtime};
use crate::tes::value::Kind;

/// Every field of the original's form.
const ORIGINAL: &str = r#"{
  "version": "2.0.0",
  "last_updated": "2025-07-01",
  "schema": {"version": "1.1", "features": ["outputs"]},
  "scripts": [
    {
      "id": "text/words@1.2",
      "name": "words",
      "category": "text",
      "path": "text/words.py",
      "description": "counts words",
      "execution": {
        "type": "python_script",
        "interpreter": "python3",
        "args": [
          {"name": "file", "type": "file", "required": true, "description": "what to read"},
          {"name": "mode", "type": "string", "enum": ["all", "unique"], "default": "all"},
          {"name": "min", "type": "number"}
        ],
        "timeout": 2500,
        "permissions": ["read_file", "env_vars"],
        "env_required": ["LANG"]
      },
      "outputs": [{"name": "count", "type": "number", "description": "how many"}],
      "specialists": ["writer"],
      "dependencies": {"python3": ">=3.8"},
      "scriptDependencies": {"text/split": "1.0"},
      "version": "1.2",
      "changelog": {"1.2": "more"},
      "security": {"sandbox": "strict", "max_memory": "512MB", "network_access": false, "allowed_hosts": []},
      "examples": [{"args": {}}],
      "tags": ["text"]
    }
  ],
  "categories": {"text": {"description": "words"}}
}"#;

#[test]
fn the_original_is_read_with_every_field() {
    let parsed = parse_json(ORIGINAL);
    assert_eq!(parsed.problems, []);
    let s = &parsed.scripts[0];
    assert_eq!(
        (&*s.id, s.runtime, s.interpreter.as_deref()),
        ("text/words@1.2", Runtime::Python, Some("python3"))
    );
    assert_eq!(s.args[1].kind, Kind::Enum(vec!["all".into(), "unique".into()]));
    assert_eq!((s.args[0].required, &s.args[2].pass), (true, &Pass::Positional));
    assert_eq!(s.times.run, Some(Duration::from_millis(2_500)));
    assert!(s.permissions.read && s.permissions.env && !s.permissions.write && !s.permissions.network);
    assert_eq!((s.security.level, s.security.max_memory_bytes), (Level::Strict, Some(512 << 20)));
    assert_eq!(s.dependencies, [("python3".to_owned(), ">=3.8".to_owned())]);
    assert_eq!((s.outputs[0].name.as_str(), s.version.as_deref()), ("count", Some("1.2")));
}

#[test]
fn toml_says_the_same_and_more() {
    let text = r#"
[[script]]
id = "net/fetch"
path = "fetch"
specialists = ["dev"]
[script.execution]
type = "program"
timeout_seconds = 0
silence_timeout_seconds = 2.5
slots = 2
group = "net"
idempotent = true
stdin = "json"
permissions = ["network"]
args = ["url", { name = "tries", type = "integer", default = 3, option = "--tries" }]
[script.execution.retry]
max_attempts = 5
on = ["execution"]
[script.security]
sandbox = "network"
max_memory = 1048576
"#;
    let parsed = parse_toml(text);
    assert_eq!(parsed.problems, []);
    let s = &parsed.scripts[0];
    assert_eq!((s.times.run, s.times.silence), (None, Some(Duration::from_millis(2_500))));
    assert_eq!((s.slots, s.group.as_deref(), s.stdin_json), (2, Some("net"), true));
    assert_eq!((s.retry.max_attempts, s.retry.idempotent), (5, true));
    assert_eq!(s.args[0].name, "url");
    assert_eq!(s.args[1].pass, Pass::Option("--tries".into()));
    assert_eq!(s.security.max_memory_bytes, Some(1 << 20));
}

#[test]
fn a_broken_entry_costs_nobody_else_anything() {
    let text = r#"{"scripts": [
  {"id": "a/good", "path": "a.sh", "execution": {"args": ["x"]}, "dependencies": ["jq", "git"]},
  {"id": "a/bad", "path": "b.sh",
   "execution": {"type": "perl", "timeout": "soon", "args": [{"type": "number"}, {"name": "n", "type": "number", "default": "x"}]}},
  {"id": "../up", "path": "c.sh"},
  {"name": "named", "category": "old", "path": "d.py", "execution": {"permissions": ["file", "execute"]}, "colour": 1},
  {"id": "a/good", "path": "twice.sh"},
  17
]}"#;
    let parsed = parse_json(text);
    let ids: Vec<&str> = parsed.scripts.iter().map(|s| &*s.id).collect();
    assert_eq!(ids, ["a/good", "old/named"]);
    assert_eq!(parsed.scripts[0].dependencies.len(), 2);
    let told: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 3: script `a/bad`: execution.type: there is no type `perl`: use shell_script, python_script, \
             node_script or program",
            "line 3: script `a/bad`: execution.args[0].name: every argument needs one",
            "line 3: script `a/bad`: execution.args[1].default: expected number, found \"x\"",
            "line 3: script `a/bad`: execution.timeout: expected a number, 0 or more, found \"soon\"",
            "line 5: script `../up`: id: `../up` is none: up to 128 letters, digits and `_-./@:`, the first a \
             letter or digit",
            "line 6: script `named`: execution.permissions[1]: `execute` grants nothing here",
            "line 6: script `named`: colour: there is no such field; it is passed over",
            "line 7: script `a/good`: the id was used before, at line 2; that one counts",
            "line 8: the entry: expected an object, found 17",
            "line 8: id: every script needs one, `category/name`",
            "line 8: path: every script needs one",
        ]
    );
}

#[test]
fn what_nothing_can_meet_is_refused_with_its_field() {
    let told = |fields: &str| {
        let text = format!("{{\"scripts\": [{{\"id\": \"a/x\", \"path\": \"x.sh\", {fields}}}]}}");
        let parsed = parse_json(&text);
        assert_eq!(parsed.scripts.len(), 0, "{fields}");
        parsed.problems.iter().map(|p| p.what.clone()).collect::<Vec<_>>()
    };
    let arg = |bounds: &str| told(&format!("\"execution\": {{\"args\": [{{\"name\": \"n\", {bounds}}}]}}"));
    let expected =
        |field: &str, most: u64| [format!("{field}: expected a whole number from 1 to {most}, found 0")];
    assert_eq!(told(r#""execution": {"slots": 0}"#), expected("execution.slots", 1_000));
    assert_eq!(
        told(r#""execution": {"retry": {"max_attempts": 0}}"#),
        expected("execution.retry.max_attempts", 100)
    );
    assert_eq!(
        told(r#""security": {"max_processes": 0}"#),
        expected("security.max_processes", u32::MAX.into())
    );
    assert_eq!(
        told(r#""security": {"max_memory": 0}"#),
        ["security.max_memory: expected a size as in \"512MB\", found 0"]
    );
    assert_eq!(arg(r#""enum": []"#), ["execution.args[0].enum: an enum needs its words"]);
    assert_eq!(arg(r#""type": "enum""#), ["execution.args[0].enum: an enum needs its words"]);
    assert_eq!(
        arg(r#""type": "number", "min": 5, "max": 1.5"#),
        ["execution.args[0].min: 5 is more than `max`, 1.5: nothing fits"]
    );
}

#[test]
fn an_entry_that_is_too_deep_is_told_by_its_name() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = format!(
        "{{\"scripts\": [{{\"examples\": {deep},\n\"id\": \"a/deep\", \"path\": \"x\"}}, {{\"id\": \"a/x\", \"path\": \"x\"}}]}}"
    );
    let parsed = parse_json(&text);
    assert_eq!(parsed.scripts.iter().map(|s| &*s.id).collect::<Vec<_>>(), ["a/x"]);
    let [problem] = &parsed.problems[..] else { panic!("{:?}", parsed.problems) };
    assert_eq!(problem.script.as_deref(), Some("a/deep"));
    assert!(problem.what.starts_with("recursion limit exceeded"), "{}", problem.what);
}

#[test]
fn a_broken_file_says_where() {
    let parsed = parse_json("{\n  \"scripts\": [\n}");
    assert_eq!((parsed.problems[0].line, parsed.problems[0].fatal), (3, true));
    let parsed = parse_toml("version = 1\n[[script]\n");
    assert_eq!(parsed.problems[0].line, 2, "{:?}", parsed.problems);
    assert!(parse_json("").problems[0].fatal);
    let parsed = parse_json("{\"scripts\": {}}");
    assert!(parsed.scripts.is_empty() && parsed.problems.len() == 1);
}

proptest! {
    #[test]
    fn no_text_is_too_much(text in ".{0,400}") {
        let _ = (parse_json(&text), parse_toml(&text));
    }

    /// Every field of the original, one after another, as something else.
    #[test]
    fn no_value_is_too_much(which in 0..60_usize, with in 0..6_usize) {
        let mut document: Value = serde_json::from_str(ORIGINAL).unwrap();
        let odd = [Value::Null, 0.into(), "".into(), (-1.5e300).into(), serde_json::json!([{}]), serde_json::json!({"a": []})];
        let mut n = 0;
        put(&mut document, which, &odd[with], &mut n);
        let parsed = parse_json(&document.to_string());
        prop_assert!(parsed.scripts.len() + parsed.problems.len() > 0 || n <= which || with < 6);
    }
}

/// Replaces the value with the number `which`.
fn put(value: &mut Value, which: usize, with: &Value, n: &mut usize) {
    if *n == which {
        *value = with.clone();
    }
    *n += 1;
    match value {
        Value::Object(map) => map.values_mut().for_each(|v| put(v, which, with, n)),
        Value::Array(items) => items.iter_mut().for_each(|v| put(v, which, with, n)),
        _ => {}
    }
}
