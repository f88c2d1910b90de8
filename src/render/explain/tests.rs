use tsup_core::fleet::state::{AgentState, Detail};
use tsup_core::ids::{AgentId, SocketName};
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::explain::{ChangeDoc, ExplainNotes};

use super::*;

const NOW: Wall = Wall::from_unix_ms(1_795_225_162_138);
const NO_HOOKS: &str = "hooks: none was called by this process; where its CLI has hooks, `tsup hooks install claude` \
                        lets it tell at once what it does";
const NO_TRANSCRIPT: &str = "transcript: none is read, or it says nothing about the state";

fn ago(seconds: i64) -> Wall {
    Wall::from_unix_ms(NOW.unix_ms() - seconds * 1000)
}

fn seen(source: &str, rule: &str, says: &str, age_seconds: f64, excerpt: &str) -> EvidenceDoc {
    let (source, rule, says) = (source.to_owned(), rule.to_owned(), says.to_owned());
    EvidenceDoc { source, rule, says, age_seconds, excerpt: excerpt.into() }
}

/// An agent in that state since twelve seconds, which was busy before.
fn explained(
    verdict: (AgentState, Option<Detail>),
    because: &str,
    seen: Vec<EvidenceDoc>,
    missing: &[&str],
) -> Explained {
    let (state, detail) = verdict;
    let to = detail.map_or_else(|| state.to_string(), |detail| format!("{state} ({detail})"));
    let history = vec![
        ChangeDoc {
            at: ago(90),
            from: AgentState::Fresh,
            to: "busy (thinking)".into(),
            because: "its screen shows that it works: `Whittling…`".into(),
        },
        ChangeDoc { at: ago(12), from: AgentState::Busy, to, because: because.to_owned() },
    ];
    let mut evidence = vec![self::seen("process", "process.runs", "runs", 0.0, "process 41234")];
    evidence.extend(seen);
    evidence.push(self::seen("activity", "activity.written", "written in", 12.3, ""));
    Explained {
        doc: ExplainDoc {
            version: VERSION,
            agent: AgentId::owned(&SocketName("default".into()), "web", "dev"),
            state,
            detail,
            confidence: if state == AgentState::Unknown { 0.0 } else { 0.9 },
            since: ago(12),
            evidence,
            history,
        },
        notes: ExplainNotes {
            session: "web".into(),
            name: "dev".into(),
            title: "Claude Code".into(),
            pane: "%3".into(),
            pid: Some(41_234),
            because: because.to_owned(),
            notes: Vec::new(),
            missing: missing.iter().map(|&words| words.to_owned()).collect(),
        },
    }
}

fn drawn(explained: &Explained) -> String {
    let text = draw(explained, NOW, Look { color: false, width: Some(120) });
    assert!(text.lines().all(|line| !line.ends_with(' ')), "blanks at the end of a line");
    text
}

#[test]
fn busy_by_screen_and_hook() {
    let spinner = seen("screen", "claude.spinner", "busy (tool)", 0.4, "✶   Whittling…     (3s)\n\n");
    let hook = seen("hook", "hook.PreToolUse", "busy (tool)", 2.1, "Bash");
    let because = "its screen shows that it works: `✶ Whittling… (3s)`";
    let verdict = (AgentState::Busy, Some(Detail::Tool));
    insta::assert_snapshot!(drawn(&explained(verdict, because, vec![spinner, hook], &[NO_TRANSCRIPT])));
}

#[test]
fn waiting_without_hooks() {
    let menu = "  \n  Do you want     to proceed?\n ❯ 1. Yes\n";
    let menu = seen("screen", "claude.permission", "waiting (permission)", 11.8, menu);
    let because = "the permission menu `Do you want to proceed?` is on its screen";
    let verdict = (AgentState::Waiting, Some(Detail::Permission));
    insta::assert_snapshot!(drawn(&explained(verdict, because, vec![menu], &[NO_HOOKS, NO_TRANSCRIPT])));
}

#[test]
fn idle_by_hook() {
    let hook = seen("hook", "hook.Stop", "idle", 12.0, "");
    let composer = seen("screen", "claude.composer", "idle", 11.0, "");
    let because = "its hook Stop says that its turn is over";
    let verdict = (AgentState::Idle, None);
    insta::assert_snapshot!(drawn(&explained(verdict, because, vec![hook, composer], &[NO_TRANSCRIPT])));
}

#[test]
fn limited() {
    let limit = seen("screen", "claude.limit", "limited", 11.9, "You've hit your limit · resets 7pm");
    let said = seen("transcript", "claude.rate-limit", "limited", 12.0, "rate_limit");
    let because = "its screen shows a usage limit: `You've hit your limit · resets 7pm`";
    insta::assert_snapshot!(drawn(&explained(
        (AgentState::Limited, None),
        because,
        vec![limit, said],
        &[NO_HOOKS]
    )));
}

#[test]
fn unknown() {
    let no_rule = "screen: no rule fits what it shows; `tsup ctl capture` shows what tsup sees";
    let because = "no rule of its profile knows what its screen shows";
    let missing = [no_rule, NO_HOOKS, NO_TRANSCRIPT];
    insta::assert_snapshot!(drawn(&explained((AgentState::Unknown, None), because, vec![], &missing)));
}

#[test]
fn nothing_is_lost_in_a_narrow_terminal() {
    let because = "its hook Stop says that its turn is over";
    let explained = explained((AgentState::Idle, None), because, vec![], &[NO_HOOKS, NO_TRANSCRIPT]);
    let text = draw(&explained, NOW, Look { color: false, width: Some(50) });
    assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for whole in [NO_HOOKS, NO_TRANSCRIPT, "its screen shows that it works: `Whittling…`"] {
        assert!(squeezed.contains(whole), "{text}");
    }
    assert!(text.contains("  busy   idle\n    its hook Stop says that its turn is over\n"), "{text}");
}
