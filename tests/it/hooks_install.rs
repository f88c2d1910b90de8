//! `tsup hooks`: what is put into the settings of agent CLIs, and taken out again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{TSUP, World, eventually};
use crate::hooks::type_line;

/// `tsup hooks …` with this folder as the user's home and `tsup` not on the PATH.
pub(crate) fn hooks(w: &World, args: &[&str]) -> (Option<i32>, String, String) {
    let out = w
        .command(&[&["hooks"], args].concat())
        .env("HOME", &w.dir)
        .env("PATH", "/usr/bin:/bin")
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("CLAUDE_CONFIG_DIR")
        .env_remove("CODEX_HOME")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

#[test]
fn hooks_are_installed_after_showing_the_change_and_taken_out_without_a_trace() {
    let w = World::new();
    let file = w.dir.join(".claude/settings.json");
    fs::create_dir(w.dir.join(".claude")).unwrap();
    let real = w.dir.join("dotfiles.json");
    let odd = "{\n    \"model\": \"opus\",\n    \"hooks\": {},\n    \"env\": { \"A\": \"1\" }\n}";
    fs::write(&real, odd).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("../dotfiles.json", &file).unwrap();

    let (code, out, err) = hooks(&w, &["install", "claude"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(out.starts_with(&format!("--- {0}\n+++ {0}\n@@", real.display())), "what is written: {out}");
    assert!(out.contains(&format!("+                        \"command\": \"{TSUP} hook claude\"")), "{out}");
    assert!(err.contains("--yes"), "{err}");
    assert_eq!(fs::read_to_string(&real).unwrap(), odd, "shown, not made");

    let (code, _, err) = hooks(&w, &["install", "claude", "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(file.is_symlink(), "a link is written through");
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    let doc: serde_json::Value = serde_json::from_slice(&fs::read(&real).unwrap()).unwrap();
    assert_eq!(doc["model"], "opus");
    assert_eq!(doc["hooks"]["Stop"][0]["hooks"][0]["command"], format!("{TSUP} hook claude"));
    let after = fs::read(&real).unwrap();
    let (code, out, _) = hooks(&w, &["install", "claude"]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "again changes nothing and asks nothing");
    assert_eq!(fs::read(&real).unwrap(), after);

    let (code, out, _) = hooks(&w, &["show", "claude", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &shown["version"]), (Some(0), &1.into()));
    assert_eq!(shown["hooks"][0]["missing"], serde_json::json!([]));
    assert!(shown["hooks"][0]["installed"].as_array().unwrap().contains(&"Stop".into()));

    let (code, out, err) = hooks(&w, &["uninstall", "claude", "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("\n-"), "{out}");
    assert_eq!(fs::read_to_string(&real).unwrap(), odd, "byte for byte");
    let left: Vec<_> = fs::read_dir(&w.dir).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|n| n.to_string_lossy().contains("tsup-")), "{left:?}");
    assert_eq!(hooks(&w, &["uninstall", "claude", "--yes"]).0, Some(0), "twice is fine");
}

/// Runs `tsup hooks …` in a pane with this folder as the user's home; what it prints is in `out`, its exit code in `code`.
fn asked_in_a_pane(w: &World, args: &str) {
    let (dir, home) = (w.dir.display(), w.home().display().to_string());
    let run = format!("{TSUP} hooks {args} >{dir}/out; echo $? >{dir}/new; mv {dir}/new {dir}/code; cat");
    w.tmux(&[
        "new-session",
        "-d",
        "-x",
        "200",
        "-y",
        "100",
        "-s",
        "web",
        "-e",
        &format!("HOME={dir}"),
        "-e",
        "XDG_CONFIG_HOME=",
        "-e",
        "CLAUDE_CONFIG_DIR=",
        "-e",
        &format!("TSUP_HOME={home}"),
        "sh",
        "-c",
        &run,
    ]);
}

/// What a pane shows once it asks.
fn question(w: &World) -> String {
    eventually("it asks", || {
        let screen = w.tmux(&["capture-pane", "-p", "-J", "-S", "-", "-t", "web"]);
        screen.contains("[y/N]").then_some(screen)
    })
}

fn code(w: &World) -> String {
    eventually("it ended", || fs::read_to_string(w.dir.join("code")).ok()).trim().to_owned()
}

#[test]
fn a_person_is_shown_what_is_written_before_being_asked() {
    let w = World::new();
    let (file, real) = (w.dir.join(".claude/settings.json"), w.dir.join("dotfiles.json"));
    fs::create_dir(w.dir.join(".claude")).unwrap();
    fs::write(&real, "{}").unwrap();
    std::os::unix::fs::symlink("../dotfiles.json", &file).unwrap();
    asked_in_a_pane(&w, "install claude --json");
    let screen = question(&w);
    let asks = format!("Change {}, a link to {}? [y/N]", file.display(), real.display());
    assert!(screen.contains(&asks), "{screen}");
    assert!(
        screen.contains(&format!("+++ {}", real.display())) && screen.contains("hook claude"),
        "{screen}"
    );
    assert_eq!(fs::read_to_string(w.dir.join("out")).unwrap(), "", "standard output is for the document");
    type_line(&w, "web", "y");
    assert_eq!(code(&w), "0");
    let doc: serde_json::Value = serde_json::from_slice(&fs::read(w.dir.join("out")).unwrap()).unwrap();
    assert_eq!(doc["real_file"].as_str(), real.to_str());
    assert!(fs::read_to_string(&real).unwrap().contains("hook claude"));
}

#[test]
fn what_the_cli_writes_while_a_person_thinks_is_not_lost() {
    let w = World::new();
    let file = w.dir.join(".claude/settings.json");
    fs::create_dir(w.dir.join(".claude")).unwrap();
    fs::write(&file, "{}").unwrap();
    asked_in_a_pane(&w, "install claude");
    question(&w);
    fs::write(&file, "{\"model\": \"opus\"}").unwrap();
    type_line(&w, "web", "y");
    assert_eq!(code(&w), "5");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"model\": \"opus\"}");
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_second_install_keeps_what_was_there_before_the_first() {
    let w = World::new();
    let file = w.dir.join("s.json");
    let backup = w.dir.join("s.json.tsup-backup");
    let before = "{ \"model\":\"opus\",\n\n\"hooks\":{} }";
    fs::write(&file, before).unwrap();
    let named = ["--yes", "--file", file.to_str().unwrap()];
    assert_eq!(hooks(&w, &[&["install", "claude"][..], &named].concat()).0, Some(0));
    let first = fs::read_to_string(&file).unwrap();
    assert_eq!(hooks(&w, &[&["install", "claude", "--home", "/other"][..], &named].concat()).0, Some(0));
    assert_ne!(fs::read_to_string(&file).unwrap(), first, "another home is another call");
    assert_eq!(fs::read_to_string(&backup).unwrap(), before);
    assert_eq!(hooks(&w, &[&["uninstall", "claude"][..], &named].concat()).0, Some(0));
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), backup.exists()), (before, false));
}

#[test]
fn a_cli_without_settings_of_a_project_says_so_among_the_others() {
    let w = World::new();
    for scope in ["user", "project"] {
        let (code, out, err) = hooks(&w, &["show", "--scope", scope, "--json"]);
        assert_eq!(code, Some(0), "{scope}: {err}");
        let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
        let rows = shown["hooks"].as_array().unwrap();
        let error = |cli: &str| rows.iter().find(|row| row["cli"] == cli).unwrap()["error"].clone();
        assert_eq!(error("claude"), serde_json::Value::Null);
        let kimi = if scope == "user" {
            serde_json::Value::Null
        } else {
            "kimi has no settings of a project".into()
        };
        assert_eq!(error("kimi"), kimi);
    }
    assert_eq!(hooks(&w, &["show", "kimi", "--scope", "project"]).0, Some(2), "who asks for it is told");
}

#[test]
fn every_cli_takes_its_hooks_and_gives_them_back() {
    let w = World::new();
    let (code, out, err) = hooks(&w, &["show", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rows = shown["hooks"].as_array().unwrap().clone();
    assert!(rows.len() >= 10, "{out}");
    let files: std::collections::BTreeSet<_> = rows.iter().map(|row| row["file"].as_str().unwrap()).collect();
    assert_eq!(files.len(), rows.len(), "each CLI has a file of its own: {out}");
    for row in rows {
        let (cli, file) = (row["cli"].as_str().unwrap(), row["file"].as_str().unwrap());
        assert!(!std::path::Path::new(file).exists(), "{file}");
        let (code, out, err) = hooks(&w, &["install", cli, "--yes", "--json"]);
        assert_eq!(code, Some(0), "{cli}: {err}");
        let doc: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&doc["changed"], doc["file"].as_str()), (&true.into(), Some(file)), "{out}");
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(TSUP) && text.contains(cli), "{text}");
        let (_, out, _) = hooks(&w, &["show", cli]);
        assert!(out.contains("installed, ") && !out.contains("installed, without"), "{out}");
        assert_eq!(hooks(&w, &["uninstall", cli, "--yes"]).0, Some(0), "{cli}");
        assert!(!std::path::Path::new(file).exists(), "{file} was not there before");
    }
}

#[test]
fn settings_that_others_changed_since_keep_the_change() {
    let w = World::new();
    let file = w.dir.join("s.json");
    let named = ["--yes", "--file", file.to_str().unwrap()];
    fs::write(&file, "{\n  \"a\": 1\n}\n").unwrap();
    assert_eq!(hooks(&w, &[&["install", "gemini"][..], &named].concat()).0, Some(0));
    let text = fs::read_to_string(&file).unwrap().replace("\"a\": 1", "\"a\": 2");
    fs::write(&file, text).unwrap();
    assert_eq!(hooks(&w, &[&["uninstall", "gemini"][..], &named].concat()).0, Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\n  \"a\": 2\n}\n");
}

#[test]
fn comments_in_settings_stay_where_they_are() {
    let w = World::new();
    let file = w.dir.join("s.json");
    let named = ["--yes", "--file", file.to_str().unwrap()];
    let odd = "// mine\n{\n  /* the model */ \"model\": \"opus\", // the best\n  \"hooks\": {\n    // soon\n  }\n}\n";
    fs::write(&file, odd).unwrap();
    let (code, _, err) = hooks(&w, &[&["install", "claude"][..], &named].concat());
    assert_eq!(code, Some(0), "{err}");
    let text = fs::read_to_string(&file).unwrap();
    for comment in ["// mine\n", "/* the model */", "// the best\n", "// soon\n"] {
        assert!(text.contains(comment), "{text}");
    }
    assert!(text.contains("hook claude"), "{text}");
    assert_eq!(hooks(&w, &[&["uninstall", "claude"][..], &named].concat()).0, Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), odd);
}

