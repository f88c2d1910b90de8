//! What a CLI's transcript says: limits with their end, errors, context use, tokens, turns.
//!
//! A [`Transcript`] is fed with the bytes of a file in pieces of any size. `lines` cuts them into lines,
//! `claude` and `codex` know what a line means, `reset` reads when a limit ends. A line counts only when
//! it is whole; one that is too long, is not UTF-8 or is not JSON is counted and skipped, whatever the file is.

mod claude;
mod codex;
mod lines;
pub mod place;
pub mod reset;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Wall;
use crate::fleet::evidence::{Claim, Rank, Source, Verdict};
use crate::fleet::state::{AgentState, Detail};
use crate::limits;
use crate::untrusted::Untrusted;

use self::lines::Lines;
use self::reset::Zones;

/// What is known from a transcript, latest word each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens sent to the model over the session, those that it had cached among them. Unknown when only
    /// the end of a long transcript was read and the CLI writes no sums.
    pub input_tokens: Option<u64>,
    /// Tokens it answered with, over the session.
    pub output_tokens: Option<u64>,
    /// Tokens that stand in the context now.
    pub context_tokens: Option<u64>,
    /// How many fit, where the CLI or the model's name says.
    pub context_window: Option<u64>,
    /// When a usage limit that holds it ends.
    pub limit_resets_at: Option<Wall>,
}

/// What a transcript says now, after all lines that were read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// What it says about the state; `None` when it says nothing (any more).
    pub claim: Option<Claim>,
    /// When the line was written that the claim stands on, by the CLI's own clock.
    pub at: Option<Wall>,
    /// What is known of tokens and limits.
    pub usage: Usage,
    /// The version of the CLI that wrote it.
    pub version: Option<Untrusted>,
}

impl Usage {
    /// How full the context is, in percent of its window, where both are known.
    pub fn context_percent(&self) -> Option<f64> {
        let (tokens, window) = (self.context_tokens?, self.context_window.filter(|w| *w > 0)?);
        Some((tokens as f64 / window as f64 * 1000.0).round().min(1000.0) / 10.0)
    }
}

/// In which language a transcript is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Claude Code's session files, `~/.claude/projects/FOLDER/SESSION.jsonl`.
    Claude,
    /// Codex's rollouts, `$CODEX_HOME/sessions/YYYY/MM/DD/rollout-TIME-ID.jsonl`.
    Codex,
}

impl Format {
    /// The format that the CLI of a family of profiles writes, if it writes a known one.
    pub fn of(family: &str) -> Option<Self> {
        match family {
            "claude" => Some(Format::Claude),
            "codex" => Some(Format::Codex),
            _ => None,
        }
    }
}

/// What a line says about the state, before it is a [`Claim`].
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    rank: Rank,
    rule: &'static str,
    verdict: Verdict,
    words: Untrusted,
    /// When the limit ends, of a claim that says limited.
    resets: Option<Wall>,
}

impl Said {
    fn new(rule: &'static str, state: AgentState, detail: Option<Detail>, words: &str) -> Self {
        // That a turn ended says less than a composer seen on the screen: background work may go on.
        let rank = if state == AgentState::Idle { Rank::Composer } else { Rank::Transcript };
        let words = Untrusted::bounded(words.trim(), limits::EXCERPT_BYTES);
        Said { rank, rule, verdict: Verdict::new(state, detail), words, resets: None }
    }
}

/// What a line changes of what is said.
enum News {
    /// Nothing about the state.
    Silent,
    /// This holds now.
    Said(Said),
    /// What was said holds no more, and nothing takes its place.
    Over,
}

/// What was counted over all that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Whole lines that were understood as JSON.
    pub lines: u64,
    /// Lines that were too long, not UTF-8 or not JSON.
    pub skipped: u64,
    /// Tokens sent to the model in lines that were written since [`Since::counted`].
    pub input_tokens: u64,
    /// Tokens answered in those.
    pub output_tokens: u64,
}

/// From when on a transcript's lines mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Since {
    /// What was written before its process began is another process's state: a resumed session's past.
    pub born: Wall,
    /// Tokens of lines before that were counted by somebody else, or by nobody.
    pub counted: Wall,
}

/// One line, with what is known around it.
struct Line<'a> {
    json: &'a Value,
    at: Option<Wall>,
    zones: &'a Zones<'a>,
}

impl Line<'_> {
    fn str(&self, key: &str) -> Option<&str> {
        self.json.get(key)?.as_str()
    }

    fn is(&self, key: &str) -> bool {
        self.json.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// When a limit ends of which `text` tells.
    fn resets(&self, text: &str) -> Option<Wall> {
        reset::parse(text, self.at?, self.zones)
    }
}

#[derive(Debug, Clone)]
enum Dialect {
    Claude(claude::State),
    Codex(codex::State),
}

