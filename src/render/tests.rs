//! Every screen as people see it, in terminals of 80 and 120 columns and in a pipe.

use std::collections::BTreeMap;

use tsup_core::clock::Wall;
use tsup_core::fleet::state::{AgentState, Detail};
use tsup_core::ids::{AgentId, SocketName};
use tsup_core::wire::doc::{
    AgentDoc, AgentsDoc, MailboxDoc, MetricsDoc, Node, NodeKind, NodeState, SessionDoc, SessionsDoc,
    StatusDoc, TimerDoc, TreeDoc, VERSION,
};
use unicode_width::UnicodeWidthStr;

use super::*;

pub(super) const NOW: Wall = Wall::from_unix_ms(1_795_225_162_138);

/// The screen at each width, one under the other.
pub(super) fn screens(draw: impl Fn(Look) -> String) -> String {
    let mut out = String::new();
    for width in [Some(80), Some(120), None] {
        let text = draw(Look { color: false, width });
        if let Some(width) = width {
            for line in text.lines() {
                assert!(line.width() <= width, "wider than {width}: {line}");
            }
        }
        let _ = writeln!(out, "== {}\n{text}", width.map_or_else(|| "pipe".into(), |w: usize| w.to_string()));
    }
    out
}

fn agent(session: &str, name: &str, state: AgentState, detail: Option<Detail>, seconds: i64) -> AgentDoc {
    AgentDoc {
        id: AgentId::owned(&SocketName("default".into()), session, name),
        session: session.into(),
        name: name.into(),
        role: Some("developer".into()),
        agent: "claude".into(),
        pane: "%1".into(),
        pid: Some(41_234),
        state,
        detail,
        since: Wall::from_unix_ms(NOW.unix_ms() - seconds * 1000),
        confidence: 1.0,
        owned: true,
        paused: false,
        relaunches: 0,
        cpu_percent: Some(3.25),
        rss_bytes: Some(312_000_000),
        last_activity: None,
        title: "✳ Refactor the parser".into(),
        context_percent: None,
        context_tokens: None,
        input_tokens: None,
        output_tokens: None,
        limit_resets_at: None,
    }
}

fn agents_doc() -> AgentsDoc {
    let hostile = AgentDoc {
        role: None,
        pid: None,
        cpu_percent: None,
        rss_bytes: None,
        paused: true,
        title: "\x1b]0;evil\x07 \u{202E}gnp.exe and then a very long tail that nobody will ever want to read"
            .into(),
        ..agent("日本語", "qa", AgentState::Crashed, Some(Detail::Signal), 3_725)
    };
    let agents = vec![
        agent("web", "dev", AgentState::Busy, Some(Detail::Output), 12),
        agent("web", "pm-of-the-whole-team", AgentState::Waiting, Some(Detail::Permission), 900),
        agent("api", "dev", AgentState::Idle, None, 200_000),
        hostile,
    ];
    AgentsDoc { version: VERSION, agents }
}

#[test]
fn agents_screen() {
    insta::assert_snapshot!(screens(|look| agents::draw(&agents_doc(), NOW, look)));
}

#[test]
fn no_agents_screen() {
    let doc = AgentsDoc { version: VERSION, agents: vec![] };
    insta::assert_snapshot!(agents::draw(&doc, NOW, Look { color: false, width: None }));
}

#[test]
fn colour_stands_beside_words() {
    let plain = agents::draw(&agents_doc(), NOW, Look { color: false, width: Some(120) });
    let colored = agents::draw(&agents_doc(), NOW, Look { color: true, width: Some(120) });
    assert!(!plain.contains('\x1b'), "a pane's title reached the terminal as it is");
    assert!(colored.contains("\x1b[32mbusy output"));
    assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
}

#[test]
fn sessions_screen() {
    let session = |name: &str, present: bool| SessionDoc {
        name: name.into(),
        id: "$3".into(),
        socket: "default".into(),
        owned: present,
        panes: 4,
        agents: BTreeMap::from([("busy".into(), 2), ("idle".into(), 1), ("exited".into(), 0)]),
        present,
    };
    let doc =
        SessionsDoc { version: VERSION, sessions: vec![session("web", true), session("a\x1b[2Jb", false)] };
    insta::assert_snapshot!(screens(|look| sessions::draw(&doc, look)));
}

fn node(path: &str, kind: NodeKind, state: NodeState, children: Vec<Node>) -> Node {
    let strategy = (kind == NodeKind::Supervisor).then(|| "one_for_one".into());
    Node {
        path: path.into(),
        kind,
        strategy,
        state,
        restarts: 0,
        restarts_in_window: 0,
        uptime_seconds: 3_725.0,
        next_restart_in_seconds: None,
        last_error: None,
        mailbox: MailboxDoc::default(),
        children,
    }
}

