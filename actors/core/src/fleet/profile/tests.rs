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
paths = ["aider/versions"]
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
    // An interpreter under the common name, with the CLI's own script behind its options.
    let script = "/home/u/.local/share/aider/versions/1.2/index.js";
    let of = |name: &str| one("MainThread", &[name, "--use-system-ca", script, "--resume"]);
    assert_eq!(of("/home/u/.local/bin/a"), weak);
    assert_eq!(of("/home/u/.local/bin/b"), None, "the path alone is an argument like any other");
    assert_eq!(one("a", &["a", "--use-system-ca", "/home/u/a/index.js"]), None);
    assert_eq!(one("a", &["a", "1", "2", "3", "4", script]), None, "too far behind");
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

const RULES: &str = r#"
version = 1
name = "brew"
[[composer]]
id = "prompt"
shape = "bare"
prompts = ["brew>"]
[[spinner]]
id = "steeping"
glyphs = "~"
[[rule]]
id = "error"
in = "last"
any = ["kettle", '/\Aspill (\d+)/']
says = "error"
"#;

#[test]
fn broken_rules_are_told_with_their_place_and_left_out() {
    let cases = [
        ("in = \"last\"", "in = \"attic\"", "13:6: this rule is left out: unknown variant `attic`"),
        ("in = \"last\"", "in = []", "13:6: this rule is left out: name at least one region"),
        (r"(\d+)/", r"(\d+/", "14:7: this rule is left out: `/\\Aspill (\\d+/`: the pattern cannot be read"),
        ("says = \"error\"", "says = \"happy\"", "15:8: this rule is left out: `happy` is no state"),
        ("says = \"error\"", "says = \"error/plan\"", "`error` has no details"),
        ("says = \"error\"", "says = \"busy/plan\"", "`plan` is no detail of busy; take one of thinking"),
        ("\"kettle\"", "\" \"", "it has no words"),
        ("\"kettle\"", "\"/((a{1000}){1000}){1000}/\"", "the pattern cannot be read"),
        ("any = [", "some = [", "14:1: this rule is left out: unknown field `some`"),
        ("id = \"error\"", "id = \"An Error\"", "the id of this rule is a word"),
        ("glyphs = \"~\"", "glyphs = 3", "this spinner is left out"),
        (
            "shape = \"bare\"",
            "labels = 9000000000000000000\nshape = \"bare\"",
            "a composer has at most 120 lines",
        ),
        ("shape = \"bare\"", "shape = \"round\"", "6:9: this composer is left out: unknown variant `round`"),
    ];
    for (old, new, told) in cases {
        let (profiles, errors) = Profiles::parse([("x.toml", RULES.replacen(old, new, 1).as_str())]);
        assert_eq!(errors.len(), 1, "{new}: {errors:?}");
        assert!(errors[0].to_string().contains(told), "{new}: {}", errors[0]);
        let rules = &profiles.get("brew").unwrap().rules;
        assert_eq!(rules.composers.len() + rules.spinners.len() + rules.rules.len(), 2, "{new}");
    }
}

#[test]
fn a_file_extends_or_replaces_another() {
    let over = r#"
version = 1
name = "brew"
extends = "brew"
aliases = ["tea"]
drops = ["steeping"]
[[rule]]
id = "error"
in = "dialog"
says = "limited"
[[rule]]
id = "more"
in = "title"
any = ["x"]
says = "busy"
"#;
    let shipped = Profiles::parse([("a.toml", RULES)]).0;
    let (profiles, errors) = shipped.over([("b.toml", over)]);
    assert!(errors.is_empty(), "{errors:?}");
    let laid = profiles.get("tea").unwrap();
    let ids: Vec<&str> = laid.rules.rules.iter().map(|r| &*r.name).collect();
    assert_eq!(ids, ["brew.more", "brew.error"]);
    assert_eq!(laid.rules.rules[1].regions, [Region::Dialog]);
    assert_eq!((laid.rules.spinners.len(), laid.rules.composers.len()), (0, 1));
    let new = over.replace("name = \"brew\"", "name = \"green\"");
    let (profiles, _) = Profiles::parse([("a.toml", RULES), ("b.toml", &new)]);
    assert_eq!(profiles.names().collect::<Vec<_>>(), ["brew", "green"]);
    assert_eq!(&*profiles.get("green").unwrap().rules.rules[1].name, "green.error");
    assert_eq!(profiles.get("brew").unwrap().rules.spinners.len(), 1, "the base stays as it was");
    let lost = over.replace("extends = \"brew\"", "extends = \"coffee\"");
    let error = errors_of(&lost).remove(0);
    assert_eq!(error.line, 4);
    assert!(error.what.contains("no profile `coffee` to extend"), "{}", error.what);
    let whole = RULES.replace("id = \"error\"", "id = \"fault\"");
    let (profiles, _) = shipped.over([("b.toml", &*whole)]);
    assert_eq!(&*profiles.get("brew").unwrap().rules.rules[0].name, "brew.fault");
}

/// A profile of that name that extends another.
fn extending(name: &str, base: &str) -> String {
    format!("version = 1\nname = \"{name}\"\nextends = \"{base}\"\n")
}

