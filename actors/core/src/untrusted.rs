//! Text that came from a pane, a job or a client.
//!
//! Such text is data. Its `Display` escapes what could drive a terminal or deceive a reader; the raw
//! text is reached only by [`Untrusted::raw`], so that every place which uses it can be found.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text from outside. Shown escaped, stored raw.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// Takes text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Untrusted(text.into())
    }

    /// Takes at most `max_bytes` of the text, cut at a character.
    pub fn bounded(text: &str, max_bytes: usize) -> Self {
        if text.len() <= max_bytes {
            return Untrusted(text.to_owned());
        }
        let mut end = max_bytes;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Untrusted(text[..end].to_owned())
    }

    /// Takes bytes, replacing what is not UTF-8, and at most `max_bytes` of the result.
    pub fn from_bytes(bytes: &[u8], max_bytes: usize) -> Self {
        let cut = &bytes[..bytes.len().min(max_bytes)];
        Self::bounded(&String::from_utf8_lossy(cut), max_bytes)
    }

    /// The text as it came. It must not become a tmux format, a shell word, a metric name or HTML.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Untrusted(text.to_owned())
    }
}

impl From<String> for Untrusted {
    fn from(text: String) -> Self {
        Untrusted(text)
    }
}

/// Whether a character may reach a terminal as it is: no control, no bidirectional override, nothing
/// invisible (Unicode TR 36 lists what such characters are used for).
fn is_plain(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{061C}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}'))
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.chars().all(is_plain) {
            return f.pad(&self.0);
        }
        let mut shown = String::with_capacity(self.0.len() + 16);
        for c in self.0.chars() {
            if is_plain(c) {
                shown.push(c);
            } else {
                shown.extend(c.escape_default());
            }
        }
        f.pad(&shown)
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_escapes_what_drives_a_terminal() {
        assert_eq!(Untrusted::new("a\x1b[31mb\n").to_string(), "a\\u{1b}[31mb\\n");
        assert_eq!(Untrusted::new("x\u{202E}y\u{200B}").to_string(), "x\\u{202e}y\\u{200b}");
        assert_eq!(Untrusted::new("日本 ✳ ok").to_string(), "日本 ✳ ok");
    }

    #[test]
    fn bounds_cut_at_a_character() {
        assert_eq!(Untrusted::bounded("aé", 2).raw(), "a");
        assert_eq!(Untrusted::from_bytes(b"ok\xff\xfe", 100).raw(), "ok\u{fffd}\u{fffd}");
        assert!(Untrusted::from_bytes(&[0xff; 100], 10).raw().len() <= 10);
    }
}
