//! From a CLI's JSON to a report: a few bounded texts and what they mean.

use std::collections::BTreeMap;

use super::rules::Hooks;
use super::{Caller, HookReport, HookSays, json};
use crate::clock::Wall;
use crate::limits;
use crate::untrusted::Untrusted;

/// One call of a hook, as it came.
#[derive(Debug, Clone, Default)]
pub struct Call<'a> {
    /// The profile's name.
    pub cli: &'a str,
    /// The event as the command line names it, for CLIs whose JSON does not.
    pub named: Option<&'a str>,
    /// What the CLI wrote. Any bytes.
    pub payload: &'a [u8],
}

/// The report of a call; `None` when it names no event.
pub fn condense(hooks: &Hooks, call: &Call<'_>, caller: Caller, at: Wall, order: u64) -> Option<HookReport> {
    let payload = &call.payload[..call.payload.len().min(limits::HOOK_INPUT_BYTES_MAX)];
    let text = String::from_utf8_lossy(payload);
    let fields = json::pick(&text, wanted(hooks));
    let first = |names: &[String]| names.iter().find_map(|n| fields.get(n).filter(|v| !v.is_empty()));
    let event = first(&hooks.event).map(String::as_str).or(call.named)?;
    let says = if first(&hooks.child).is_some() { HookSays::Nothing } else { meaning(hooks, event, &fields) };
    let report = HookReport {
        cli: call.cli.to_owned(),
        event: Untrusted::new(event),
        says,
        caller,
        session: first(&hooks.session).map(|s| Untrusted::new(s.as_str())),
        transcript: first(&hooks.transcript).map(|s| Untrusted::new(s.as_str())),
        words: Untrusted::new(words(hooks, &fields)),
        at,
        order,
    };
    Some(report.bounded())
}

/// Every field that anything of the table asks for.
fn wanted(hooks: &Hooks) -> impl Iterator<Item = &str> {
    let lists = [&hooks.event, &hooks.session, &hooks.transcript, &hooks.child, &hooks.words];
    let conditions = hooks.on.iter().flat_map(|on| on.when.keys());
    lists.into_iter().flatten().chain(conditions).map(String::as_str)
}

/// What the first rule that fits says.
fn meaning(hooks: &Hooks, event: &str, fields: &BTreeMap<String, String>) -> HookSays {
    let fits = |on: &&super::rules::On| {
        on.event.iter().any(|e| e == event)
            && on.when.iter().all(|(field, texts)| {
                fields.get(field).is_some_and(|value| texts.iter().any(|text| text.fits(value)))
            })
    };
    hooks.on.iter().find(fits).map_or(HookSays::Nothing, |on| on.says)
}

fn words(hooks: &Hooks, fields: &BTreeMap<String, String>) -> String {
    let mut words = String::new();
    for value in hooks.words.iter().filter_map(|name| fields.get(name)).filter(|v| !v.is_empty()) {
        if !words.is_empty() {
            words.push_str(": ");
        }
        let room = limits::EXCERPT_BYTES.saturating_sub(words.len());
        words.push_str(Untrusted::bounded(value, room).raw());
    }
    words
}

impl HookReport {
    /// The same with every text cut to its limit. Whoever takes a report from elsewhere does this first.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let cut = |text: &Untrusted, max| Untrusted::bounded(text.raw(), max);
        let plain = |text: Option<String>, max| text.filter(|t| t.len() <= max);
        Untrusted::bounded(&self.cli, limits::DECLARED_NAME_MAX).raw().clone_into(&mut self.cli);
        self.event = cut(&self.event, limits::HOOK_EVENT_BYTES);
        self.words = cut(&self.words, limits::EXCERPT_BYTES);
        self.session = self.session.map(|s| cut(&s, limits::HOOK_SESSION_BYTES));
        // Half a path is another path.
        self.transcript = self.transcript.filter(|t| t.raw().len() <= limits::HOOK_PATH_BYTES);
        self.caller.tmux = plain(self.caller.tmux, limits::HOOK_TMUX_BYTES);
        self.caller.pane = plain(self.caller.pane, limits::NAME_BYTES_MAX);
        self.caller.agent = plain(self.caller.agent, 2 * limits::NAME_BYTES_MAX);
        self.caller.ancestors.truncate(limits::HOOK_ANCESTORS_MAX);
        self
    }

    /// The name of the rule behind it: `hook.` and the event in small letters.
    pub fn rule(&self) -> crate::fleet::evidence::RuleName {
        let mut name = String::from("hook.");
        let mut before = '.';
        for c in self.event.raw().chars().take(limits::HOOK_EVENT_BYTES) {
            if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
                name.push('_');
            }
            name.push(if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '_' });
            before = c;
        }
        name.into()
    }
}

#[cfg(test)]
mod tests;
