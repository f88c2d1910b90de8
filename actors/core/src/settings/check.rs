//! Rules that the shape of a value does not tell: ranges, names, and names used twice.

use std::collections::HashSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{AgentSettings, EnvEntry, SessionSettings, Settings};
use crate::ids::SocketName;
use crate::limits;

mod jobs;

/// One step of the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPart {
    /// A key of a table.
    Name(&'static str),
    /// A key that somebody made up.
    Own(String),
    /// An item of a list, from 0.
    Index(usize),
}

/// A value that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The way to it.
    pub key: Vec<KeyPart>,
    /// What is wrong with it: a lower-case fragment.
    pub what: String,
}

impl Problem {
    /// The way as people write it: `session[0].agent[1].name`.
    pub fn key_text(&self) -> String {
        let mut out = String::new();
        for part in &self.key {
            match part {
                KeyPart::Name(name) if out.is_empty() => out.push_str(name),
                KeyPart::Name(name) => out.extend([".", name]),
                KeyPart::Own(name) => out.extend([".", &toml_key(name)]),
                KeyPart::Index(i) => out.extend(["[", &i.to_string(), "]"]),
            }
        }
        out
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.key_text(), self.what)
    }
}

/// A key as it stands in a file: in quotes unless it is a plain word.
fn toml_key(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(plain) { name.into() } else { format!("{name:?}") }
}

/// Whether a text may name a declared session, agent, role or profile: a letter, digit or underscore,
/// then those and hyphens. Such a name is never an option, a tmux target or a format.
pub fn is_name(text: &str) -> bool {
    let tail = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    text.len() <= limits::DECLARED_NAME_MAX
        && !text.is_empty()
        && !text.starts_with('-')
        && text.bytes().all(tail)
}

/// Why a socket cannot be one, or `None` when it can.
pub fn socket_problem(socket: &SocketName) -> Option<String> {
    let text = &socket.0;
    if text.chars().any(char::is_control) {
        return Some("holds a control character".into());
    }
    if socket.is_path() {
        let max = limits::SOCKET_PATH_BYTES_MAX;
        return (text.len() > max).then(|| format!("is longer than the {max} bytes of a socket path"));
    }
    let bad = text.is_empty()
        || text.contains('/')
        || text == "."
        || text == ".."
        || text.len() > limits::DECLARED_NAME_MAX;
    bad.then(|| "is neither a socket name (`tmux -L NAME`) nor an absolute path (`tmux -S PATH`)".into())
}

/// Everything that is wrong, in the order of the sections.
pub fn check(settings: &Settings) -> Vec<Problem> {
    let mut found = Found::default();
    check_tmux(settings, &mut found);
    check_ranges(settings, &mut found);
    check_sessions(settings, &mut found);
    jobs::check_tes(&settings.tes, &mut found);
    found.problems
}

#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
}

impl Found {
    fn add(&mut self, key: &[KeyPart], what: impl Into<String>) {
        self.problems.push(Problem { key: key.to_vec(), what: what.into() });
    }

    fn at_most(&mut self, key: &[KeyPart], len: usize, max: usize) {
        if len > max {
            self.add(key, format!("has {len} entries, the limit is {max}"));
        }
    }

    fn seconds(
        &mut self,
        section: &'static str,
        key: &'static str,
        v: Duration,
        range: &RangeInclusive<Duration>,
    ) {
        if !range.contains(&v) {
            let (low, high) = (range.start().as_secs_f64(), range.end().as_secs_f64());
            self.add(
                &[KeyPart::Name(section), KeyPart::Name(key)],
                format!("is {} seconds, it must be from {low} to {high}", v.as_secs_f64()),
            );
        }
    }

    fn span(&mut self, key: &[KeyPart], v: Duration, range: &RangeInclusive<Duration>) {
        if !range.contains(&v) {
            let (low, high) = (range.start().as_secs(), range.end().as_secs());
            self.add(key, format!("is {} seconds, it must be from {low} to {high}", v.as_secs_f64()));
        }
    }

    fn number(&mut self, section: &'static str, key: &'static str, v: u64, range: &RangeInclusive<u64>) {
        if !range.contains(&v) {
            let (low, high) = (range.start(), range.end());
            self.add(
                &[KeyPart::Name(section), KeyPart::Name(key)],
                format!("is {v}, it must be from {low} to {high}"),
            );
        }
    }
}

fn check_tmux(settings: &Settings, found: &mut Found) {
    let key = [KeyPart::Name("tmux"), KeyPart::Name("sockets")];
    let sockets = &settings.tmux.sockets;
    found.at_most(&key, sockets.len(), limits::SOCKETS_MAX);
    if sockets.is_empty() {
        found.add(&key, "is empty, name at least one socket");
    }
    let mut seen = HashSet::new();
    for (i, socket) in sockets.iter().enumerate() {
        let at = [key[0].clone(), key[1].clone(), KeyPart::Index(i)];
        if let Some(what) = socket_problem(socket) {
            found.add(&at, what);
        } else if !seen.insert(socket) {
            found.add(&at, "is named twice");
        }
    }
}