#[test]
fn the_order_of_the_files_plays_no_part() {
    let shipped = Profiles::parse([("brew.toml", RULES)]).0;
    let tea =
        format!("{}[[rule]]\nid = \"own\"\nin = \"last\"\nsays = \"error\"\n", extending("brew", "brew"));
    let (green, mint) = (extending("green", "brew"), extending("mint", "green"));
    let files = [("a.toml", &*mint), ("b.toml", &*green), ("c.toml", &*tea)];
    let (one, errors) = shipped.over(files);
    assert!(errors.is_empty(), "{errors:?}");
    let (other, errors) = shipped.over(files.into_iter().rev());
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(one, other);
    let mint = one.get("mint").unwrap();
    assert_eq!(&*mint.rules.rules[0].name, "mint.own", "it lies over the changed profile");
    assert_eq!((&*mint.family, one.family("green"), one.family("nobody")), ("brew", "brew", "nobody"));
    assert_eq!(one.family("brew"), "brew");
}

#[test]
fn a_circle_is_told_as_one_and_harms_no_other() {
    let (a, b, c) = (extending("a", "b"), extending("b", "a"), extending("c", "a"));
    let files = [("a.toml", &*a), ("b.toml", &*b), ("c.toml", &*c), ("brew.toml", RULES)];
    let (profiles, errors) = Profiles::parse(files);
    assert_eq!(profiles.names().collect::<Vec<_>>(), ["brew"]);
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "a.toml:3:11: the file is left out: a extends b extends a, which has no end",
            "b.toml:3:11: the file is left out: a extends b extends a, which has no end",
            "c.toml:3:11: the file is left out: the profile `a` that it extends cannot be used",
        ]
    );
    let itself = errors_of(&extending("a", "a")).remove(0).what;
    assert!(itself.starts_with("there is no other profile `a` to extend"), "{itself}");
    let many: Vec<(String, String)> =
        (0..40).map(|n| (format!("{n}.toml"), extending(&format!("p{n}"), &format!("p{}", n + 1)))).collect();
    let base = RULES.replace("brew\"", "p40\"");
    let files = many.iter().map(|(file, text)| (&**file, &**text)).chain([("p.toml", &*base)]);
    let (profiles, errors) = Profiles::parse(files);
    assert_eq!(profiles.names().count(), 1 + limits::PROFILE_EXTENDS_MAX);
    assert!(errors.iter().any(|e| e.what.contains("more than 8 profiles extend each other")), "{errors:?}");
}

#[test]
fn of_two_files_of_one_name_the_one_that_is_called_so_counts_and_the_other_is_told() {
    let titled = |title: &str| format!("version = 1\nname = \"brew\"\ntitle = \"{title}\"\n");
    let (first, second) = (titled("First"), titled("Second"));
    for (names, title, told) in [
        (["/p/a.toml", "/p/b.toml"], "First", "/p/b.toml:2:8: the file is left out: /p/a.toml has the name"),
        (["/p/a.toml", "/p/brew.toml"], "Second", "/p/a.toml:2:8: the file is left out: /p/brew.toml has"),
        (["/p/brew.toml", "/p/c.toml"], "First", "/p/c.toml:2:8: the file is left out: /p/brew.toml has"),
    ] {
        let (profiles, errors) = Profiles::parse([(names[0], &*first), (names[1], &*second)]);
        assert_eq!(profiles.get("brew").unwrap().title, title, "{names:?}");
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].to_string().starts_with(told), "{}", errors[0]);
    }
    assert!(
        Profiles::parse([("brew.toml", RULES)]).0.over([("x.toml", RULES)]).1.is_empty(),
        "a layer replaces"
    );
}

#[test]
fn a_file_with_much_wrong_is_told_of_in_part() {
    let text = format!("version = 1\nname = \"brew\"\n{}", "[[rule]]\n".repeat(20_000));
    let errors = errors_of(&text);
    assert_eq!(errors.len(), limits::PROFILE_ERRORS_MAX + 1);
    assert!(errors.iter().any(|e| e.to_string() == "x.toml: more is wrong with it; mend this first"));
}

#[test]
fn the_reference_names_every_key() {
    let reference = include_str!("../../../../../docs/reference/profiles.md");
    let tables = ["", "[recognise]", "[launch]", "[screen]", "[[composer]]", "[[spinner]]", "[[rule]]"];
    for table in tables {
        let told =
            errors_of(&format!("version = 1\nname = \"x\"\n{table}\nno_such_key = 1\n")).remove(0).what;
        let keys: Vec<&str> = told.split('`').skip(3).step_by(2).collect();
        assert!(!keys.is_empty(), "{table}: {told}");
        for key in keys {
            let known = reference.contains(&format!("`{key}`")) || reference.contains(&format!("[{key}]"));
            assert!(known, "docs/reference/profiles.md says nothing of `{key}` in {table}");
        }
    }
    let variants = errors_of(&RULES.replace("in = \"last\"", "in = \"attic\"")).remove(0).what;
    for region in variants.split('`').skip(3).step_by(2) {
        assert!(reference.contains(&format!("| `{region}` |")), "no region {region}");
    }
}

#[test]
fn the_guide_holds_what_it_says() {
    let guide = include_str!("../../../../../docs/guides/teach-an-agent.md");
    let blocks: Vec<&str> = guide.split("```").skip(1).step_by(2).collect();
    let screen = blocks.iter().find(|block| block.contains("Steeping...")).unwrap();
    let profile = blocks.iter().find(|block| block.contains("name = \"brew\"")).unwrap();
    let (profiles, errors) = Profiles::parse([("brew.toml", profile.trim_start_matches("toml"))]);
    assert!(errors.is_empty(), "{errors:?}");
    let shot = crate::fleet::screen::Shot { text: screen.trim_start().into(), ..Default::default() };
    let read = crate::fleet::screen::classify(profiles.get("brew").unwrap(), &shot);
    assert_eq!(read.verdict.to_string(), "busy (thinking)");
    assert_eq!(&*read.claims[0].rule, "brew.steeping");
}
