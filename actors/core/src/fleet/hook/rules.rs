//! The `[hooks]` table of a profile: which fields of a CLI's JSON matter, and what each event means.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::HookSays;
use crate::fleet::state::{AgentState, Detail};

mod install;

pub use install::{Install, Place, Style};

/// What is known about a CLI's hooks. Field names are those of Claude Code unless the table says otherwise:
/// most CLIs took them over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Where the event's name stands; the first field that is there counts. A dot goes into an object.
    pub event: Vec<String>,
    /// Where the CLI's session id stands.
    pub session: Vec<String>,
    /// Where the transcript's path stands.
    pub transcript: Vec<String>,
    /// Fields that only a subagent's event has.
    pub child: Vec<String>,
    /// What is shown to a person: every one of these fields that is there.
    pub words: Vec<String>,
    /// Another profile whose rules come after these.
    pub like: Option<String>,
    /// What the events mean. The first rule that fits counts; an event without one says nothing.
    pub on: Vec<On>,
    /// How the calls are put into the CLI's settings.
    pub install: Option<Install>,
}

impl Default for Hooks {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        Hooks {
            event: list(&["hook_event_name"]),
            session: list(&["session_id"]),
            transcript: list(&["transcript_path"]),
            child: list(&["agent_id"]),
            words: list(&["tool_name", "message", "error", "error_details", "reason", "source"]),
            like: None,
            on: Vec::new(),
            install: None,
        }
    }
}

impl Hooks {
    /// Whether anything is known of this CLI's hooks.
    pub fn is_known(&self) -> bool {
        !self.on.is_empty() || self.like.is_some()
    }

    /// Takes the rules of `other` behind its own, and all else that it does not say itself; but not where
    /// they are installed: that is another CLI's file, unless the same CLI's table is `laid_over` this one.
    pub fn follow(&mut self, other: &Hooks) {
        self.on.extend(other.on.iter().cloned());
        let usual = Hooks::default();
        for (own, usual, other) in [
            (&mut self.event, usual.event, &other.event),
            (&mut self.session, usual.session, &other.session),
            (&mut self.transcript, usual.transcript, &other.transcript),
            (&mut self.child, usual.child, &other.child),
            (&mut self.words, usual.words, &other.words),
        ] {
            if *own == usual {
                own.clone_from(other);
            }
        }
        if self.like.is_none() {
            self.like.clone_from(&other.like);
        }
    }

    /// Takes all that it does not say itself from the table of the same CLI.
    pub fn laid_over(&mut self, same: &Hooks) {
        self.follow(same);
        if self.install.is_none() {
            self.install.clone_from(&same.install);
        }
    }
}

/// What one event means.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct On {
    /// The CLI's words for the event.
    pub event: Vec<String>,
    /// What its fields must be, each one of these texts.
    pub when: BTreeMap<String, Vec<Text>>,
    /// What it means.
    pub says: HookSays,
}

/// A rule as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(deserialize_with = "one_or_many")]
    event: Vec<String>,
    #[serde(default)]
    when: BTreeMap<String, Values>,
    state: Word,
    detail: Option<Detail>,
}

/// A state, or one of the two words that are none.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Word {
    State(AgentState),
    Other(Other),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Other {
    Nothing,
    Ends,
}

#[derive(Debug, Deserialize)]
struct Values(#[serde(deserialize_with = "one_or_many")] Vec<String>);

impl TryFrom<Written> for On {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let says = match written.state {
            Word::State(state) => HookSays::State(state, written.detail).check()?,
            Word::Other(_) if written.detail.is_some() => return Err("only a state has a detail"),
            Word::Other(Other::Nothing) => HookSays::Nothing,
            Word::Other(Other::Ends) => HookSays::Ends,
        };
        let when = written.when.into_iter();
        let when = when.map(|(field, values)| (field, values.0.iter().map(|v| Text::new(v)).collect()));
        Ok(On { event: written.event, when: when.collect(), says })
    }
}

/// A text to be met: as it stands, or with `*` at its beginning or end for anything there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    middle: String,
    open_start: bool,
    open_end: bool,
}

