use super::*;

const CLAUDE: &str = r#"
version = 1
name = "claude"
title = "Claude Code"
[recognise]
names = ["claude"]
scripts = ["claude"]
paths = ["@anthropic-ai/claude-code", "claude/versions"]
version_named = true
[launch]
command = ["claude"]
"#;
const AIDER: &str = r#"
version = 1
name = "aider"
title = "aider"
[recognise]
names = ["aider"]
scripts = ["aider"]
modules = ["aider"]
weak_names = ["a"]
weak_arguments = ["chat"]
titles = ["aider"]
[launch]
command = ["aider"]
"#;

fn profiles() -> Profiles {
    let (profiles, errors) = Profiles::parse([("claude.toml", CLAUDE), ("aider.toml", AIDER)]);
    assert!(errors.is_empty(), "{errors:?}");
    profiles
}

fn proc(pid: u32, parent: u32, group: u32, comm: &str, argv: &[&str]) -> Proc {
    Proc {
        id: ProcId { pid, start_ticks: u64::from(pid) },
        parent,
        group,
        foreground: 20,
        zombie: false,
        comm: comm.into(),
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
    }
}

fn one(comm: &str, argv: &[&str]) -> Option<(String, Rule)> {
    titled(comm, argv, "")
}

fn titled(comm: &str, argv: &[&str], title: &str) -> Option<(String, Rule)> {
    let tree = ProcTree::new([proc(20, 1, 20, comm, argv)]);
    recognise(&profiles(), &tree, 20, &title.into()).map(|f| (f.profile.to_string(), f.rule))
}

fn by_claude(rule: Rule) -> (String, Rule) {
    ("claude".into(), rule)
}

#[test]
fn a_process_is_known_by_what_it_is() {
    assert_eq!(one("claude", &["claude", "--resume"]), Some(by_claude(Rule::Name)));
    assert_eq!(one("claude", &[]), Some(by_claude(Rule::Name)));
    assert_eq!(one("x", &["/home/u/.local/bin/claude"]), Some(by_claude(Rule::Name)));
    assert_eq!(one("node", &["claude"]), Some(by_claude(Rule::Name)), "a program may rename itself");
    assert_eq!(one("MainThread", &["node", "/usr/bin/claude"]), Some(by_claude(Rule::Script)));
    assert_eq!(
        one("node", &["node", "--no-warnings", "-r", "x", "/usr/bin/claude"]),
        Some(by_claude(Rule::Script))
    );
    assert_eq!(one("bun", &["bun", "run", "/opt/claude.js"]), Some(by_claude(Rule::Script)));
    assert_eq!(
        one("node", &["node", "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js"]),
        Some(by_claude(Rule::Path))
    );
    assert_eq!(one("x", &["/home/u/.local/share/claude/versions/2.1.34"]), Some(by_claude(Rule::Path)));
    assert_eq!(one("2.1.34", &["2.1.34"]), Some(by_claude(Rule::Version)));
    assert_eq!(one("python3.12", &["python3.12", "-m", "aider"]), Some(("aider".into(), Rule::Module)));
    assert_eq!(one("python3", &["python3", "-u", "/usr/bin/aider"]), Some(("aider".into(), Rule::Script)));
    assert_eq!(one("bash", &["bash", "/opt/claude"]), Some(by_claude(Rule::Script)));
}

#[test]
fn what_only_mentions_an_agent_is_none() {
    assert_eq!(one("sh", &["sh", "-c", "claude"]), None);
    assert_eq!(one("vim", &["vim", "claude"]), None);
    assert_eq!(one("less", &["less", "/home/u/claude/versions"]), None);
    assert_eq!(one("bash", &["-bash"]), None);
    assert_eq!(one("node", &["node", "server.js", "claude"]), None);
    assert_eq!(one("grep", &["grep", "claude"]), None);
    assert_eq!(titled("bash", &["bash"], "✳ claude"), None, "a title alone proves nothing");
    assert_eq!(one("1.2", &["1.2"]), None);
    assert_eq!(one("a", &["a"]), None);
}

#[test]
fn a_common_name_counts_with_an_argument_or_a_title() {
    let weak = Some(("aider".to_owned(), Rule::Weak));
    assert_eq!(one("a", &["a", "chat"]), weak);
    assert_eq!(titled("a", &["a"], "aider in web"), weak);
}

#[test]
fn a_shell_may_stand_between_and_tools_do_not_count() {
    let tree = ProcTree::new([
        proc(10, 1, 10, "zsh", &["-zsh"]),
        proc(20, 10, 20, "claude", &["claude"]),
        proc(30, 20, 20, "aider", &["aider"]),
    ]);
    let mut tree = tree;
    for pid in [10, 20, 30] {
        tree.get_mut(pid).unwrap().foreground = 20;
    }
    let found = recognise(&profiles(), &tree, 10, &"".into()).unwrap();
    assert_eq!((&*found.profile, found.process.pid), ("claude", 20));
    assert!(recognise(&profiles(), &tree, 99, &"".into()).is_none());
}

#[test]
fn the_foreground_comes_first_and_the_dead_do_not_count() {
    let mut tree = ProcTree::new([
        proc(10, 1, 10, "bash", &["bash"]),
        proc(11, 10, 11, "claude", &["claude"]),
        proc(20, 10, 20, "aider", &["aider"]),
    ]);
    let found = recognise(&profiles(), &tree, 10, &"".into()).unwrap();
    assert_eq!(&*found.profile, "aider");
    tree.get_mut(20).unwrap().zombie = true;
    let found = recognise(&profiles(), &tree, 10, &"".into()).unwrap();
    assert_eq!(&*found.profile, "claude");
}

fn errors_of(text: &str) -> Vec<ProfileError> {
    Profiles::parse([("x.toml", text)]).1
}

#[test]
fn errors_tell_file_line_and_column_and_the_rest_keeps_working() {
    let unknown = CLAUDE.replace("scripts =", "skripts =");
    let broken = "version = 1\nname = [\n";
    let newer = CLAUDE.replace("version = 1", "version = 2");
    let (profiles, errors) = Profiles::parse([
        ("a.toml", unknown.as_str()),
        ("b.toml", broken),
        ("c.toml", newer.as_str()),
        ("d.toml", AIDER),
    ]);
    assert_eq!(profiles.names().collect::<Vec<_>>(), ["aider"]);
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("a.toml:7:1: unknown field `skripts`"), "{}", told[0]);
    assert!(told[1].starts_with("b.toml:2:"), "{}", told[1]);
    assert!(told[2].starts_with("c.toml:2:11: profile format 2 is not known"), "{}", told[2]);
    let nameless = CLAUDE.replace("name = \"claude\"", "name = \"Claude Code\"");
    assert!(errors_of(&nameless)[0].what.contains("a word"));
    let idle = CLAUDE.replace("command = [\"claude\"]", "command = []");
    assert_eq!(errors_of(&idle)[0].line, 10);
}

proptest::proptest! {
    #[test]
    fn no_command_line_breaks_it(comm in ".{0,20}", argv in proptest::collection::vec(".{0,30}", 0..6)) {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let _ = titled(&comm, &argv, &comm);
    }

    #[test]
    fn no_file_breaks_the_loader(text in ".{0,200}") {
        let _ = Profiles::parse([("x.toml", text.as_str())]);
    }
}
