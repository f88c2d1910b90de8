//! The words of a rule: literals, and patterns between slashes.
//!
//! Both are found in time linear in the text. A literal is compared with the text of its region in which
//! every line break and run of blanks is one blank, so that it is found in a narrow pane too, where the CLI
//! wrapped its words. A pattern sees the region's lines.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};
use serde::de::{Deserialize, Deserializer, Error};

use crate::limits::{PATTERN_BYTES_MAX, PATTERN_COMPILED_BYTES_MAX, PATTERN_NEST_MAX};

/// A text in the two forms that rules are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// Its lines, borders, indentation and blanks at the end taken off.
    pub lines: String,
    /// The same with one blank for each run of blanks and line breaks.
    pub flat: String,
}

impl View {
    /// Makes a view of lines.
    pub fn new<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut view = View::default();
        for line in lines {
            let line = line.trim();
            if !view.lines.is_empty() {
                view.lines.push('\n');
            }
            view.lines.push_str(line);
            for word in line.split(' ').filter(|word| !word.is_empty()) {
                if !view.flat.is_empty() {
                    view.flat.push(' ');
                }
                view.flat.push_str(word);
            }
        }
        view
    }

    /// Whether there are no words in it.
    pub fn is_empty(&self) -> bool {
        self.flat.is_empty()
    }
}

/// A literal, or a pattern.
#[derive(Clone)]
pub struct Pattern {
    source: Arc<str>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Literal(Box<Finder<'static>>),
    Regex(Arc<Compiled>),
}

/// A pattern that can be compiled, and is when it is wanted first. Compiled ones take some 40 KB each, and most belong to
/// CLIs that nobody runs here.
struct Compiled {
    inner: Box<str>,
    regex: OnceLock<Regex>,
}

impl Compiled {
    fn new(inner: &str) -> Result<Self, String> {
        compile(inner)?;
        Ok(Compiled { inner: inner.into(), regex: OnceLock::new() })
    }

    fn regex(&self) -> &Regex {
        self.regex.get_or_init(|| compile(&self.inner).expect("what was compiled once compiles again"))
    }
}

impl Pattern {
    /// Reads a literal, or a pattern between slashes.
    pub fn parse(source: &str) -> Result<Self, String> {
        if source.len() > PATTERN_BYTES_MAX {
            return Err(format!("it is longer than {PATTERN_BYTES_MAX} bytes"));
        }
        let inner = source.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let kind = match inner.filter(|inner| !inner.is_empty()) {
            Some(inner) => Kind::Regex(Arc::new(Compiled::new(inner)?)),
            None if source.trim().is_empty() => return Err("it has no words".to_owned()),
            None => Kind::Literal(Box::new(Finder::new(source.as_bytes()).into_owned())),
        };
        Ok(Pattern { source: source.into(), kind })
    }

    /// As it stands in its file.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What was found, as it stands in the view.
    pub fn find<'v>(&self, view: &'v View) -> Option<&'v str> {
        match &self.kind {
            Kind::Literal(finder) => {
                let at = finder.find(view.flat.as_bytes())?;
                view.flat.get(at..at + finder.needle().len())
            }
            Kind::Regex(regex) => regex.regex().find(&view.lines).map(|found| found.as_str()),
        }
    }

    /// Where it is found in one line.
    pub fn find_in(&self, line: &str) -> Option<Range<usize>> {
        match &self.kind {
            Kind::Literal(finder) => {
                let at = finder.find(line.as_bytes())?;
                Some(at..at + finder.needle().len())
            }
            Kind::Regex(regex) => regex.regex().find(line).map(|found| found.range()),
        }
    }

    /// Whether a text begins with it. A pattern says itself where it wants to be found.
    pub fn begins(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Literal(finder) => text.as_bytes().starts_with(finder.needle()),
            Kind::Regex(regex) => regex.regex().is_match(text),
        }
    }
}

fn compile(inner: &str) -> Result<Regex, String> {
    RegexBuilder::new(inner)
        .multi_line(true)
        .size_limit(PATTERN_COMPILED_BYTES_MAX)
        .dfa_size_limit(PATTERN_COMPILED_BYTES_MAX)
        .nest_limit(PATTERN_NEST_MAX)
        .build()
        .map_err(|e| {
            let told = e.to_string();
            let last = told.lines().last().unwrap_or("").trim().trim_start_matches("error: ");
            format!("the pattern cannot be read: {last}")
        })
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.source)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let source = String::deserialize(from)?;
        Pattern::parse(&source).map_err(|what| D::Error::custom(format!("`{source}`: {what}")))
    }
}

/// What must and must not be found. Of `any` one suffices, all of `all` are needed, none of `none` may be
/// there; an empty list asks nothing.
#[derive(Debug, Clone, Copy)]
pub struct Condition<'a> {
    /// One of these.
    pub any: &'a [Pattern],
    /// All of these.
    pub all: &'a [Pattern],
    /// None of these.
    pub none: &'a [Pattern],
}

impl Condition<'_> {
    /// The words that fulfil it. A condition that asks for no words quotes the whole.
    pub fn met<'v>(&self, view: &'v View) -> Option<&'v str> {
        let mut excerpt = None;
        for pattern in self.all {
            excerpt = Some(pattern.find(view)?);
        }
        if !self.any.is_empty() {
            excerpt = Some(self.any.iter().find_map(|pattern| pattern.find(view))?);
        }
        if self.none.iter().any(|pattern| pattern.find(view).is_some()) {
            return None;
        }
        Some(excerpt.unwrap_or(&view.flat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_compiled_when_it_is_wanted_first_and_once_for_its_clones() {
        let pattern = Pattern::parse("/^a+b$/").unwrap();
        let clone = pattern.clone();
        let is_compiled =
            |pattern: &Pattern| matches!(&pattern.kind, Kind::Regex(c) if c.regex.get().is_some());
        assert!(!is_compiled(&pattern) && !is_compiled(&clone));
        assert_eq!(clone.find(&View::new(["x", "aab"])), Some("aab"));
        assert!(is_compiled(&pattern) && is_compiled(&clone));
    }

    #[test]
    fn a_pattern_that_cannot_be_compiled_is_told_when_it_is_read() {
        for broken in ["/(/", "/a{1000}{1000}{1000}/"] {
            assert!(Pattern::parse(broken).is_err(), "{broken}");
        }
    }
}