impl Text {
    /// Reads one.
    pub fn new(written: &str) -> Self {
        let (open_start, rest) = written.strip_prefix('*').map_or((false, written), |rest| (true, rest));
        let (open_end, middle) = rest.strip_suffix('*').map_or((false, rest), |rest| (true, rest));
        Text { middle: middle.to_owned(), open_start, open_end }
    }

    /// Whether `value` is met.
    pub fn fits(&self, value: &str) -> bool {
        match (self.open_start, self.open_end) {
            (false, false) => value == self.middle,
            (false, true) => value.starts_with(&self.middle),
            (true, false) => value.ends_with(&self.middle),
            (true, true) => value.contains(&self.middle),
        }
    }
}

/// A text or a list of texts.
fn one_or_many<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Either::deserialize(d)? {
        Either::One(one) => vec![one],
        Either::Many(many) => many,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Hooks, String> {
        toml::from_str(text).map_err(|e| e.message().to_owned())
    }

    #[test]
    fn a_table_is_read() {
        let hooks = read(
            "on = [\n  { event = [\"A\", \"B\"], when = { x = \"*ask*\" }, state = \"waiting\", detail = \"plan\" },\n  { event = \"C\", state = \"ends\" },\n  { event = \"D\", state = \"nothing\" },\n]",
        )
        .unwrap();
        assert_eq!(hooks.event, ["hook_event_name"]);
        assert_eq!(hooks.on[0].event, ["A", "B"]);
        assert_eq!(hooks.on[0].says, HookSays::State(AgentState::Waiting, Some(Detail::Plan)));
        assert!(hooks.on[0].when["x"][0].fits("I ask you"));
        assert_eq!((hooks.on[1].says, hooks.on[2].says), (HookSays::Ends, HookSays::Nothing));
        assert!(hooks.is_known() && !Hooks::default().is_known());
    }

    #[test]
    fn a_table_that_follows_another_keeps_what_it_says_itself() {
        let mut own = read("session = [\"sid\"]\non = [{ event = \"A\", state = \"idle\" }]").unwrap();
        let other = read(
            "event = [\"type\"]\nsession = [\"other\"]\non = [{ event = \"A\", state = \"busy\" }]\n\
             [install]\nstyle = \"plugin\"\nuser = { folder = \".x\", file = \"y\" }",
        )
        .unwrap();
        let mut over = own.clone();
        over.laid_over(&other);
        assert_eq!(over.install, other.install);
        own.follow(&other);
        assert_eq!((own.event, own.session), (vec!["type".to_owned()], vec!["sid".to_owned()]));
        assert_eq!(own.on[0].says, HookSays::State(AgentState::Idle, None));
        assert_eq!((own.on.len(), own.install), (2, None), "another CLI's settings are not its own");
    }

    #[test]
    fn what_no_hook_can_say_is_refused() {
        for (text, says) in [
            ("on = [{ event = \"A\", state = \"crashed\" }]", "cannot tell that its process ended"),
            ("on = [{ event = \"A\", state = \"missing\" }]", "cannot tell that its process ended"),
            ("on = [{ event = \"A\", state = \"unknown\" }]", "tells what an agent does"),
            ("on = [{ event = \"A\", state = \"idle\", detail = \"plan\" }]", "none of that state"),
            ("on = [{ event = \"A\", state = \"ends\", detail = \"plan\" }]", "only a state has a detail"),
            ("on = [{ event = \"A\", state = \"lazy\" }]", "did not match"),
            ("on = [{ event = \"A\", state = \"idle\", colour = 1 }]", "unknown field"),
            ("onn = []", "unknown field"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_text_is_met_whole_or_with_open_ends() {
        for (text, value, fits) in [
            ("ask", "ask", true),
            ("ask", "asked", false),
            ("ask*", "asked", true),
            ("*ask", "I ask", true),
            ("*ask", "asked", false),
            ("*a*", "bab", true),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(Text::new(text).fits(value), fits, "{text} {value}");
        }
    }
}
