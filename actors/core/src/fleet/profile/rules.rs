//! What a CLI's screen means: the tables `[screen]`, `[[composer]]`, `[[spinner]]` and `[[rule]]`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::Says;
use super::pattern::{Condition, Pattern};
use crate::fleet::evidence::{RuleName, Verdict};
use crate::fleet::state::{AgentState, Detail};
use crate::limits::{COMPOSER_BELOW_LINES, COMPOSER_LINES_MAX};

/// Everything a profile says about its CLI's screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// What holds for the whole screen.
    pub screen: Screen,
    /// How its composer may look.
    pub composers: Vec<ComposerShape>,
    /// How its signs of work look.
    pub spinners: Vec<Spinner>,
    /// What words in which region mean.
    pub rules: Vec<WordRule>,
}

/// The table `[screen]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Screen {
    /// The versions of the CLI that the rules were checked with, in words.
    pub checked: String,
    /// Words right behind which the CLI shows its version.
    pub version_after: Vec<String>,
    /// The CLI always draws a sign of work while it works: a composer without one is idle.
    pub busy_is_drawn: bool,
    /// The CLI draws its composer while it works, too.
    pub composer_while_busy: bool,
    /// Words that only this CLI shows in its live region or banner; `auto` tells CLIs by them.
    pub signs: Vec<Pattern>,
    /// Lines that show that it has just started.
    pub banners: Vec<Pattern>,
    /// Lines that show that a turn was taken.
    pub turns: Vec<Pattern>,
    /// Lines between the last message and the composer that belong to neither: the end of a turn.
    pub ends: Vec<Pattern>,
    /// Lines that may stand between a spinner and the composer.
    pub between: Vec<Pattern>,
    /// Lines that end a paragraph of messages which a person sent ahead, between a spinner and the composer.
    pub queued: Vec<Pattern>,
    /// The furthest column in which a message begins; what stands further in goes on with one.
    pub column: Option<usize>,
    /// Lines that look like a rule and begin a message: the head of a call.
    pub heads: Vec<Pattern>,
    /// Marks before a message, taken off before rules look at the last one.
    pub marks: String,
    /// What a line begins with that a person sent.
    pub asks: Vec<String>,
}

/// How a composer is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Between two rules.
    Ruled,
    /// In a box, with or without its right border.
    Boxed,
    /// Behind a bar at the left.
    Bar,
    /// A prompt on a line of its own.
    Bare,
    /// Behind `╰─`, below a line that begins with `╭─`.
    Powerline,
}

/// One `[[composer]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComposerShape {
    /// Its full name in evidence: the profile's, then its own.
    #[serde(skip, default = "nameless")]
    pub name: RuleName,
    /// Its name in `explain`, and for a file that extends this one.
    pub id: String,
    /// How it is drawn.
    pub shape: Shape,
    /// What stands before the text; without any, every text is typed text.
    #[serde(default)]
    pub prompts: Vec<String>,
    /// Characters that draw its bar, for the shape `bar`; without any, every bar will do.
    #[serde(default)]
    pub bars: String,
    /// What it shows while it is empty: words it begins with, or a pattern.
    #[serde(default)]
    pub placeholders: Vec<Pattern>,
    /// Lines with words that may stand below it.
    #[serde(default = "below")]
    pub below: usize,
    /// Lines at its end that say something else than typed text: the model, the mode.
    #[serde(default, deserialize_with = "labels")]
    pub labels: usize,
}

fn labels<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let labels = usize::deserialize(from)?;
    if labels > COMPOSER_LINES_MAX {
        return Err(D::Error::custom(format!("a composer has at most {COMPOSER_LINES_MAX} lines")));
    }
    Ok(labels)
}

fn nameless() -> RuleName {
    RuleName::from("")
}

const fn below() -> usize {
    COMPOSER_BELOW_LINES
}

/// One `[[spinner]]`: a line that is drawn while the CLI works.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spinner {
    /// Its full name in evidence: the profile's, then its own.
    #[serde(skip, default = "nameless")]
    pub name: RuleName,
    /// Its name in `explain`, and for a file that extends this one.
    pub id: String,
    /// Where it is looked for.
    #[serde(rename = "in", default = "status_only", deserialize_with = "one_or_more")]
    pub regions: Vec<Region>,
    /// Characters one of which it begins with; `⠁-⣿` is a range. Without any, its words suffice.
    #[serde(default)]
    pub glyphs: Glyphs,
    /// Whether an ellipsis follows its first words.
    #[serde(default)]
    pub ellipsis: bool,
    /// The furthest column it begins in.
    #[serde(default = "column")]
    pub indent: usize,
    /// One of these words is in the line.
    #[serde(default)]
    pub any: Vec<Pattern>,
    /// All of these are.
    #[serde(default)]
    pub all: Vec<Pattern>,
    /// None of these is.
    #[serde(default)]
    pub none: Vec<Pattern>,
    /// What it means.
    #[serde(default = "thinking")]
    pub says: Says,
}

fn status_only() -> Vec<Region> {
    vec![Region::Status]
}

const fn column() -> usize {
    2
}

const fn thinking() -> Says {
    Says(Verdict::new(AgentState::Busy, Some(Detail::Thinking)))
}

/// The first characters of a spinner's line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Glyphs(Vec<(char, char)>);

impl Glyphs {
    /// Whether any character will do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a character is one of them.
    pub fn has(&self, c: char) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&c))
    }
}

