//! Where things stand in a JSON text. Comments are passed over.

use std::collections::BTreeSet;
use std::ops::Range;

use super::EditError;
use crate::limits::{HOOK_EVENT_BYTES, HOOK_SETTINGS_DEPTH};
use crate::untrusted::Untrusted;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Object(Vec<Member>),
    Array(Vec<Node>),
    Text(String),
    Other,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) start: usize,
    pub(super) value: Node,
}

impl Node {
    /// The members, when it is an object.
    pub(super) fn members(&self) -> Option<&[Member]> {
        if let Kind::Object(members) = &self.kind { Some(members) } else { None }
    }

    /// The elements, when it is a list.
    pub(super) fn elements(&self) -> Option<&[Node]> {
        if let Kind::Array(elements) = &self.kind { Some(elements) } else { None }
    }

    /// The text, when it is one.
    pub(super) fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }

    /// The value under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.members()?.iter().find(|m| m.key == key).map(|m| &m.value)
    }

    /// The places of what it holds, keys included.
    pub(super) fn children(&self) -> Vec<Range<usize>> {
        match &self.kind {
            Kind::Object(members) => members.iter().map(|m| m.start..m.value.span.end).collect(),
            Kind::Array(elements) => elements.iter().map(|e| e.span.clone()).collect(),
            Kind::Text(_) | Kind::Other => Vec::new(),
        }
    }
}

/// Reads a whole text.
pub(super) fn parse(text: &str) -> Result<Node, EditError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.blank()?;
    let node = reader.value()?;
    reader.blank()?;
    if reader.at < text.len() { Err(reader.error("there is more behind the end")) } else { Ok(node) }
}

/// Where the comma stands behind a value that ends at `end`. Comments may have commas in them.
pub(super) fn comma_behind(text: &str, end: usize) -> Option<usize> {
    let mut reader = Reader { text, at: end, depth: 0 };
    reader.blank().ok()?;
    (reader.peek() == Some(b',')).then_some(reader.at)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn error(&self, what: &str) -> EditError {
        EditError::at(self.text, self.at, what)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes over white space, comments, and a mark of byte order.
    fn blank(&mut self) -> Result<(), EditError> {
        loop {
            let rest = self.rest();
            let skipped = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{feff}']).len();
            if skipped > 0 {
                self.at += skipped;
            } else if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if let Some(comment) = rest.strip_prefix("/*") {
                // `/*/` only begins one.
                let end = comment.find("*/").ok_or_else(|| self.error("this comment has no end"))?;
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn value(&mut self) -> Result<Node, EditError> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.inside(b'}', Self::object)?,
            Some(b'[') => self.inside(b']', Self::array)?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => self.word()?,
            Some(_) => return Err(self.error("a value is expected")),
            None => return Err(self.error("the text ends where a value is expected")),
        };
        Ok(Node { span: start..self.at, kind })
    }

    fn inside(
        &mut self,
        close: u8,
        read: impl FnOnce(&mut Self, u8) -> Result<Kind, EditError>,
    ) -> Result<Kind, EditError> {
        if self.depth >= HOOK_SETTINGS_DEPTH {
            return Err(self.error("this is nested too deep"));
        }
        self.depth += 1;
        self.at += 1;
        let kind = read(self, close)?;
        self.depth -= 1;
        Ok(kind)
    }

    /// Whether there is one more; goes over the comma before it, or over the end.
    fn more(&mut self, close: u8, first: bool) -> Result<bool, EditError> {
        self.blank()?;
        match self.peek() {
            Some(b) if b == close && first => {}
            Some(b',') if !first => {
                self.at += 1;
                self.blank()?;
                if self.peek() == Some(close) {
                    return Err(self.error("something is expected behind the comma"));
                }
                return Ok(true);
            }
            Some(b) if b == close => {}
            Some(_) if first => return Ok(true),
            Some(_) => return Err(self.error(&format!("`,` or `{}` is expected", char::from(close)))),
            None => return Err(self.error(&format!("the text ends before `{}`", char::from(close)))),
        }
        self.at += 1;
        Ok(false)
    }

    fn object(&mut self, close: u8) -> Result<Kind, EditError> {
        let mut members = Vec::new();
        let mut keys = BTreeSet::new();
        while self.more(close, members.is_empty())? {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.error("a name in double quotes is expected"));
            }
            let key = self.string()?;
            // Readers of such a text differ in which of the two counts.
            if !keys.insert(key.clone()) {
                let what =
                    format!("`{}` stands here a second time", Untrusted::bounded(&key, HOOK_EVENT_BYTES));
                return Err(EditError::at(self.text, start, what));
            }
            self.blank()?;
            if self.peek() != Some(b':') {
                return Err(self.error("`:` is expected"));
            }
            self.at += 1;
            self.blank()?;
            members.push(Member { key, start, value: self.value()? });
        }
        Ok(Kind::Object(members))
    }

    fn array(&mut self, close: u8) -> Result<Kind, EditError> {
        let mut elements = Vec::new();
        while self.more(close, elements.is_empty())? {
            elements.push(self.value()?);
        }
        Ok(Kind::Array(elements))
    }

    fn string(&mut self) -> Result<String, EditError> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(b'\n') | None => return Err(self.error("this text has no end")),
                Some(_) => end += 1,
            }
        }
        let raw = &self.text[self.at..=end];
        // An escape that means no character is kept as it is: it is not for us to judge.
        let text = serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned());
        self.at = end + 1;
        Ok(text)
    }

    fn word(&mut self) -> Result<Kind, EditError> {
        let rest = self.rest();
        let len = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')))
            .unwrap_or(rest.len());
        if serde_json::from_str::<serde_json::Value>(&rest[..len]).is_err() {
            return Err(self.error("a value is expected"));
        }
        self.at += len;
        Ok(Kind::Other)
    }
}
