//! One profile file: its frame, its rules, and what is wrong with them.
//!
//! A broken frame (no TOML, a wrong name, an unknown table) costs the file. A broken composer, spinner or
//! rule costs itself: it is told with its place and left out. What a file extends is found once all files
//! are read: see [`super::layer`].

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::rules::{Named, Rules, Screen};
use super::{FORMAT, LaunchRule, Profile, Recognise};
use crate::fleet::hook::rules::Hooks;
use crate::limits::{PROFILE_ERRORS_MAX, RULES_PER_PROFILE_MAX};
use crate::place::position;

/// Something in a profile that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ProfileError {
    /// Which file.
    pub file: String,
    /// Line, from 1; 0 when it is the file as a whole.
    pub line: usize,
    /// Column in characters, from 1; 0 when it is the file as a whole.
    pub column: usize,
    /// What is wrong, and what to do.
    pub what: String,
}

impl ProfileError {
    /// About a file as a whole.
    pub fn whole(file: impl Into<String>, what: impl Into<String>) -> Self {
        ProfileError { file: file.into(), line: 0, column: 0, what: what.into() }
    }

    /// About the byte at `offset` of a file's text.
    pub fn at(file: impl Into<String>, text: &str, offset: usize, what: impl Into<String>) -> Self {
        let (line, column) = position(text, offset);
        ProfileError { file: file.into(), line, column, what: what.into() }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProfileError { file, line, column, what } = self;
        if *line == 0 { write!(f, "{file}: {what}") } else { write!(f, "{file}:{line}:{column}: {what}") }
    }
}

/// The frame of a file: everything but its lists of rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    version: Spanned<u32>,
    name: Spanned<String>,
    title: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    extends: Option<Spanned<String>>,
    #[serde(default)]
    drops: Vec<String>,
    recognise: Option<Recognise>,
    launch: Option<Spanned<LaunchRule>>,
    #[serde(default)]
    screen: Screen,
}

/// Where in which file things are, and what is wrong with it.
struct Teller<'a> {
    file: &'a str,
    text: &'a str,
    errors: Vec<ProfileError>,
}

impl Teller<'_> {
    fn tell(&mut self, offset: usize, what: impl Into<String>) {
        match self.errors.len() {
            PROFILE_ERRORS_MAX => {
                self.errors.push(ProfileError::whole(self.file, "more is wrong with it; mend this first"));
            }
            n if n > PROFILE_ERRORS_MAX => {}
            _ => self.errors.push(ProfileError::at(self.file, self.text, offset, what)),
        }
    }
}

/// A file that was read, before what it extends is known.
pub(super) struct Draft<'a> {
    pub(super) file: &'a str,
    text: &'a str,
    frame: Frame,
    rules: Rules,
    hooks: Option<Hooks>,
}

/// Reads one file.
pub(super) fn read<'a>(file: &'a str, text: &'a str, errors: &mut Vec<ProfileError>) -> Option<Draft<'a>> {
    let mut teller = Teller { file, text, errors: Vec::new() };
    let draft = draft(&mut teller);
    errors.append(&mut teller.errors);
    draft
}

fn draft<'a>(teller: &mut Teller<'a>) -> Option<Draft<'a>> {
    let mut table = match DeTable::parse(teller.text) {
        Ok(table) => table,
        Err(e) => {
            teller.tell(e.span().map_or(0, |span| span.start), e.message());
            return None;
        }
    };
    let mut rules = Rules {
        screen: Screen::default(),
        composers: take(table.get_mut(), "composer", teller),
        spinners: take(table.get_mut(), "spinner", teller),
        rules: take(table.get_mut(), "rule", teller),
    };
    let hooks = take_hooks(table.get_mut(), teller);
    let span = table.span();
    let frame = Spanned::new(span, DeValue::Table(table.into_inner()));
    let frame = match Frame::deserialize(ValueDeserializer::from(frame)) {
        Ok(frame) => frame,
        Err(e) => {
            teller.tell(e.span().map_or(0, |span| span.start), e.message());
            return None;
        }
    };
    if let Err((at, what)) = frame.check() {
        teller.tell(at, what);
        return None;
    }
    rules.screen = frame.screen.clone();
    Some(Draft { file: teller.file, text: teller.text, frame, rules, hooks })
}

