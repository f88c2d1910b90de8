//! Names: what a series is called in the house, and the alphabet that a receiver lets through.
//!
//! etsy's server turns white space into `_`, `/` into `-`, and deletes whatever else it does not know
//! (`stats.js`, `sanitizeKeyName`), so that `é` and `ö` become one series. Here a byte outside the
//! alphabet becomes `_xHH`, and the `_` of a literal `_x` is itself escaped: two different names never
//! become one, and the names of the catalogue stay as they are.

use std::fmt;

use crate::limits;

/// A series: a name and its labels, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    name: String,
    labels: Vec<(String, String)>,
}

/// Why a series is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSeries {
    /// The name is empty or longer than [`limits::METRIC_NAME_BYTES_MAX`].
    #[error("metric name is empty or too long")]
    Name,
    /// More than [`limits::METRIC_LABELS_MAX`] labels, or the same one twice.
    #[error("too many labels, or one twice")]
    Labels,
    /// A label's key is empty, or key or value is longer than [`limits::METRIC_LABEL_BYTES_MAX`].
    #[error("label is empty or too long")]
    Label,
}

impl SeriesKey {
    /// The series of `name` with `labels`, in whatever order they come.
    pub fn new(name: &str, labels: &[(&str, &str)]) -> Result<Self, BadSeries> {
        if name.is_empty() || name.len() > limits::METRIC_NAME_BYTES_MAX {
            return Err(BadSeries::Name);
        }
        if labels.len() > limits::METRIC_LABELS_MAX {
            return Err(BadSeries::Labels);
        }
        let longest = limits::METRIC_LABEL_BYTES_MAX;
        if labels.iter().any(|(k, v)| k.is_empty() || k.len() > longest || v.len() > longest) {
            return Err(BadSeries::Label);
        }
        let mut labels: Vec<_> = labels.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        labels.sort();
        if labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(BadSeries::Labels);
        }
        Ok(SeriesKey { name: name.to_owned(), labels })
    }

    /// The series that takes what `name` has too many series for.
    pub fn overflow_of(&self) -> Self {
        SeriesKey { name: self.name.clone(), labels: vec![("overflow".into(), "true".into())] }
    }

    /// The name without labels.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The labels, sorted by key.
    pub fn labels(&self) -> &[(String, String)] {
        &self.labels
    }
}

/// As in `ctl metrics --current`: `name;label=value`, injective, with `/` left readable.
impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        dotted(&mut out, &self.name, Alphabet::Path);
        for (key, value) in &self.labels {
            out.push(';');
            segment(&mut out, key, Alphabet::Path);
            out.push('=');
            segment(&mut out, value, Alphabet::Shown);
        }
        f.pad(&out)
    }
}

/// The bytes that stay as they are; all are plain ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// Letters, digits, `_`: what every receiver keeps, Datadog's and collectd's too.
    Word,
    /// [`Alphabet::Word`] and `-`: one node of a Graphite path.
    Path,
    /// [`Alphabet::Path`] and `.`: the value of a tag.
    Tag,
    /// [`Alphabet::Tag`] and `/`, for documents only: etsy's server rewrites a slash.
    Shown,
}

impl Alphabet {
    fn holds(self, b: u8) -> bool {
        b.is_ascii_alphanumeric()
            || b == b'_'
            || match self {
                Alphabet::Word => false,
                Alphabet::Path => b == b'-',
                Alphabet::Tag => matches!(b, b'-' | b'.'),
                Alphabet::Shown => matches!(b, b'-' | b'.' | b'/'),
            }
    }
}

/// Appends `raw` as one segment: a byte outside of the alphabet as `_xHH`, nothing as `_x`.
pub fn segment(out: &mut String, raw: &str, alphabet: Alphabet) {
    use std::fmt::Write as _;
    if raw.is_empty() {
        out.push_str("_x");
    }
    let bytes = raw.as_bytes();
    for (i, &b) in bytes.iter().enumerate() {
        let begins_an_escape = b == b'_' && bytes.get(i + 1) == Some(&b'x');
        if alphabet.holds(b) && !begins_an_escape {
            out.push(char::from(b));
        } else {
            write!(out, "_x{b:02X}").expect("writing to a string cannot fail");
        }
    }
}

/// Appends a dotted name, segment by segment.
pub fn dotted(out: &mut String, raw: &str, alphabet: Alphabet) {
    for (i, part) in raw.split('.').enumerate() {
        if i > 0 {
            out.push('.');
        }
        segment(out, part, alphabet);
    }
}

/// The word that stands between a name and its labels where labels become part of the path.
pub const LABEL_MARK: &str = "by";

/// Appends a dotted name whose segments cannot be mistaken for [`LABEL_MARK`].
pub fn dotted_unmarked(out: &mut String, raw: &str, alphabet: Alphabet) {
    for (i, part) in raw.split('.').enumerate() {
        if i > 0 {
            out.push('.');
        }
        if part == LABEL_MARK { out.push_str("_x62y") } else { segment(out, part, alphabet) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(raw: &str, alphabet: Alphabet) -> String {
        let mut out = String::new();
        segment(&mut out, raw, alphabet);
        out
    }

    /// The inverse of [`segment`]; that it exists is the proof.
    fn decoded(text: &str) -> Vec<u8> {
        let b = text.as_bytes();
        let (mut out, mut i) = (Vec::new(), 0);
        if text == "_x" {
            return out;
        }
        while i < b.len() {
            if b[i..].starts_with(b"_x") {
                out.push(u8::from_str_radix(&text[i + 2..i + 4], 16).unwrap());
                i += 4;
            } else {
                out.push(b[i]);
                i += 1;
            }
        }
        out
    }

    #[test]
    fn known_names_stay_and_strange_ones_are_escaped() {
        assert_eq!(encoded("state_changes", Alphabet::Word), "state_changes");
        assert_eq!(encoded("dev-1", Alphabet::Path), "dev-1");
        assert_eq!(encoded("dev-1", Alphabet::Word), "dev_x2D1");
        assert_eq!(encoded("é", Alphabet::Path), "_xC3_xA9");
        assert_eq!(encoded("_x41", Alphabet::Path), "_x5Fx41");
        assert_eq!(encoded("", Alphabet::Path), "_x");
        let key = SeriesKey::new("mailbox.depth", &[("actor", "root/a b")]).unwrap();
        assert_eq!(key.to_string(), "mailbox.depth;actor=root/a_x20b");
    }

    #[test]
    fn a_series_is_refused_not_cut() {
        let long = "n".repeat(limits::METRIC_NAME_BYTES_MAX + 1);
        assert_eq!(SeriesKey::new(&long, &[]), Err(BadSeries::Name));
        assert_eq!(SeriesKey::new("a", &[("k", &long)]), Err(BadSeries::Label));
        assert_eq!(SeriesKey::new("a", &[("k", "1"), ("k", "2")]), Err(BadSeries::Labels));
        assert_eq!(
            SeriesKey::new("a", &[("b", "1"), ("a", "2")]),
            SeriesKey::new("a", &[("a", "2"), ("b", "1")])
        );
    }

    proptest! {
        #[test]
        fn escaping_can_be_undone(raw in "(_x|[a-z_.x/:|@#\n]|\\PC){0,12}") {
            for a in [Alphabet::Word, Alphabet::Path, Alphabet::Tag, Alphabet::Shown] {
                let text = encoded(&raw, a);
                prop_assert_eq!(decoded(&text), raw.as_bytes());
                prop_assert!(text.bytes().all(|b| a.holds(b)));
            }
        }
    }
}
