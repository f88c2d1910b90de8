//! Settings as people have them, before and after.

use proptest::prelude::*;

use super::*;
use crate::fleet::hook::rules::Place;

fn how(style: Style) -> Install {
    Install {
        style,
        events: vec!["PreToolUse".into(), "Stop".into()],
        named: style == Style::Shell,
        user: Place { env: None, folder: ".x".into(), file: "y".into() },
        project: None,
        note: String::new(),
    }
}

#[track_caller]
fn there_and_back(style: Style, text: &str) -> String {
    let how = how(style);
    let with = install(&how, "claude", "tsup hook claude", Some(text)).unwrap();
    assert_ne!(with, text);
    assert_eq!(installed(&how, "claude", &with).unwrap().len(), 2, "{with}");
    assert_eq!(install(&how, "claude", "tsup hook claude", Some(&with)).unwrap(), with, "again is the same");
    assert_eq!(uninstall(&how, "claude", &with).unwrap(), text, "{with}");
    if style != Style::Tables && !with.contains("//") {
        serde_json::from_str::<serde_json::Value>(with.trim_start_matches('\u{feff}')).unwrap();
    }
    with
}

#[test]
fn a_new_file_is_written_as_people_write_it() {
    let made = install(&how(Style::Groups), "claude", "tsup hook claude", None).unwrap();
    assert_eq!(
        made,
        r#"{
  "hooks": {
    "PreToolUse": [
      {
        "hooks": [
          {
            "command": "tsup hook claude",
            "type": "command"
          }
        ]
      }
    ],
    "Stop": [
      {
        "hooks": [
          {
            "command": "tsup hook claude",
            "type": "command"
          }
        ]
      }
    ]
  }
}
"#
    );
    let made = install(&how(Style::Commands), "cursor", "tsup hook cursor", None).unwrap();
    let doc: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!(
        (&doc["version"], &doc["hooks"]["Stop"][0]["command"]),
        (&1.into(), &"tsup hook cursor".into())
    );
    let made = install(&how(Style::Shell), "copilot", "tsup hook copilot", None).unwrap();
    assert!(made.contains("\"bash\": \"tsup hook copilot Stop\""), "{made}");
    let made = install(&how(Style::Tables), "kimi", "tsup hook kimi", None).unwrap();
    assert!(
        made.starts_with("[[hooks]]\nevent = \"PreToolUse\"\ncommand = \"tsup hook kimi\"\n\n[[hooks]]"),
        "{made}"
    );
}

#[test]
fn what_is_there_stays_as_it_is() {
    for text in [
        "{\n  \"model\": \"opus\"\n}\n",
        "{\n\t\"z\": 1,\n\t\"a\": {\"b\": [1,2 , 3]}\n}",
        "{\"model\":\"opus\",\"permissions\":{\"allow\":[\"Bash(ls)\"]}}",
        "{\r\n    \"model\": \"opus\"\r\n}\r\n",
        "{\n  // why\n  \"model\": \"opus\", // trailing\n  /* more */ \"x\": \"a\\\"b // no comment\"\n}\n",
        "\u{feff}{\n  \"model\": \"opus\"\n}\n",
        "{\n  \"hooks\": {\n    \"Stop\": [\n      {\n        \"matcher\": \"\",\n        \"hooks\": [{ \"type\": \"command\", \"command\": \"say done\" }]\n      }\n    ]\n  },\n  \"after\": true\n}\n",
        "{\"hooks\":{\"Stop\":[{\"hooks\":[{\"type\":\"command\",\"command\":\"x\"}]}],\"Other\":[]}}",
        "{\n  \"hooks\": {\n    \"PreToolUse\": [ { \"hooks\": [ { \"type\": \"command\", \"command\": \"tsup-like hook claude\" } ] } ]\n  }\n}\n",
    ] {
        there_and_back(Style::Groups, text);
    }
    let cursor =
        "{\n  \"version\": 1,\n  \"hooks\": {\n    \"stop\": [{ \"command\": \"./x.sh\" }]\n  }\n}\n";
    there_and_back(Style::Commands, cursor);
    there_and_back(Style::Shell, cursor);
    for text in
        ["a = 1\n", "# note\n[x]\ny = [\n  [1],\n]\n", "[[hooks]]\nevent = \"Stop\"\ncommand = \"say\"\n"]
    {
        there_and_back(Style::Tables, text);
    }
}