#[test]
fn what_cannot_be_edited_is_refused_and_not_touched() {
    let w = World::new();
    let file = w.dir.join("s.json");
    let path = file.to_str().unwrap();
    for text in ["{\n  \"a\": 1,\n  oops\n}\n", "[]", "\"x\"", "{\"hooks\": 7}"] {
        fs::write(&file, text).unwrap();
        let (code, out, err) = hooks(&w, &["install", "claude", "--yes", "--file", path]);
        assert_eq!((code, out.as_str()), (Some(5), ""), "{text}: {err}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    fs::write(&file, "{\n  \"a\": 1,\n  oops\n}\n").unwrap();
    let (_, _, err) = hooks(&w, &["install", "claude", "--yes", "--file", path]);
    assert!(err.contains(&format!("{path}:3:3: a name in double quotes is expected")), "{err}");
    fs::write(&file, "{\n  \"a\": 1, // one\n}\n").unwrap();
    let (code, _, err) = hooks(&w, &["install", "claude", "--yes", "--file", path]);
    assert_eq!(code, Some(5));
    assert!(err.contains(&format!("{path}:3:1: something is expected behind the comma")), "{err}");
    fs::write(&file, b"\xff\xfe").unwrap();
    assert_eq!(hooks(&w, &["install", "claude", "--yes", "--file", path]).0, Some(5));
    fs::write(&file, "{}").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    for verb in ["install", "uninstall"] {
        let (code, _, err) = hooks(&w, &[verb, "claude", "--yes", "--file", path]);
        let refused = err.contains("is read-only; nothing was written");
        assert_eq!(
            (code, refused),
            if verb == "install" { (Some(5), true) } else { (Some(0), false) },
            "{err}"
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "{}");
    let mine = w.dir.join("tsup.js");
    fs::write(&mine, "// mine\n").unwrap();
    let (code, _, err) = hooks(&w, &["install", "opencode", "--yes", "--file", mine.to_str().unwrap()]);
    assert_eq!(code, Some(5), "{err}");
    let (code, _, err) = hooks(&w, &["install", "nobody", "--yes"]);
    assert_eq!(code, Some(4));
    assert!(err.contains("claude") && err.contains("codex"), "the known ones are listed: {err}");
    assert_eq!(hooks(&w, &["install", "aider", "--yes"]).0, Some(4));
    for by_hand in ["kiro", "goose", "auggie"] {
        let (code, _, err) = hooks(&w, &["install", by_hand, "--yes"]);
        assert_eq!(code, Some(5), "there is such a CLI, and its file is not edited: {err}");
        assert!(err.contains(&format!("tsup hook {by_hand}")), "{err}");
        assert_eq!(hooks(&w, &["show", by_hand]).0, Some(0), "{by_hand}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_a_slip_and_is_not_made() {
    let w = World::new();
    let nowhere = w.dir.join("nonexist");
    let (dir, file) = (nowhere.to_str().unwrap(), nowhere.join("a/b.json"));
    for place in
        [&["--scope", "project", "--dir", dir][..], &["--dir", dir], &["--file", file.to_str().unwrap()]]
    {
        let (code, out, err) = hooks(&w, &[&["install", "claude", "--yes"], place].concat());
        assert_eq!((code, out.as_str()), (Some(4), ""), "{place:?}: {err}");
        assert!(err.contains("there is no folder ") && err.contains(dir), "{err}");
        assert!(!nowhere.exists(), "{place:?}");
    }
    // The CLI's own folder in a project that is there.
    let there = w.dir.to_str().unwrap();
    assert_eq!(hooks(&w, &["install", "claude", "--yes", "--scope", "project", "--dir", there]).0, Some(0));
    assert!(w.dir.join(".claude/settings.json").exists());
}
