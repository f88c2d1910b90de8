//! Which CLI a screen belongs to.
//!
//! Every profile reads the screen and names what it knows on it: where a person types, the sign of work, words of
//! its live region, marks before messages. Each such sign is one vote, shared among all the profiles that know it:
//! what only one CLI draws weighs much, what many draw weighs little. What is now weighs more than what scrolled
//! by above, and whoever takes something for the live region below which another one finds a place to type
//! has taken a quotation for it.

use std::collections::BTreeMap;

use super::Shot;
use super::live::Live;
use super::text;
use super::wrap;
use crate::fleet::profile::{Profile, Profiles, Region, Rules, Shape, View};
use crate::fleet::state::AgentState;

/// One vote: it can be shared by as many without a remainder that matters.
const VOTE: u32 = 60;
/// What a profile needs at least.
const ENOUGH: u32 = 3 * VOTE;

/// What a vote is given for, and by whom it is shared: those who name the same thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Sign<'p> {
    /// A composer on that line, told by its prompt or by its frame alone.
    Composer(usize, bool),
    /// A placeholder in it.
    Placeholder,
    /// A sign of work on that line.
    Work(usize),
    /// Words of the live region, or of the bottom of a screen without one.
    Words(&'p str),
    /// What a rule found there.
    Rule(Region, String),
    /// A line that begins a message.
    Turn(usize),
    /// A line that a program shows when it starts.
    Banner(usize),
}

/// What one profile makes of a screen.
struct Look<'p, 'l> {
    profile: &'p Profile,
    live: Live<'l>,
    /// Whether its composer is surely one: told by its prompt, or by words that only its CLI shows.
    sure: bool,
    votes: Vec<(Sign<'p>, u32)>,
}

/// The profile that fits best.
pub(super) fn guess<'p>(profiles: &'p Profiles, shot: &Shot) -> Option<&'p Profile> {
    let lines = text::lines(shot.text.raw());
    let lines = wrap::joined(&lines, shot.columns).unwrap_or(lines);
    let title = View::new([shot.title.raw()]);
    let looks: Vec<Look<'p, '_>> = profiles
        .iter()
        .filter(|profile| !profile.is_of_any())
        .map(|profile| look(profile, &lines, &title))
        .collect();
    let overlooking: Vec<bool> =
        looks.iter().map(|look| looks.iter().any(|other| lives_below(other, look))).collect();
    let told = || looks.iter().zip(&overlooking).map(|(look, overlooks)| (look, *overlooks));
    let mut sharers = BTreeMap::<&Sign<'_>, u32>::new();
    for (sign, _) in told().flat_map(|(look, overlooks)| counted(look, overlooks)) {
        *sharers.entry(sign).or_default() += 1;
    }
    // A prompt explains more of a composer than a frame does that would hold any text.
    let framed: Vec<_> =
        sharers.keys().filter(|sign| matches!(sign, Sign::Composer(_, false))).copied().collect();
    for sign in framed {
        let Sign::Composer(line, _) = *sign else { continue };
        let prompted = sharers.get(&Sign::Composer(line, true)).copied().unwrap_or(0);
        *sharers.entry(sign).or_default() += 2 * prompted;
    }
    let best = told()
        .map(|(look, overlooks)| (fit(look, overlooks, &sharers), look.profile))
        .filter(|(fit, _)| *fit >= ENOUGH)
        .reduce(|best, other| if other.0 > best.0 { other } else { best });
    match best {
        Some((_, profile)) => Some(profile),
        None if super::shell::prompt(&lines).is_some() => {
            profiles.get(Profile::SHELL).or_else(|| profiles.get(Profile::GENERIC))
        }
        None => profiles.get(Profile::GENERIC),
    }
}

