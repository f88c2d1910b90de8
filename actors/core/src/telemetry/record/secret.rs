//! What must not reach the execution log: the values of inputs and outputs whose names say that they are
//! secret. A name that says so by mistake costs a value that is not logged; the other mistake would cost more.

use std::borrow::Cow;

use serde_json::Value;

/// What stands in a secret's place.
pub const MASK: &str = "***";

/// Parts of names that say so wherever they stand.
const PARTS: [&str; 7] = ["secret", "token", "password", "passwd", "passphrase", "credential", "apikey"];

/// A secret that is shorter is not looked for in messages: it would be found in every one.
const SOUGHT_BYTES_MIN: usize = 4;

/// Whether a name says that what it holds is secret.
pub(super) fn is_secret(name: &str) -> bool {
    let low = name.to_ascii_lowercase();
    let words = low.split(|c: char| !c.is_ascii_alphanumeric());
    PARTS.iter().any(|part| low.contains(part))
        || words.into_iter().any(|word| word.ends_with("key") || word.ends_with("keys"))
}

/// JSON without its secrets, and those that are worth looking for elsewhere. What is no JSON is told as text.
pub(super) fn masked(text: &str) -> (Vec<String>, Value) {
    let mut value = serde_json::from_str(text).unwrap_or_else(|_| Value::Object(serde_json::Map::default()));
    let mut found = Vec::new();
    mask(&mut value, &mut found);
    (found, value)
}

fn mask(value: &mut Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if is_secret(name) && !value.is_null() {
                    gather(value, found);
                    *value = Value::from(MASK);
                } else {
                    mask(value, found);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|v| mask(v, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn gather(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|v| gather(v, found)),
        Value::Array(values) => values.iter().for_each(|v| gather(v, found)),
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// A text without these secrets.
pub(super) fn without<'a>(text: &'a str, secrets: &[String]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets.iter().filter(|s| s.len() >= SOUGHT_BYTES_MIN) {
        if text.contains(secret.as_str()) {
            text = Cow::Owned(text.replace(secret.as_str(), MASK));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_secrets() {
        for name in ["token", "GITHUB_TOKEN", "apiKey", "api_key", "dbPassword", "ssh-keys", "client_secret"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["path", "keyword", "keyboard_layout", "tok", "pass", ""] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_taken_out_of_json_and_of_messages() {
        let text = r#"{"a":"x","token":"hunter22","n":{"pin_key":12345},"list":[{"password":["p1p1",null]}],"key":null}"#;
        let (found, value) = masked(text);
        let clean = r#"{"a":"x","key":null,"list":[{"password":"***"}],"n":{"pin_key":"***"},"token":"***"}"#;
        assert_eq!(value.to_string(), clean);
        assert_eq!(without("bad hunter22 and 12345, p1p1", &found), "bad *** and ***, ***");
        assert_eq!(without("as it is", &found), "as it is");
        assert_eq!(masked("no json").1.to_string(), "{}");
    }
}
