//! One profile file: its frame, its rules, and what is wrong with them.
//!
//! A broken frame (no TOML, a wrong name, an unknown table) costs the file. A broken composer, spinner or
//! rule costs itself: it is told with its place and left out.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::rules::{Named, Rules, Screen};
use super::{FORMAT, LaunchRule, Profile, Profiles, Recognise};
use crate::fleet::hook::rules::Hooks;
use crate::limits::RULES_PER_PROFILE_MAX;

/// Something in a profile that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}")]
pub struct ProfileError {
    /// Which file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub what: String,
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

/// Where in which file things are, and the list of what is wrong.
struct Teller<'a> {
    file: &'a str,
    text: &'a str,
    errors: &'a mut Vec<ProfileError>,
}

impl Teller<'_> {
    fn tell(&mut self, offset: usize, what: impl Into<String>) {
        let (line, column) = position(self.text, offset);
        self.errors.push(ProfileError { file: self.file.to_owned(), line, column, what: what.into() });
    }
}

/// Reads one file. `known` are the profiles it may extend.
pub(super) fn read(
    file: &str,
    text: &str,
    known: &Profiles,
    errors: &mut Vec<ProfileError>,
) -> Option<Profile> {
    let mut teller = Teller { file, text, errors };
    let mut table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(e) => {
            teller.tell(e.span().map_or(0, |span| span.start), e.message());
            return None;
        }
    };
    let mut rules = Rules {
        screen: Screen::default(),
        composers: take(table.get_mut(), "composer", &mut teller),
        spinners: take(table.get_mut(), "spinner", &mut teller),
        rules: take(table.get_mut(), "rule", &mut teller),
    };
    let hooks = take_hooks(table.get_mut(), &mut teller);
    let span = table.span();
    let frame = Spanned::new(span, DeValue::Table(table.into_inner()));
    let frame = match Frame::deserialize(ValueDeserializer::from(frame)) {
        Ok(frame) => frame,
        Err(e) => {
            teller.tell(e.span().map_or(0, |span| span.start), e.message());
            return None;
        }
    };
    rules.screen = frame.screen.clone();
    finish(frame, rules, hooks, known, &mut teller)
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

fn finish(
    frame: Frame,
    rules: Rules,
    hooks: Option<Hooks>,
    known: &Profiles,
    teller: &mut Teller<'_>,
) -> Option<Profile> {
    if *frame.version.get_ref() != FORMAT {
        let what =
            format!("profile format {} is not known, this build reads {FORMAT}", frame.version.get_ref());
        teller.tell(frame.version.span().start, what);
        return None;
    }
    if !is_word(frame.name.get_ref()) {
        teller.tell(frame.name.span().start, "a profile's name is a word of a-z, 0-9 and -");
        return None;
    }
    let name: Arc<str> = frame.name.get_ref().as_str().into();
    let base = match &frame.extends {
        None => None,
        Some(base) => {
            let Some(found) = known.get(base.get_ref()) else {
                let names: Vec<&str> = known.names().collect();
                let what = format!(
                    "there is no profile `{}` to extend; known: {}",
                    base.get_ref(),
                    names.join(", ")
                );
                teller.tell(base.span().start, what);
                return None;
            };
            Some(found)
        }
    };
    if let Some(launch) = &frame.launch
        && launch.get_ref().command.is_empty()
    {
        teller.tell(launch.span().start, "a command needs a program");
        return None;
    }
    let mut laid = base.map_or_else(Rules::default, |base| (*base.rules).clone());
    laid.lay_over(rules, &frame.drops);
    laid.baptise(&name);
    let launch = frame.launch.map(Spanned::into_inner);
    Some(Profile {
        title: frame.title.or_else(|| base.map(|b| b.title.clone())).unwrap_or_else(|| name.to_string()),
        aliases: match base {
            Some(base) if base.name == name => [base.aliases.clone(), frame.aliases].concat(),
            _ => frame.aliases,
        },
        recognise: frame.recognise.or_else(|| base.map(|b| b.recognise.clone())).unwrap_or_default(),
        launch: launch.or_else(|| base.map(|b| b.launch.clone())).unwrap_or_default(),
        rules: Arc::new(laid),
        hooks: laid_hooks(&name, hooks, base),
        name,
    })
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

/// Line and column, both from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    (line, column)
}