impl Frame {
    /// What is wrong with it, and where.
    fn check(&self) -> Result<(), (usize, String)> {
        let version = &self.version;
        if *version.get_ref() != FORMAT {
            let what =
                format!("profile format {} is not known, this build reads {FORMAT}", version.get_ref());
            return Err((version.span().start, what));
        }
        if !is_word(self.name.get_ref()) {
            let what = "a profile's name is a word of a-z, 0-9 and -";
            return Err((self.name.span().start, what.to_owned()));
        }
        match &self.launch {
            Some(launch) if launch.get_ref().command.is_empty() => {
                Err((launch.span().start, "a command needs a program".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// Takes the tables of a list out of the file, those that can be read.
fn take<T: DeserializeOwned + Named>(table: &mut DeTable<'_>, key: &str, teller: &mut Teller<'_>) -> Vec<T> {
    let Some(place) = table.keys().find(|k| k.get_ref() == key).cloned() else { return Vec::new() };
    let Some(value) = table.remove(&place) else { return Vec::new() };
    let DeValue::Array(list) = value.into_inner() else {
        teller.tell(place.span().start, format!("write a table `[[{key}]]` for each {key}"));
        return Vec::new();
    };
    let mut taken: Vec<T> = Vec::new();
    for value in list {
        let start = value.span().start;
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(_) if taken.len() >= RULES_PER_PROFILE_MAX => {
                teller.tell(start, format!("a profile has at most {RULES_PER_PROFILE_MAX} of these"));
                break;
            }
            Ok(rule) if !is_word(rule.id()) => {
                teller.tell(start, format!("the id of this {key} is a word of a-z, 0-9 and -"));
            }
            Ok(rule) if taken.iter().any(|other| other.id() == rule.id()) => {
                teller
                    .tell(start, format!("two of the {key} tables have the id `{}`; rename one", rule.id()));
            }
            Ok(rule) => taken.push(rule),
            Err(e) => {
                let at = e.span().map_or(start, |span| span.start);
                teller.tell(at, format!("this {key} is left out: {}", e.message().trim_end()));
            }
        }
    }
    taken
}

/// Takes the table of the hooks out of the file; a broken one costs itself.
fn take_hooks(table: &mut DeTable<'_>, teller: &mut Teller<'_>) -> Option<Hooks> {
    let place = table.keys().find(|k| k.get_ref() == "hooks").cloned()?;
    let value = table.remove(&place)?;
    let read = Hooks::deserialize(ValueDeserializer::from(value));
    read.map_err(|e| {
        let at = e.span().map_or(place.span().start, |span| span.start);
        teller.tell(at, format!("the hooks are left out: {}", e.message().trim_end()));
    })
    .ok()
}

impl Draft<'_> {
    /// The name of its profile.
    pub(super) fn name(&self) -> &str {
        self.frame.name.get_ref()
    }

    /// Other words for its profile.
    pub(super) fn aliases(&self) -> &[String] {
        &self.frame.aliases
    }

    /// What it extends.
    pub(super) fn extends(&self) -> Option<&str> {
        self.frame.extends.as_ref().map(|base| base.get_ref().as_str())
    }

    /// Something that is wrong with its name.
    pub(super) fn wrong_name(&self, what: String) -> ProfileError {
        ProfileError::at(self.file, self.text, self.frame.name.span().start, what)
    }

    /// Something that is wrong with what it extends.
    pub(super) fn wrong_base(&self, what: String) -> ProfileError {
        let at = self.frame.extends.as_ref().map_or(0, |base| base.span().start);
        ProfileError::at(self.file, self.text, at, what)
    }

    /// The profile, laid over what it extends.
    pub(super) fn finish(self, base: Option<&Profile>) -> Profile {
        let frame = self.frame;
        let name: Arc<str> = frame.name.get_ref().as_str().into();
        let mut laid = base.map_or_else(Rules::default, |base| (*base.rules).clone());
        laid.lay_over(self.rules, &frame.drops);
        laid.baptise(&name);
        let launch = frame.launch.map(Spanned::into_inner);
        Profile {
            family: base.map_or_else(|| Arc::clone(&name), |base| Arc::clone(&base.family)),
            title: frame.title.or_else(|| base.map(|b| b.title.clone())).unwrap_or_else(|| name.to_string()),
            aliases: match base {
                Some(base) if base.name == name => [base.aliases.clone(), frame.aliases].concat(),
                _ => frame.aliases,
            },
            recognise: frame.recognise.or_else(|| base.map(|b| b.recognise.clone())).unwrap_or_default(),
            launch: launch.or_else(|| base.map(|b| b.launch.clone())).unwrap_or_default(),
            rules: Arc::new(laid),
            hooks: laid_hooks(&name, self.hooks, base),
            name,
        }
    }
}

/// Its own rules of hooks, then those of the profile that it extends.
fn laid_hooks(name: &str, own: Option<Hooks>, base: Option<&Profile>) -> Arc<Hooks> {
    let mut own = own.unwrap_or_default();
    match base {
        Some(base) if *base.name == *name => own.laid_over(&base.hooks),
        Some(base) => own.follow(&base.hooks),
        None => {}
    }
    Arc::new(own)
}

fn is_word(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 32
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
