//! Picks a few fields out of JSON that nobody vouches for.
//!
//! Nothing is built of what is not asked for, nesting costs no stack, and what stands before a break in the
//! text still counts: a payload may be cut at the limit, or be no JSON at all.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits;

/// The values of those of `fields` that are there and are a text, a number or a truth value. A dot in a
/// field's name goes into an object. The last of two equal names counts.
pub(super) fn pick<'f>(text: &str, fields: impl Iterator<Item = &'f str>) -> BTreeMap<String, String> {
    let wanted: Vec<Vec<&str>> = fields.map(|f| f.split('.').collect()).collect();
    let mut found = BTreeMap::new();
    let wanted: Vec<&[&str]> =
        wanted.iter().filter(|p| p.len() <= limits::HOOK_FIELD_PARTS_MAX).map(Vec::as_slice).collect();
    object(text, "", &wanted, &mut found);
    found
}

/// Reads one object as far as it can be read. Goes no deeper than a wanted field's name.
fn object(text: &str, above: &str, wanted: &[&[&str]], found: &mut BTreeMap<String, String>) {
    let mut json = serde_json::Deserializer::from_str(text);
    // What was found before an error is found.
    let _ = json.deserialize_map(Fields { above, wanted, found });
}

struct Fields<'a> {
    above: &'a str,
    wanted: &'a [&'a [&'a str]],
    found: &'a mut BTreeMap<String, String>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let raw: &'de RawValue = map.next_value()?;
            let under: Vec<&[&str]> =
                self.wanted.iter().filter(|path| path[0] == key).map(|path| &path[1..]).collect();
            if under.is_empty() {
                continue;
            }
            let name = if self.above.is_empty() { key.into_owned() } else { format!("{}.{key}", self.above) };
            if under.iter().any(|rest| rest.is_empty())
                && let Some(value) = scalar(raw.get())
            {
                self.found.insert(name.clone(), value);
            }
            let below: Vec<&[&str]> = under.into_iter().filter(|rest| !rest.is_empty()).collect();
            if !below.is_empty() {
                object(raw.get(), &name, &below, self.found);
            }
        }
        Ok(())
    }
}

/// A text, a number or a truth value as text.
fn scalar(raw: &str) -> Option<String> {
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok().or_else(|| Some(broken(raw))),
        b'{' | b'[' | b'n' => None,
        _ => Some(raw.to_owned()),
    }
}

/// A text whose escapes mean no characters, such as half of a surrogate pair: as it is written.
fn broken(raw: &str) -> String {
    raw.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str, fields: &[&str]) -> Vec<(String, String)> {
        pick(text, fields.iter().copied()).into_iter().collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn fields_are_found_at_any_place() {
        let text = r#" {"x":[1,{"event":"no"}],"event":"Stop","n":7,"t":true,"z":null,"o":{"a":{"b":"c"}}}"#;
        let fields = ["event", "n", "t", "z", "o.a.b", "o", "x"];
        assert_eq!(
            found(text, &fields),
            pairs(&[("event", "Stop"), ("n", "7"), ("o.a.b", "c"), ("t", "true")])
        );
        assert_eq!(found(r#"{"a":"1","a":"2"}"#, &["a"]), pairs(&[("a", "2")]));
        assert_eq!(found(r#"{"a":"\u00e9\n"}"#, &["a"]), pairs(&[("a", "é\n")]));
    }

    #[test]
    fn what_stands_before_a_break_counts() {
        assert_eq!(found(r#"{"event":"Stop","big":"xxxx"#, &["event", "big"]), pairs(&[("event", "Stop")]));
        assert_eq!(found(r#"{"a":"\ud83d","event":"Stop"}"#, &["a", "event"]).len(), 2);
        for text in ["", "null", "[]", "\"x\"", "{", "{}", "{\"a\"", "nonsense", "{\"a\":1} rest"] {
            let _ = found(text, &["a"]);
        }
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!("{{\"d\":{}1{},\"event\":\"Stop\"}}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(found(&deep, &["event"]), pairs(&[("event", "Stop")]));
        let deep = format!("{{\"event\":\"Stop\",\"event\":{}", "{\"event\":".repeat(100_000));
        assert_eq!(found(&deep, &["event", "event.event.event.event"]), pairs(&[("event", "Stop")]));
        assert_eq!(found(&"[".repeat(100_000), &["a"]), []);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,300}", cut in 0usize..300) {
            let _ = pick(&text, ["a", "a.b"].into_iter());
            let json = format!("{{\"a\":{text:?},\"b\":{{\"c\":1}}}}");
            let cut = (0..=cut.min(json.len())).rev().find(|at| json.is_char_boundary(*at)).unwrap_or(0);
            let _ = pick(&json[..cut], ["a", "b.c"].into_iter());
        }
    }
}