#[test]
fn tree_screen() {
    use NodeKind::{Actor, Supervisor};
    use NodeState::{BackingOff, Quarantined, Running};
    let mut statsd = node("root/system/telemetry/statsd", Actor, BackingOff, vec![]);
    statsd.restarts = 3;
    statsd.next_restart_in_seconds = Some(0.8);
    statsd.last_error =
        Some("panicked: \x1b[31mthe receiver said something that nobody has ever said before".into());
    let mut dev = node("root/system/fleet/web/dev", Actor, Quarantined, vec![]);
    dev.restarts = 1;
    dev.mailbox = MailboxDoc { depth: 2, capacity: 10, refused: 3, dropped: 4 };
    let web = node("root/system/fleet/web", Supervisor, Running, vec![dev]);
    let system = node(
        "root/system",
        Supervisor,
        Running,
        vec![
            node("root/system/telemetry", Supervisor, Running, vec![statsd]),
            node("root/system/fleet", Supervisor, Running, vec![web]),
        ],
    );
    let root = node("root", Supervisor, Running, vec![node("root/store", Actor, Running, vec![]), system]);
    let doc = TreeDoc { version: VERSION, root };
    insta::assert_snapshot!(screens(|look| tree::draw(&doc, look)));
}

#[test]
fn metrics_screen() {
    let timer = TimerDoc {
        count: 1200,
        mean_seconds: 0.0034,
        deviation_seconds: 0.001,
        p50_seconds: 0.003,
        p90_seconds: 0.006,
        p95_seconds: 0.008,
        p99_seconds: 0.02,
        max_seconds: 1.5,
    };
    let doc = MetricsDoc {
        version: VERSION,
        since: Wall::from_unix_ms(NOW.unix_ms() - 60_000),
        counters: BTreeMap::from([("agent.relaunches".into(), 3), ("tmux.commands".into(), 123_456)]),
        gauges: BTreeMap::from([
            ("agents.busy".into(), 2.0),
            ("mailbox.depth;actor=root/system/fleet".into(), 0.5),
        ]),
        timers: BTreeMap::from([("tmux.latency_seconds".into(), timer)]),
    };
    insta::assert_snapshot!(screens(|look| metrics::draw(&doc, NOW, look)));
}

#[test]
fn status_screen() {
    let doc = StatusDoc {
        version: VERSION,
        running: true,
        pid: 4242,
        started_at: NOW,
        uptime_seconds: 93_784.0,
        home: "/home/u/.local/state/tsup".into(),
        socket: "/home/u/.local/state/tsup/ctl.sock".into(),
        supervisor_version: "0.1.0".into(),
        ready: true,
        degraded: vec![
            "no tmux server answers on socket default".into(),
            "statsd: connection refused".into(),
        ],
        agents: BTreeMap::from([("busy".into(), 2), ("idle".into(), 3)]),
        jobs: BTreeMap::new(),
    };
    insta::assert_snapshot!(status::draw(&doc, Look { color: false, width: Some(80) }));
}

#[test]
fn errors_are_two_lines_and_escaped() {
    let error = UserError::new(Exit::Failed, "bad \x1b[31mthing").hint("do this");
    assert_eq!(error_text(&error), "tsup: bad \\u{1b}[31mthing\n  hint: do this");
}

#[test]
fn an_error_is_a_document_for_programs() {
    let error = UserError::new(Exit::Refused, "no room").hint("wait");
    let text = |error: &UserError| serde_json::to_string(&fault::FaultDoc::of(error)).unwrap();
    let (head, tail) = (
        r#"{"version":1,"error":{"category":null,"message":"no room","context":{"exit_code":5},"suggestions":["wait"],"#,
        r#""stack_trace":null,"retry":null,"retry_after_seconds":"#,
    );
    assert_eq!(text(&error), format!("{head}{tail}null}}}}"));
    let later = error.retry_after(std::time::Duration::from_millis(1500));
    assert_eq!(text(&later), format!("{head}{tail}1.5}}}}"));
}

#[test]
fn schedules_at_each_width() {
    use tsup_core::ids::JobId;
    use tsup_core::tes::job::JobState;
    use tsup_core::wire::doc::schedules::{ScheduleDoc, SchedulesDoc};
    let ms = |seconds: i64| Some(Wall::from_unix_ms(NOW.unix_ms() + seconds * 1000));
    let nightly = ScheduleDoc {
        name: "nightly".into(),
        script: "reports/nightly".into(),
        cron: Some("0 2 * * mon-fri".into()),
        every_seconds: None,
        timezone: Some("Europe/Berlin".into()),
        enabled: true,
        next_at: ms(84_000),
        last_at: ms(-2_400),
        last_job: Some(JobId::drawn(0xab)),
        last_state: Some(JobState::Succeeded),
        skipped: 0,
        problem: None,
    };
    let pulse = ScheduleDoc {
        name: "pulse".into(),
        script: "health/pulse".into(),
        cron: None,
        every_seconds: Some(900.0),
        timezone: None,
        enabled: false,
        last_at: None,
        last_job: None,
        last_state: None,
        next_at: None,
        ..nightly.clone()
    };
    let lost = ScheduleDoc {
        name: "lost".into(),
        timezone: Some("Mars/Base".into()),
        next_at: None,
        problem: Some("there is no time zone \"Mars/Base\" in this machine's database".into()),
        ..nightly.clone()
    };
    let doc = SchedulesDoc { version: VERSION, schedules: vec![nightly, pulse, lost] };
    insta::assert_snapshot!(screens(|look| schedules::draw(&doc, NOW, look)));
    let none = SchedulesDoc { version: VERSION, schedules: vec![] };
    assert!(schedules::draw(&none, NOW, Look { color: false, width: None }).starts_with("no schedules"));
}