fn check_ranges(settings: &Settings, found: &mut Found) {
    found.seconds("fleet", "missing_grace_seconds", settings.fleet.missing_grace, &limits::MISSING_GRACE);
    let relaunch = &settings.relaunch;
    let section = "relaunch";
    found.seconds(section, "initial_delay_seconds", relaunch.initial_delay, &limits::RELAUNCH_INITIAL_DELAY);
    found.seconds(section, "max_delay_seconds", relaunch.max_delay, &limits::RELAUNCH_MAX_DELAY);
    found.seconds(section, "period_seconds", relaunch.period, &limits::RELAUNCH_PERIOD);
    found.number(section, "max_restarts", relaunch.max_restarts, &limits::RELAUNCH_RESTARTS);
    found.number(section, "fleet_breaker", relaunch.fleet_breaker, &limits::FLEET_BREAKER);
    if relaunch.max_delay < relaunch.initial_delay {
        found.add(
            &[KeyPart::Name(section), KeyPart::Name("max_delay_seconds")],
            "is smaller than `relaunch.initial_delay_seconds`",
        );
    }
    found.number("log", "rotate_mb", settings.log.rotate_mb, &limits::LOG_ROTATE_MB);
    found.number("log", "retention_days", settings.log.retention_days, &limits::LOG_RETENTION_DAYS);
    if settings.log.dir.as_ref().is_some_and(|d| d.is_empty() || d.contains('\0')) {
        found.add(&[KeyPart::Name("log"), KeyPart::Name("dir")], "is not a path");
    }
    if let Some(statsd) = &settings.statsd {
        check_statsd(statsd, found);
    }
}

fn check_statsd(statsd: &super::StatsdSettings, found: &mut Found) {
    found.seconds("statsd", "flush_seconds", statsd.flush, &limits::STATSD_FLUSH);
    let key = [KeyPart::Name("statsd"), KeyPart::Name("targets")];
    found.at_most(&key, statsd.targets.len(), limits::STATSD_TARGETS_MAX);
    let mut seen = HashSet::new();
    for (i, target) in statsd.targets.iter().enumerate() {
        if !seen.insert(target) {
            found.add(&[key[0].clone(), key[1].clone(), KeyPart::Index(i)], "is named twice");
        }
    }
    let is_prefix = statsd.prefix.is_empty() || statsd.prefix.split('.').all(is_name);
    if !is_prefix || statsd.prefix.len() > limits::DECLARED_NAME_MAX {
        found.add(
            &[KeyPart::Name("statsd"), KeyPart::Name("prefix")],
            "must be words of letters, digits, `_` and `-`, joined by dots",
        );
    }
}

fn check_sessions(settings: &Settings, found: &mut Found) {
    found.at_most(&[KeyPart::Name("session")], settings.sessions.len(), limits::SESSIONS_MAX);
    let mut seen = HashSet::new();
    for (i, session) in settings.sessions.iter().enumerate() {
        let at = [KeyPart::Name("session"), KeyPart::Index(i)];
        check_name(&at, "name", &session.name, found);
        if !seen.insert(&session.name) {
            found.add(&with(&at, "name"), format!("`{}` is declared twice", session.name));
        }
        if let Some(socket) = &session.socket
            && !settings.tmux.sockets.contains(socket)
        {
            found.add(&with(&at, "socket"), "is not one of `tmux.sockets`");
        }
        check_agents(session, &at, found);
    }
}

fn check_agents(session: &SessionSettings, at: &[KeyPart], found: &mut Found) {
    found.at_most(&with(at, "agent"), session.agents.len(), limits::AGENTS_PER_SESSION_MAX);
    let mut seen = HashSet::new();
    for (i, agent) in session.agents.iter().enumerate() {
        let mut at = with(at, "agent");
        at.push(KeyPart::Index(i));
        check_name(&at, "name", &agent.name, found);
        if !seen.insert(&agent.name) {
            found.add(&with(&at, "name"), format!("`{}` is declared twice in its session", agent.name));
        }
        check_name(&at, "agent", &agent.agent, found);
        if let Some(role) = &agent.role {
            check_name(&at, "role", role, found);
        }
        check_command(agent, &at, found);
        check_env(&agent.env, &at, found);
    }
}

fn check_command(agent: &AgentSettings, at: &[KeyPart], found: &mut Found) {
    let unfit = |text: &str| text.contains('\0') || text.len() > limits::ARG_BYTES_MAX;
    let key = with(at, "command");
    found.at_most(&key, agent.command.len(), limits::COMMAND_ARGS_MAX);
    if agent.command.first().is_some_and(String::is_empty) {
        found.add(&key, "begins with an empty program");
    }
    if agent.command.iter().any(|arg| unfit(arg)) {
        found.add(&key, format!("holds a zero byte or an argument over {} bytes", limits::ARG_BYTES_MAX));
    }
    if agent.cwd.is_empty() || unfit(&agent.cwd) {
        found.add(&with(at, "cwd"), "is not a path");
    }
}

fn check_env(env: &[EnvEntry], at: &[KeyPart], found: &mut Found) {
    let key = with(at, "env");
    found.at_most(&key, env.len(), limits::ENV_ENTRIES_MAX);
    let mut seen = HashSet::new();
    for (i, entry) in env.iter().enumerate() {
        let mut at = key.clone();
        at.push(KeyPart::Index(i));
        let name = entry.name();
        let head_is_digit = name.as_bytes().first().is_none_or(u8::is_ascii_digit);
        if head_is_digit || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            found.add(&at, "is neither NAME nor NAME=value");
        } else if !seen.insert(name) {
            found.add(&at, format!("sets `{name}` twice"));
        }
        if let EnvEntry::Set { value, .. } = entry
            && (value.contains('\0') || value.len() > limits::ARG_BYTES_MAX)
        {
            found.add(&at, format!("has a value with a zero byte or over {} bytes", limits::ARG_BYTES_MAX));
        }
    }
}

fn check_name(at: &[KeyPart], key: &'static str, name: &str, found: &mut Found) {
    if !is_name(name) {
        let max = limits::DECLARED_NAME_MAX;
        found.add(
            &with(at, key),
            format!("must be 1 to {max} letters, digits, `_` and `-`, not beginning with `-`"),
        );
    }
}

fn with(at: &[KeyPart], key: &'static str) -> Vec<KeyPart> {
    let mut out = at.to_vec();
    out.push(KeyPart::Name(key));
    out
}
