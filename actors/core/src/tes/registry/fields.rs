//! Reads fields of a JSON object, and says by name what is wrong with them.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::tes::value::shown;

/// What was found wrong: what, and whether the entry cannot be used because of it.
pub(super) type Found = Vec<(String, bool)>;

/// The fields of one object. What is not asked for is unknown, and told at the end.
pub(super) struct Fields<'a> {
    at: String,
    map: Option<&'a Map<String, Value>>,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The fields of `value`; `at` is its path, empty for the entry itself.
    pub(super) fn of(value: Option<&'a Value>, at: impl Into<String>, found: &mut Found) -> Self {
        let at = at.into();
        let map = match value {
            Some(Value::Object(map)) => Some(map),
            None | Some(Value::Null) => None,
            Some(other) => {
                let name = if at.is_empty() { "the entry" } else { &at };
                found.push((format!("{name}: expected an object, found {}", shown(other)), true));
                None
            }
        };
        Fields { at, map, asked: Vec::new() }
    }

    /// The path of a field.
    pub(super) fn path(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }

    /// A field as it is; null is as good as nothing.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.asked.push(key);
        self.map?.get(key).filter(|v| !v.is_null())
    }

    pub(super) fn typed<T>(
        &mut self,
        key: &'static str,
        what: &str,
        found: &mut Found,
        take: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let taken = take(value);
        if taken.is_none() {
            found.push((format!("{}: expected {what}, found {}", self.path(key), shown(value)), true));
        }
        taken
    }

    pub(super) fn text(&mut self, key: &'static str, found: &mut Found) -> Option<&'a str> {
        self.typed(key, "text", found, Value::as_str)
    }

    pub(super) fn flag(&mut self, key: &'static str, found: &mut Found) -> Option<bool> {
        self.typed(key, "true or false", found, Value::as_bool)
    }

    /// A number that is not negative.
    pub(super) fn number(&mut self, key: &'static str, found: &mut Found) -> Option<f64> {
        self.typed(key, "a number, 0 or more", found, |v| v.as_f64().filter(|n| n.is_finite() && *n >= 0.0))
    }

    pub(super) fn whole(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<u64>,
        found: &mut Found,
    ) -> Option<u64> {
        let what = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        self.typed(key, &what, found, |v| v.as_u64().filter(|n| bounds.contains(n)))
    }

    /// A list; a single text stands for a list of one.
    pub(super) fn list(&mut self, key: &'static str, found: &mut Found) -> Vec<&'a Value> {
        let taken = self.typed(key, "a list", found, |v| match v {
            Value::Array(items) => Some(items.iter().collect()),
            Value::String(_) => Some(vec![v]),
            _ => None,
        });
        taken.unwrap_or_default()
    }

    pub(super) fn texts(&mut self, key: &'static str, found: &mut Found) -> Vec<String> {
        let mut texts = Vec::new();
        for (n, item) in self.list(key, found).into_iter().enumerate() {
            match item.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => found
                    .push((format!("{}[{n}]: expected text, found {}", self.path(key), shown(item)), true)),
            }
        }
        texts
    }

    /// Tells of fields that nobody asked for.
    pub(super) fn unknown(&self, found: &mut Found) {
        let Some(map) = self.map else { return };
        for key in map.keys().filter(|k| !self.asked.contains(&k.as_str())) {
            found.push((
                format!(
                    "{}: there is no such field; it is passed over",
                    self.path(&key.escape_debug().to_string())
                ),
                false,
            ));
        }
    }
}