impl<'de> Deserialize<'de> for Glyphs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let chars: Vec<char> = String::deserialize(from)?.chars().collect();
        let mut ranges = Vec::new();
        let mut at = 0;
        while let Some(first) = chars.get(at) {
            let last = chars.get(at + 2).filter(|_| chars.get(at + 1) == Some(&'-'));
            ranges.push((*first, *last.unwrap_or(first)));
            at += if last.is_some() { 3 } else { 1 };
        }
        Ok(Glyphs(ranges))
    }
}

/// A part of the screen that rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// A menu, a question or a panel at the bottom, in place of the composer.
    Dialog,
    /// The sign of work right above the composer, and what hangs below it.
    Status,
    /// What stands below the composer.
    Footer,
    /// The text in the composer.
    Composer,
    /// The words in the composer's borders.
    Border,
    /// The last paragraph above the composer and its status.
    Last,
    /// The last lines of a screen that shows neither composer nor dialog.
    Bottom,
    /// All that is seen: for what is drawn over the rest.
    Screen,
    /// The pane's title.
    Title,
}

/// One `[[rule]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordRule {
    /// Its full name in evidence: the profile's, then its own.
    #[serde(skip, default = "nameless")]
    pub name: RuleName,
    /// Its name in `explain`, and for a file that extends this one.
    pub id: String,
    /// Where it looks; any one region suffices.
    #[serde(rename = "in", deserialize_with = "one_or_more")]
    pub regions: Vec<Region>,
    /// One of these words is there.
    #[serde(default)]
    pub any: Vec<Pattern>,
    /// All of these are.
    #[serde(default)]
    pub all: Vec<Pattern>,
    /// None of these is.
    #[serde(default)]
    pub none: Vec<Pattern>,
    /// What it means. For a rule that holds, what the screen means when nothing is known of the time before.
    pub says: Says,
    /// The screen covers what the agent does (a viewer, a picker that a person opened): the last state holds.
    #[serde(default)]
    pub holds: bool,
}

/// One region, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Region>, D::Error> {
    struct OneOrMore;
    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<Region>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a region, or a list of them")
        }

        fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
            let word = serde::de::value::StrDeserializer::<E>::new(word);
            Region::deserialize(word).map(|region| vec![region])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut regions = Vec::new();
            while let Some(region) = list.next_element()? {
                regions.push(region);
            }
            if regions.is_empty() {
                return Err(A::Error::custom("name at least one region"));
            }
            Ok(regions)
        }
    }
    from.deserialize_any(OneOrMore)
}

impl Spinner {
    /// What its line must say.
    pub fn condition(&self) -> Condition<'_> {
        Condition { any: &self.any, all: &self.all, none: &self.none }
    }
}

impl WordRule {
    /// What its region must say.
    pub fn condition(&self) -> Condition<'_> {
        Condition { any: &self.any, all: &self.all, none: &self.none }
    }
}

/// Something with an id of its own that a file which extends another may replace.
pub(super) trait Named {
    /// Its id in the file.
    fn id(&self) -> &str;
    /// Gives it its full name: the profile's, then its own.
    fn baptise(&mut self, profile: &str);
}

macro_rules! named {
    ($($kind:ty),*) => {$(
        impl Named for $kind {
            fn id(&self) -> &str {
                &self.id
            }

            fn baptise(&mut self, profile: &str) {
                self.name = RuleName::from(format!("{profile}.{}", self.id));
            }
        }
    )*};
}

named!(ComposerShape, Spinner, WordRule);

impl Rules {
    /// Gives every rule its full name.
    pub(super) fn baptise(&mut self, profile: &str) {
        self.composers.iter_mut().for_each(|c| c.baptise(profile));
        self.spinners.iter_mut().for_each(|s| s.baptise(profile));
        self.rules.iter_mut().for_each(|r| r.baptise(profile));
    }

    /// Lays other rules over these: one of the same id replaces, others come before; lists grow.
    pub(super) fn lay_over(&mut self, over: Rules, dropped: &[String]) {
        lay(&mut self.composers, over.composers, dropped);
        lay(&mut self.spinners, over.spinners, dropped);
        lay(&mut self.rules, over.rules, dropped);
        let (screen, above) = (&mut self.screen, over.screen);
        if !above.checked.is_empty() {
            screen.checked = above.checked;
        }
        screen.column = above.column.or(screen.column);
        if !above.marks.is_empty() {
            screen.marks = above.marks;
        }
        screen.busy_is_drawn |= above.busy_is_drawn;
        screen.composer_while_busy |= above.composer_while_busy;
        screen.version_after.extend(above.version_after);
        screen.signs.extend(above.signs);
        screen.banners.extend(above.banners);
        screen.turns.extend(above.turns);
        screen.ends.extend(above.ends);
        screen.between.extend(above.between);
        screen.queued.extend(above.queued);
        screen.heads.extend(above.heads);
        screen.asks.extend(above.asks);
    }
}

fn lay<T: Named>(below: &mut Vec<T>, above: Vec<T>, dropped: &[String]) {
    below.retain(|rule| !dropped.iter().any(|id| id == rule.id()));
    let mut first = Vec::new();
    for rule in above {
        match below.iter_mut().find(|old| old.id() == rule.id()) {
            Some(old) => *old = rule,
            None => first.push(rule),
        }
    }
    below.splice(0..0, first);
}