/// The votes of a profile that count: of one that overlooks the live region, those for history.
fn counted<'a, 'p>(look: &'a Look<'p, '_>, overlooks: bool) -> impl Iterator<Item = &'a (Sign<'p>, u32)> {
    look.votes.iter().filter(move |(sign, _)| !overlooks || matches!(sign, Sign::Turn(_) | Sign::Banner(_)))
}

/// The sum of a profile's votes, each divided by those who share it.
fn fit(look: &Look<'_, '_>, overlooks: bool, sharers: &BTreeMap<&Sign<'_>, u32>) -> u32 {
    let (mut sum, mut words, mut turns) = (0, 0, 0);
    for (sign, weight) in counted(look, overlooks) {
        let share = weight * VOTE / sharers.get(sign).copied().unwrap_or(1).max(1);
        match sign {
            Sign::Words(_) => words += share,
            Sign::Turn(_) => turns += share,
            _ => sum += share,
        }
    }
    sum + words.min(15 * VOTE) + turns.min(3 * VOTE)
}

/// The last line that a profile explains as the live region itself.
fn end(live: &Live<'_>) -> usize {
    let composer = live.composer.as_ref().map(|composer| composer.last);
    let dialog = live.dialog.as_ref().map(|dialog| dialog.last);
    composer.or(dialog).or(live.work.map(|work| work.line)).unwrap_or(0)
}

/// Whether another one's live region, surely one, begins below a profile's and apart from it: a composer, or the
/// sign of work of a CLI that draws no composer then.
fn lives_below(other: &Look<'_, '_>, look: &Look<'_, '_>) -> bool {
    let end = end(&look.live);
    let signs = &look.profile.rules.screen.signs;
    let knows = |line: &text::Line<'_>| signs.iter().any(|sign| sign.find_in(line.body()).is_some());
    let live = &other.live;
    let rules = &*other.profile.rules;
    let first = match (&live.composer, live.work) {
        (Some(composer), _) if other.sure => composer.first,
        // Its own sign there is no other's.
        (None, Some(work)) if !rules.screen.composer_while_busy && !knows(&live.lines[work.line]) => {
            let stands = look.live.composer.is_some() || look.live.dialog.is_some();
            return stands && work.line > end + 1;
        }
        _ => return false,
    };
    // Below a composer its footer may look like a prompt; below what asks in its place nothing may.
    first > end + 1
        && (look.live.composer.is_none() || live.lines[end + 1..first].iter().any(|line| !line.is_blank()))
        && live.lines[end + 1..first].iter().any(text::Line::is_blank)
}

fn look<'p, 'l>(profile: &'p Profile, lines: &[text::Line<'l>], title: &View) -> Look<'p, 'l> {
    let rules = &*profile.rules;
    let live = Live::find(lines.to_vec(), rules);
    let mut votes = Vec::new();
    let mut sure = false;
    if let Some(composer) = &live.composer {
        let footer = live.view(Region::Footer, rules);
        let signed = |view: &View| rules.screen.signs.iter().any(|sign| sign.find(view).is_some());
        // A prompt without a frame below which something else stands may be a line of a message.
        let bare = rules.composers[composer.shape].shape == Shape::Bare && !footer.is_empty();
        let vouched = !bare || signed(&footer);
        sure = vouched && (composer.prompted || signed(&footer) || signed(&live.view(Region::Border, rules)));
        let weight = match (composer.prompted, vouched) {
            (true, true) => 8,
            (false, true) => 4,
            (_, false) => 2,
        };
        votes.push((Sign::Composer(composer.last, composer.prompted), weight));
        let shape = &rules.composers[composer.shape];
        if shape.placeholders.iter().any(|words| words.begins(&composer.text)) {
            votes.push((Sign::Placeholder, 6));
        }
    }
    if let Some(work) = live.work {
        // A CLI that draws its composer while it works would show it.
        let missed = live.composer.is_none() && rules.screen.composer_while_busy;
        votes.push((Sign::Work(work.line), if missed { 2 } else { 6 }));
    }
    words(&live, rules, &mut votes);
    shoulder(&live, rules, &mut votes);
    history(&live, rules, &mut votes);
    spoken(rules, Region::Title, title, 2, &mut votes);
    Look { profile, live, sure, votes }
}

/// Votes for the words of each part of the live region.
fn words<'p>(live: &Live<'_>, rules: &'p Rules, votes: &mut Vec<(Sign<'p>, u32)>) {
    let parts = [
        (Region::Dialog, 6, 5),
        (Region::Footer, 6, 3),
        (Region::Border, 6, 3),
        (Region::Status, 6, 3),
        (Region::Composer, 4, 3),
        (Region::Bottom, 4, 4),
        (Region::Last, 0, 3),
    ];
    for (region, weight, rule) in parts {
        let view = live.view(region, rules);
        if view.is_empty() {
            continue;
        }
        if weight > 0 {
            let signs = rules.screen.signs.iter().filter(|sign| sign.find(&view).is_some());
            votes.extend(signs.take(3).map(|sign| (Sign::Words(sign.source()), weight)));
        }
        spoken(rules, region, &view, rule, votes);
    }
}

/// Votes for words on the lines that stand right upon the composer.
fn shoulder<'p>(live: &Live<'_>, rules: &'p Rules, votes: &mut Vec<(Sign<'p>, u32)>) {
    if live.composer.is_none() {
        return;
    }
    let upon = live.lines[..live.top].iter().rev().take_while(|line| !line.is_blank()).take(3);
    let view = View::new(upon.map(text::Line::body));
    let signs = rules.screen.signs.iter().filter(|sign| sign.find(&view).is_some());
    votes.extend(signs.take(1).map(|sign| (Sign::Words(sign.source()), 4)));
}

/// A vote for the first rule that finds its words in a region.
fn spoken(rules: &Rules, region: Region, view: &View, weight: u32, votes: &mut Vec<(Sign<'_>, u32)>) {
    let mut here = rules.rules.iter().filter(|rule| rule.regions.contains(&region));
    let found = here.find_map(|rule| rule.condition().met(view).map(|words| (rule, words)));
    if let Some((rule, words)) = found {
        // A word alone is anybody's, and so is a line with a sign of work at the end of a screen.
        let works = region == Region::Bottom && rule.says.0.state == AgentState::Busy;
        let weight = if works { weight.min(3) } else { weight };
        let weight = if words.trim().contains(' ') { weight } else { weight.min(2) };
        votes.push((Sign::Rule(region, words.to_owned()), weight));
    }
}

/// Votes for what scrolled by: marks before messages, and what the program showed when it started.
fn history<'p>(live: &Live<'_>, rules: &'p Rules, votes: &mut Vec<(Sign<'p>, u32)>) {
    let mut turned = false;
    let mut banner = None;
    for (at, line) in live.lines[..live.top].iter().enumerate().filter(|(_, line)| !line.is_blank()) {
        if banner.is_none() && rules.screen.banners.iter().any(|b| b.find_in(line.body()).is_some()) {
            // A program starts before it is told anything.
            banner = Some((at, if turned { 1 } else { 5 }));
        } else if rules.screen.turns.iter().any(|t| t.find_in(&line.text).is_some()) {
            turned = true;
            votes.push((Sign::Turn(at), 1));
        }
    }
    votes.extend(banner.map(|(at, weight)| (Sign::Banner(at), weight)));
}
