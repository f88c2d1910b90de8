//! Configurations that work, and where the others are said to be wrong.

use std::time::Duration;

use super::*;
use crate::settings::tes::{Missed, Overlap, Registries};
use crate::settings::{
    EnvEntry, RestartPolicy, SAMPLE, StatsdSettings, StatsdTarget, TesSettings, session::DEFAULT_ENV,
};
use crate::tes::job::Priority;

fn read(text: &str) -> Result<Settings, SettingsError> {
    parse("tsup.toml", text, &[])
}

fn says(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

fn with_variable(text: &str, name: &str, value: &str) -> Result<Settings, SettingsError> {
    parse("tsup.toml", text, &[(name.into(), value.into())])
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(read("").unwrap(), Settings::default());
}

#[test]
fn the_sample_means_the_defaults() {
    assert_eq!(read(SAMPLE).unwrap(), Settings::default());
}

#[test]
fn the_sample_names_every_key_with_its_default() {
    let is_key = |line: &str| {
        line.starts_with("#[") || line.split_once(" = ").is_some_and(|(k, _)| !k[1..].contains(' '))
    };
    let active: String = SAMPLE
        .lines()
        // What has no default that could stand in a file.
        .filter(|l| {
            !["#dir", "#profiles", "#shadow_profiles", "#session_slots"].iter().any(|key| l.starts_with(key))
        })
        .map(|l| if l.starts_with('#') && is_key(l) { &l[1..] } else { l })
        .fold(String::new(), |all, line| all + line + "\n");
    let settings = read(&active).unwrap();
    assert_eq!(settings.statsd, Some(StatsdSettings::default()));
    let agent = &settings.sessions[0].agents[0];
    assert_eq!((agent.agent.as_str(), agent.cwd.as_str()), ("claude", "."));
    assert_eq!(agent.restart, RestartPolicy::OnFailure);
    assert_eq!(agent.env, DEFAULT_ENV.map(|n| EnvEntry::Pass(n.into())));
    let schedule = &settings.tes.schedules[0];
    assert_eq!((schedule.missed, schedule.overlap, schedule.enabled), (Missed::Once, Overlap::Skip, true));
    assert_eq!((schedule.priority, schedule.jitter), (Priority::Normal, Duration::ZERO));
    assert_eq!(settings.tes.groups["deploy"], 1);
    assert_eq!(settings.tes.registries.files, Registries::default().files);
    let (registries, groups, specialists, schedules) = Default::default();
    let tes = TesSettings { registries, groups, specialists, schedules, ..settings.tes };
    let without = Settings { sessions: vec![], statsd: None, tes, ..settings };
    assert_eq!(without, Settings::default());
}

#[test]
fn every_value_is_read() {
    let s = read(concat!(
        "[tmux]\nsockets = [\"a\", \"/run/t.sock\"]\npush = \"tty\"\n[fleet]\nmissing_grace_seconds = 1.5\n",
        "[[session]]\nname = \"web\"\nsocket = \"/run/t.sock\"\n[[session.agent]]\nname = \"dev\"\nrole = \"pm\"\n",
        "command = [\"sh\", \"-c\", \"x\"]\nrestart = \"always\"\nenv = [\"PATH\", \"K=a=b\"]\n",
        "[statsd]\ntargets = [\"[::1]:9\"]\n",
    ))
    .unwrap();
    assert_eq!(s.fleet.missing_grace, Duration::from_millis(1500));
    assert_eq!(s.socket_of(&s.sessions[0]).0, "/run/t.sock");
    let agent = &s.sessions[0].agents[0];
    assert_eq!(agent.env[1], EnvEntry::Set { name: "K".into(), value: "a=b".into() });
    assert!(!format!("{agent:?}").contains("a=b"), "a value of the environment was shown");
    let statsd = s.statsd.unwrap();
    assert_eq!(statsd.targets, [StatsdTarget::Udp { host: "::1".into(), port: 9 }]);
    assert_eq!(statsd.flush, Duration::from_secs(1));
}

#[test]
fn errors_say_where() {
    assert!(says("[tmux]\nsocket = []\n").starts_with("tsup.toml:2:1: unknown field `socket`"));
    assert!(says("[web]\n").starts_with("tsup.toml:1:2: unknown field `web`"), "{}", says("[web]\n"));
    assert!(says("[[session]]\nname = \"a\"\ncolour = 1\n").starts_with("tsup.toml:3:1: unknown field"));
    assert!(says("[fleet\n").starts_with("tsup.toml:1:7: "), "{}", says("[fleet\n"));
    assert!(says("[tmux]\npush = \"x\"\n").starts_with("tsup.toml:2:8: `tmux.push`: unknown variant"));
    assert!(says("é = 1 1\n").starts_with("tsup.toml:1:"));
    assert!(says("[[session]]\n[[session.agent]]\nname = \"a\"\n").contains("missing field `name`"));
    assert!(!says("[[session]]\n[[session.agent]]\nname = \"a\"\n").contains('\n'));
}

#[test]
fn ranges_name_the_key() {
    for (text, start) in [
        (
            "[fleet]\nmissing_grace_seconds = 0\n",
            "tsup.toml:2:25: `fleet.missing_grace_seconds` is 0 seconds",
        ),
        ("[statsd]\nflush_seconds = 0\n", "tsup.toml:2:17: `statsd.flush_seconds` is 0 seconds"),
        ("[statsd]\nflush_seconds = 1e12\n", "tsup.toml:2:17: `statsd.flush_seconds` is 1000000000000 s"),
        ("[statsd]\nflush_seconds = -1\n", "tsup.toml:2:17: `statsd.flush_seconds`: -1 is not"),
        ("[statsd]\nflush_seconds = inf\n", "tsup.toml:2:17: `statsd.flush_seconds`: inf is not"),
        ("[relaunch]\nmax_restarts = -1\n", "tsup.toml:2:16: `relaunch.max_restarts`: invalid value"),
        ("[relaunch]\nmax_restarts = 1001\n", "tsup.toml:2:16: `relaunch.max_restarts` is 1001"),
        ("[relaunch]\nperiod_seconds = 0\n", "tsup.toml:2:18: `relaunch.period_seconds` is 0"),
        ("[relaunch]\nmax_delay_seconds = 0.5\n", "tsup.toml:2:21: `relaunch.max_delay_seconds` is smaller"),
        ("[log]\nrotate_mb = 0\n", "tsup.toml:2:13: `log.rotate_mb` is 0"),
        ("[log]\nretention_days = 0\n", "tsup.toml:2:18: `log.retention_days` is 0"),
    ] {
        assert!(says(text).starts_with(start), "{}", says(text));
    }
}

#[test]
fn names_are_checked_and_used_once() {
    let session = |name: &str| format!("[[session]]\nname = \"{name}\"\n");
    for bad in ["", "-x", "a b", "a:b", "a.b", "#(x)", "é", &"x".repeat(65)] {
        assert!(read(&session(bad)).is_err(), "{bad:?}");
    }
    assert!(read(&session(&"x".repeat(64))).is_ok());
    assert!(
        says(&(session("a") + &session("a"))).starts_with("tsup.toml:4:8: `session[1].name` `a` is declared")
    );
    let twins = session("a") + "[[session.agent]]\nname = \"x\"\n[[session.agent]]\nname = \"x\"\n";
    assert!(says(&twins).starts_with("tsup.toml:6:8: `session[0].agent[1].name` `x` is declared twice"));
    assert!(says(&(session("a") + "socket = \"other\"\n")).contains("is not one of `tmux.sockets`"));
    for bad in ["[]", "[\"\"]", "[\"a/b\"]", "[\"a\", \"a\"]", "[\"..\"]", "[\"a\\u0007\"]"] {
        assert!(read(&format!("[tmux]\nsockets = {bad}\n")).is_err(), "{bad}");
    }
}

#[test]
fn agents_with_unfit_parts_are_refused() {
    let agent = |line: &str| format!("[[session]]\nname = \"a\"\n[[session.agent]]\nname = \"x\"\n{line}\n");
    for bad in [
        "command = [\"\"]",
        "command = [\"a\\u0000\"]",
        "cwd = \"\"",
        "role = \"a b\"",
        "agent = \"../x\"",
        "env = [\"1A\"]",
        "env = [\"A\", \"A=1\"]",
        "env = [\"=x\"]",
        "restart = \"sometimes\"",
    ] {
        let error = read(&agent(bad)).unwrap_err();
        assert!(error.to_string().starts_with("tsup.toml:5:"), "{bad}: {error}");
    }
}

#[test]
fn jobs_have_bounds_and_schedules() {
    let s = read(concat!(
        "[tes]\nregistries = [\"a.json\"]\nslots = 8\nsession_slots = 2\n[tes.groups]\n\"a b\" = 3\n",
        "[[tes.schedule]]\nname = \"n\"\nscript = \"r/n\"\nevery = \"1h 30m\"\ninputs = { a = 1, b = [true] }\n",
        "overlap = \"replace\"\nmissed = \"all\"\npriority = \"batch\"\njitter = \"5s\"\nenabled = false\n",
    ))
    .unwrap()
    .tes;
    assert_eq!((s.slots, s.session_slots, s.groups["a b"]), (8, Some(2), 3));
    assert_eq!((s.registries.files.as_slice(), s.registries.named), (["a.json".to_owned()].as_slice(), true));
    let schedule = &s.schedules[0];
    assert_eq!(schedule.every, Some(Duration::from_secs(5400)));
    assert_eq!(schedule.inputs["b"][0], true);
    assert_eq!((schedule.overlap, schedule.missed), (Overlap::Replace, Missed::All));
    assert_eq!(schedule.place.0, "tsup.toml:7:1", "so that its mistakes can be found");
    assert_eq!(with_variable("", "TSUP_TES__SLOTS", "9").unwrap().tes.slots, 9);
}

#[test]
fn what_is_wrong_with_jobs_is_located() {
    let schedule = |line: &str| format!("[[tes.schedule]]\nname = \"n\"\nscript = \"s\"\n{line}\n");
    for (text, start) in [
        ("[tes]\nslots = 0\n".to_owned(), "tsup.toml:2:9: `tes.slots` is 0, it must be from 1 to 10000"),
        ("[tes]\nsession_slots = 0\n".into(), "tsup.toml:2:17: `tes.session_slots` is 0"),
        ("[tes.groups]\n\"a b\" = 0\n".into(), "tsup.toml:2:9: `tes.groups.\"a b\"` is 0"),
        ("[tes]\nregistries = [\"a\", \"a\"]\n".into(), "tsup.toml:2:20: `tes.registries[1]` is named twice"),
        ("[tes]\nqueues = 1\n".into(), "tsup.toml:2:1: unknown field `queues`"),
        (schedule(""), "tsup.toml:1:1: `tes.schedule[0]` says neither `cron` nor `every`"),
        (schedule("every = \"1s\"\ncron = \"* * * * *\""), "tsup.toml:4:9: `tes.schedule[0].every` stands"),
        (schedule("cron = \"0 9 * *\""), "tsup.toml:4:8: `tes.schedule[0].cron` has 4 fields"),
        (schedule("every = \"0s\""), "tsup.toml:4:9: `tes.schedule[0].every` is 0 seconds"),
        (schedule("every = \"soon\""), "tsup.toml:4:9: `tes.schedule[0].every`: `soon` is not a span"),
        (schedule("every = \"1s\"\njitter = \"2s\""), "tsup.toml:5:10: `tes.schedule[0].jitter` is longer"),
        (schedule("every = \"1s\"\ntimezone = \"UTC\""), "tsup.toml:5:12: `tes.schedule[0].timezone` is for"),
        (schedule("every = \"1s\"\nmissed = \"two\""), "tsup.toml:5:10: `tes.schedule[0].missed`: unknown"),
        (schedule("every = \"1s\"\ncolour = 1"), "tsup.toml:5:1: unknown field `colour`"),
        (schedule("every = \"1s\"").repeat(2), "tsup.toml:6:8: `tes.schedule[1].name` `n` is declared twice"),
    ] {
        assert!(says(&text).starts_with(start), "{}", says(&text));
    }
}

#[test]
fn words_of_other_versions_are_refused_by_name() {
    let text = says("[fleet]\nstrategy = \"polling\"\n");
    assert_eq!(
        text,
        "tsup.toml:2:12: `fleet.strategy`: the strategy `polling` is not part of this version, use one of: event"
    );
    assert!(says("[fleet]\nadopt = \"own\"\n").contains("not part of this version"));
    assert!(says("[statsd]\ndialect = \"klingon\"\n").contains("there is no dialect of this name"));
    assert!(says("[statsd]\ntargets = [\"sctp://h:1\"]\n").contains("not a transport of this version"));
}

#[test]
fn variables_override_and_are_named_when_wrong() {
    let file = "[relaunch]\nmax_restarts = 3\n";
    assert_eq!(with_variable(file, "TSUP_RELAUNCH__MAX_RESTARTS", "7").unwrap().relaunch.max_restarts, 7);
    assert_eq!(with_variable(file, "TSUP_HOME", "/x").unwrap().relaunch.max_restarts, 3);
    let sockets = with_variable("", "TSUP_TMUX__SOCKETS", "a, b").unwrap().tmux.sockets;
    assert_eq!(sockets.iter().map(|s| s.0.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(with_variable("", "TSUP_STATSD__PREFIX", "123").unwrap().statsd.unwrap().prefix, "123");
    for (name, value) in [
        ("TSUP_RELAUNCH__MAX_RESTARTS", "many"),
        ("TSUP_RELAUNCH__MAX_RESTARTS", "100000"),
        ("TSUP_RELAUNCH__COLOUR", "1"),
        ("TSUP_WEB__ENABLED", "true"),
        ("TSUP_SESSION__NAME", "x"),
        ("TSUP___", ""),
    ] {
        let error = with_variable(file, name, value).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{name}: ")), "{error}");
    }
}

#[test]
fn the_variables_of_the_former_system_set_the_target() {
    let target = |name: &str, value: &str| {
        with_variable("", name, value).map(|s| s.statsd.map(|s| s.targets[0].to_string()))
    };
    assert_eq!(target("METACLAUDE_METRICS_HOST", "stats").unwrap().unwrap(), "udp://stats:8125");
    assert_eq!(target("METACLAUDE_METRICS_PORT", "9125").unwrap().unwrap(), "udp://127.0.0.1:9125");
    assert_eq!(target("METACLAUDE_METRICS_HOST", "").unwrap(), None);
    let error = target("METACLAUDE_METRICS_PORT", "many").unwrap_err();
    assert!(error.to_string().starts_with("METACLAUDE_METRICS_PORT: "), "{error}");
    let error = target("METACLAUDE_METRICS_HOST", "a b").unwrap_err();
    assert!(error.to_string().starts_with("METACLAUDE_METRICS_HOST: "), "{error}");
    let log = with_variable("", "METACLAUDE_LOG_DIR", "/l").unwrap().log;
    assert_eq!(log.dir.as_deref(), Some("/l"));
}

#[test]
fn an_error_of_the_configuration_exits_2() {
    let error: UserError = read("[web]\n").unwrap_err().into();
    assert_eq!(error.exit, Exit::Usage);
    assert!(error.hint.is_some());
}
