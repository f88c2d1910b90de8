//! What `tsup detect` says about a captured screen.

use std::fmt::Write as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use tsup_core::fleet::evidence::Claim;
use tsup_core::fleet::profile::Profile;
use tsup_core::fleet::screen::{self, Classified, Shot};
use tsup_core::fleet::state::{AgentState, Detail};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;

use super::Look;

/// The document for one file.
#[derive(Debug, Serialize)]
pub struct Answer {
    version: u32,
    file: String,
    agent: String,
    state: AgentState,
    detail: Option<Detail>,
    /// The rule that decided; nothing when no rule spoke.
    rule: Option<String>,
    evidence: Vec<Piece>,
    /// The version of the CLI, where the screen shows it.
    cli_version: Option<String>,
    /// Whether the rules were checked with that version.
    version_checked: Option<bool>,
    /// What a person should know beside that.
    notes: Vec<String>,
}

/// What one rule said.
#[derive(Debug, Serialize)]
struct Piece {
    source: &'static str,
    rule: String,
    says: String,
    /// A file has no age that means anything.
    age_seconds: Option<f64>,
    excerpt: Untrusted,
}

impl Answer {
    /// What was read in a file.
    pub fn new(file: &Path, agent: &str, read: &Classified) -> Self {
        Answer {
            version: VERSION,
            file: file.to_string_lossy().into_owned(),
            agent: agent.to_owned(),
            state: read.verdict.state,
            detail: read.verdict.detail,
            rule: read.claims.first().map(|claim| claim.rule.to_string()),
            evidence: read.claims.iter().map(Piece::new).collect(),
            cli_version: None,
            version_checked: None,
            notes: Vec::new(),
        }
    }

    /// Adds that the file holds no captured screen, where it does not.
    pub fn with_kind(mut self, bytes: &[u8]) -> Self {
        let what = if bytes.is_empty() {
            "is empty"
        } else if bytes.contains(&0) {
            "holds no text"
        } else {
            return self;
        };
        self.notes.push(format!("the file {what}; `tmux capture-pane -pe` captures a screen"));
        self
    }

    /// Adds what the screen shows of the CLI's version.
    pub fn with_version(mut self, profile: &Profile, shot: &Shot) -> Self {
        self.cli_version = screen::version(profile, shot);
        if let Some(version) = &self.cli_version {
            self.version_checked = profile.rules.screen.is_checked_with(version);
            self.notes.extend(profile.unchecked(version));
        }
        self
    }
}

impl Piece {
    fn new(claim: &Claim) -> Self {
        Piece {
            source: claim.source.as_str(),
            rule: claim.rule.to_string(),
            says: claim.says.to_string(),
            age_seconds: None,
            excerpt: claim.excerpt.clone(),
        }
    }
}

/// The answer as a person reads it: the verdict, and below it who said what.
pub fn text(answer: &Answer, look: Look) -> String {
    let state = look.paint(Style::new().bold(), answer.state.as_str());
    let detail = answer.detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
    let file = Untrusted::new(answer.file.as_str());
    let mut text = format!("{file}: {state}{detail}, {}\n", answer.agent);
    if answer.evidence.is_empty() {
        text.push_str("  no prompt, question or sign of work was found: nothing can be said\n");
    }
    for piece in &answer.evidence {
        let rule = look.paint(AnsiColor::Cyan.on_default(), &piece.rule);
        let _ = write!(text, "  {rule} says {}", piece.says);
        if !piece.excerpt.is_empty() {
            let words = piece.excerpt.to_string();
            let mut short: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
            if let Some((cut, _)) = short.char_indices().nth(70) {
                short.truncate(cut);
                short.push('…');
            }
            let _ = write!(text, ", from “{short}”");
        }
        text.push('\n');
    }
    for note in &answer.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    text
}

#[cfg(test)]
mod tests {
    use tsup_core::fleet::evidence::{Rank, Source, Verdict};

    use super::*;

    const PLAIN: Look = Look { color: false, width: None };

    #[test]
    fn a_verdict_comes_with_its_reasons() {
        let says = Verdict::new(AgentState::Waiting, Some(Detail::Permission));
        let claim = Claim {
            source: Source::Screen,
            rank: Rank::Blocker,
            rule: "claude.permission".into(),
            says,
            excerpt: "Do you want to proceed?\u{1b}[31m".into(),
        };
        let read = Classified { verdict: says, claims: vec![claim] };
        let shown = text(&Answer::new(Path::new("a b.txt"), "claude", &read), PLAIN);
        assert_eq!(
            shown,
            "a b.txt: waiting (permission), claude\n  claude.permission says waiting (permission), from \
             “Do you want to proceed?\\u{1b}[31m”\n"
        );
        let shown = text(&Answer::new(Path::new("x"), "generic", &Classified::default()), PLAIN);
        assert!(shown.contains("nothing can be said"), "{shown}");
    }
}