#[test]
fn a_group_that_others_share_keeps_the_others() {
    let text = r#"{"hooks":{"Stop":[{"matcher":"x","hooks":[{"type":"command","command":"a"},{"type":"command","command":"/opt/my bin/tsup hook claude"}]}]}}"#;
    let left = uninstall(&how(Style::Groups), "claude", text).unwrap();
    assert_eq!(left, r#"{"hooks":{"Stop":[{"matcher":"x","hooks":[{"type":"command","command":"a"}]}]}}"#);
    assert_eq!(uninstall(&how(Style::Groups), "codex", text).unwrap(), text, "only this CLI's");
}

#[test]
fn what_is_no_settings_is_refused_with_its_place() {
    let broken =
        |text: &str| install(&how(Style::Groups), "claude", "c", Some(text)).unwrap_err().to_string();
    assert_eq!(broken("{\n  \"a\": 1,\n}"), "3:1: something is expected behind the comma");
    assert_eq!(broken("{\n  \"a\" 1\n}"), "2:7: `:` is expected");
    assert_eq!(broken("{ \"a\": 1"), "1:9: the text ends before `}`");
    assert_eq!(broken("{} {}"), "1:4: there is more behind the end");
    assert_eq!(broken("{\"a\": tru}"), "1:7: a value is expected");
    assert_eq!(broken("{\"a\": \"x\n\"}"), "1:7: this text has no end");
    assert_eq!(broken("[]"), "it holds no object");
    assert_eq!(broken("{\"hooks\": []}"), "`hooks` in it is no object");
    assert_eq!(broken("{\"hooks\": {\"Stop\": {}}}"), "`hooks.Stop` in it is no list");
    assert!(broken(&"[".repeat(10_000)).contains("nested too deep"));
    let tables = |text: &str| install(&how(Style::Tables), "kimi", "c", Some(text)).unwrap_err().to_string();
    assert!(tables("a = \n").starts_with("1:"), "{}", tables("a = \n"));
    assert_eq!(tables("hooks = 1\n"), "`hooks` in it is no list of tables");
}

#[test]
fn ours_is_told_by_its_command() {
    for (command, ours) in [
        ("tsup hook claude", true),
        ("/usr/local/bin/tsup hook claude", true),
        ("'/my bin/tsup' hook claude", true),
        ("tsup hook claude Stop", true),
        ("tsup hook --home /x claude", true),
        ("'/tmp/my hook dir/tsup' hook claude", true),
        ("/tmp/my hook dir/tsup hook claude", true),
        (r"'/it'\''s/tsup' hook --home '/a hook b' claude", true),
        ("\"/my hook/tsup\" hook codex", false),
        ("'tsup hook claude'", false),
        ("tsup hook codex", false),
        ("tsup hooks show claude", false),
        ("mytsup hook claude", false),
        ("echo tsup", false),
        ("", false),
    ] {
        assert_eq!(is_ours(command, "claude"), ours, "{command}");
    }
}

#[test]
fn a_program_in_any_folder_is_installed_once_and_taken_out() {
    for program in ["'/tmp/my hook dir/tsup'", r"'/it'\''s/hook /tsup'"] {
        let command = format!("{program} hook claude");
        for style in [Style::Groups, Style::Commands, Style::Shell] {
            let how = how(style);
            let with = install(&how, "claude", &command, Some("{\"version\": 1}")).unwrap();
            assert_eq!(install(&how, "claude", &command, Some(&with)).unwrap(), with, "{program}");
            assert_eq!(uninstall(&how, "claude", &with).unwrap(), "{\"version\": 1}", "{program}");
        }
    }
}

#[test]
fn what_a_person_adds_behind_our_tables_stays() {
    let how = how(Style::Tables);
    let made = |text: &str| install(&how, "kimi", "tsup hook kimi", Some(text)).unwrap();
    for before in ["", "a = 1\n"] {
        for (more, left) in [
            ("# theme = \"dark\"\n", "# theme = \"dark\"\n"),
            ("\n# why\n[theme]\nx = 1\n", "\n# why\n[theme]\nx = 1\n"),
            ("# the timeout\ntimeout = 3\n", ""),
        ] {
            let text = made(before) + more;
            if left.is_empty() {
                // With a key of somebody else it is somebody else's table.
                assert_eq!(installed(&how, "kimi", &text).unwrap().len(), 1, "{text}");
                continue;
            }
            assert_eq!(made(&text), text, "a second install has nothing to do");
            assert_eq!(uninstall(&how, "kimi", &text).unwrap(), format!("{before}{left}"), "{text}");
        }
    }
    let commented = made("").replace("event = \"Stop\"\n", "# the last\nevent = \"Stop\" # of all\n");
    assert_eq!(uninstall(&how, "kimi", &commented).unwrap(), "# the last\n");
}

#[test]
fn comments_beside_our_calls_stay() {
    let ours = "{ \"command\": \"tsup hook cursor\" }";
    for (list, left) in [
        (
            format!("[\n  {ours}, // ours, they say\n  // why\n  {{ \"command\": \"b\" }}\n]"),
            "[\n  // ours, they say\n  // why\n  { \"command\": \"b\" }\n]",
        ),
        (
            format!("[\n  {{ \"command\": \"a\" }}, // first, mine\n  {ours}\n]"),
            "[\n  { \"command\": \"a\" } // first, mine\n  \n]",
        ),
        (format!("[ {{ \"command\": \"a\" }} /* , */ , {ours} ]"), "[ { \"command\": \"a\" } /* , */   ]"),
        (
            format!("[ {{ \"command\": \"a\" }}, {ours} /* , */ , /* c */ {{ \"command\": \"b\" }} ]"),
            "[ { \"command\": \"a\" }, /* c */ { \"command\": \"b\" } ]",
        ),
    ] {
        let text = format!("{{ \"hooks\": {{ \"stop\": {list} }} }}");
        let kept = uninstall(&how(Style::Commands), "cursor", &text).unwrap();
        assert_eq!(kept, format!("{{ \"hooks\": {{ \"stop\": {left} }} }}"));
        assert_eq!(installed(&how(Style::Commands), "cursor", &kept).unwrap(), []);
    }
}

#[test]
fn a_comment_that_begins_with_a_slash_is_read_to_its_end() {
    let text = "{ /*/ \"hooks\": [] } */ \"model\": \"opus\" }";
    let with = install(&how(Style::Groups), "claude", "tsup hook claude", Some(text)).unwrap();
    assert!(with.starts_with("{ /*/ \"hooks\": [] } */ \"model\": \"opus\", \"hooks\": {"), "{with}");
    assert_eq!(uninstall(&how(Style::Groups), "claude", &with).unwrap(), text);
    assert!(install(&how(Style::Groups), "claude", "c", Some("{ /*/ }")).is_err());
}

#[test]
fn a_key_that_stands_twice_is_told_with_its_place() {
    for style in [Style::Groups, Style::Commands] {
        let error = install(&how(style), "claude", "c", Some("{\"hooks\":{},\n \"hooks\":{}}")).unwrap_err();
        assert_eq!(error.to_string(), "2:2: `hooks` stands here a second time");
    }
}

/// Settings with hooks of others in them, in any order and layout.
fn settings() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![Just("1".to_owned()), Just("\"x\\n\\\"\"".to_owned()), Just("[ 1 , 2]".to_owned())];
    let member = ("[a-d]{1,3}", leaf).prop_map(|(k, v)| format!("\"{k}\" : {v}"));
    let other = r#"{"matcher":"m","hooks":[{"type":"command","command":"say"}]}"#;
    let hooks = prop::collection::vec(prop_oneof![Just("PreToolUse"), Just("Stop"), Just("Else")], 0..3)
        .prop_map(move |events| {
            let mut events = events;
            events.dedup();
            events.sort_unstable();
            events.dedup();
            let lists: Vec<String> = events.iter().map(|e| format!("\"{e}\": [{other}]")).collect();
            (!lists.is_empty()).then(|| format!("\"hooks\": {{{}}}", lists.join(", ")))
        });
    let gap = prop_oneof![Just("\n  "), Just(" "), Just("\n\t"), Just("\r\n    ")];
    (prop::collection::vec(member, 1..4), hooks, gap).prop_map(|(mut members, hooks, gap)| {
        members.sort_unstable();
        members.dedup_by(|a, b| a.split(' ').next() == b.split(' ').next());
        members.extend(hooks);
        let tail = if gap.contains('\n') { "\n" } else { "" };
        format!("{{{gap}{}{tail}}}{tail}", members.join(&format!(",{gap}")))
    })
}

proptest! {
    #[test]
    fn any_settings_come_back_byte_for_byte(text in settings()) {
        let how = how(Style::Groups);
        let with = install(&how, "claude", "tsup hook claude", Some(&text)).unwrap();
        prop_assert_eq!(installed(&how, "claude", &with).unwrap().len(), 2);
        prop_assert_eq!(uninstall(&how, "claude", &with).unwrap(), text);
    }

    #[test]
    fn any_text_is_survived(text in ".{0,200}") {
        for style in [Style::Groups, Style::Commands, Style::Tables] {
            let _ = install(&how(style), "claude", "c", Some(&text));
            let _ = installed(&how(style), "claude", &text);
        }
    }
}