/// A transcript as far as it was read.
#[derive(Debug, Clone)]
pub struct Transcript {
    since: Since,
    lines: Lines,
    dialect: Dialect,
    said: Option<(Said, Option<Wall>)>,
    usage: Usage,
    counts: Counts,
    last: Option<Wall>,
    version: Option<Untrusted>,
}

impl Transcript {
    /// One that is read from its beginning.
    pub fn new(format: Format, since: Since) -> Self {
        let dialect = match format {
            Format::Claude => Dialect::Claude(claude::State::default()),
            Format::Codex => Dialect::Codex(codex::State::default()),
        };
        let (lines, usage, counts) = (Lines::default(), Usage::default(), Counts::default());
        Transcript { since, lines, dialect, said: None, usage, counts, last: None, version: None }
    }

    /// One whose end alone is read: what comes up to the first line's end is part of a line.
    pub fn from_middle(format: Format, since: Since) -> Self {
        let mut transcript = Transcript::new(format, since);
        transcript.lines.skip_to_next();
        if let Dialect::Claude(state) = &mut transcript.dialect {
            state.sums_unknown();
        }
        transcript
    }

    /// Reads on.
    pub fn feed(&mut self, bytes: &[u8], zones: &Zones<'_>) {
        let mut lines = std::mem::take(&mut self.lines);
        self.counts.skipped += lines.feed(bytes, |line| self.line(line, zones));
        self.lines = lines;
    }

    /// Lets go of what is begun and too long to be held until more comes. The bytes of the answer are to be fed
    /// again, before what follows them.
    pub fn give_back(&mut self) -> usize {
        self.lines.give_back()
    }

    fn line(&mut self, line: &[u8], zones: &Zones<'_>) {
        if line.trim_ascii().is_empty() {
            return;
        }
        // serde_json refuses what is nested deeper than 128 levels, and what is not UTF-8.
        let Ok(json) = serde_json::from_slice::<Value>(line) else {
            self.counts.skipped += 1;
            return;
        };
        self.counts.lines += 1;
        let at = json.get("timestamp").and_then(Value::as_str).and_then(time);
        self.last = at.max(self.last);
        let version = match self.dialect {
            Dialect::Claude(_) => json.get("version"),
            Dialect::Codex(_) => json.get("payload").and_then(|p| p.get("cli_version")),
        };
        if let Some(version) = version.and_then(Value::as_str) {
            self.version = Some(Untrusted::bounded(version, limits::CLI_VERSION_BYTES_MAX));
        }
        let line = Line { json: &json, at, zones };
        let (news, spent) = match &mut self.dialect {
            Dialect::Claude(state) => state.line(&line, &mut self.usage),
            Dialect::Codex(state) => state.line(&line, &mut self.usage),
        };
        if at.is_some_and(|at| at >= self.since.counted) {
            self.counts.input_tokens = self.counts.input_tokens.saturating_add(spent.0);
            self.counts.output_tokens = self.counts.output_tokens.saturating_add(spent.1);
        }
        match news {
            News::Silent => {}
            News::Over => self.said = None,
            News::Said(said) => self.said = Some((said, at)),
        }
    }

    /// What it says now.
    pub fn heard(&self, now: Wall) -> Heard {
        let (usage, version) = (self.usage.clone(), self.version.clone());
        let mut heard = Heard { claim: None, at: None, usage, version };
        let Some((said, at)) = &self.said else { return heard };
        let before_birth = at.is_some_and(|at| at < self.since.born);
        let ended = said.resets.is_some_and(|end| end <= now);
        if before_birth || ended {
            return heard;
        }
        heard.at = *at;
        heard.usage.limit_resets_at = said.resets;
        heard.claim = Some(Claim {
            source: Source::Transcript,
            rank: said.rank,
            rule: said.rule.into(),
            says: said.verdict,
            excerpt: said.words.clone(),
        });
        heard
    }

    /// When [`Transcript::heard`] says something else without another line: a limit ends.
    pub fn due(&self, now: Wall) -> Option<Wall> {
        self.said.as_ref()?.0.resets.filter(|end| *end > now)
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The version of the CLI that wrote the last line which says it.
    pub fn version(&self) -> Option<&Untrusted> {
        self.version.as_ref()
    }

    /// The latest time that a line was written at.
    pub fn last_line(&self) -> Option<Wall> {
        self.last
    }
}

/// A time as both CLIs write it, RFC 3339.
fn time(text: &str) -> Option<Wall> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Wall::from_unix_ms(at.as_millisecond()))
}

/// A number of tokens in an object.
fn tokens(json: &Value, key: &str) -> u64 {
    count(json.get(key)).unwrap_or(0)
}

/// A number of tokens, when it can be one.
fn count(json: Option<&Value>) -> Option<u64> {
    json.and_then(Value::as_u64).filter(|n| *n <= limits::TRANSCRIPT_TOKENS_MAX)
}

#[cfg(test)]
mod tests;
