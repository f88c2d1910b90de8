//! Lets the rules of a profile look at a screen's parts, and says what follows.

use super::live::Live;
use super::shell::{self, Prompt};
use super::text::Line;
use crate::fleet::evidence::{Claim, Rank, RuleName, Source, Verdict};
use crate::fleet::profile::{Profile, Region, Rules, View, WordRule};
use crate::fleet::state::{AgentState, Detail};
use crate::limits::{BOTTOM_LINES_MAX, EXCERPT_BYTES};
use crate::untrusted::Untrusted;

use super::Reading;

/// Reads lines with the rules of a profile.
pub(super) fn read(profile: &Profile, title: &Untrusted, lines: Vec<Line<'_>>) -> Reading {
    let rules = &*profile.rules;
    let live = Live::find(lines, rules);
    let mut reading = Reading {
        claims: Vec::new(),
        hold: None,
        live: live.composer.is_some() || live.dialog.is_some() || live.work.is_some(),
        left: is_left(&live),
        columns: None,
    };
    let views = Views::new(&live, title, rules);
    for rule in &rules.rules {
        if let Some((region, words)) = views.find(rule) {
            // What the last message says about work holds only while a line of work is drawn.
            if region == Region::Last && rule.says.0.state == AgentState::Busy && live.work.is_none() {
                continue;
            }
            hear(&mut reading, rule, region, words);
        }
    }
    reading.live |= !reading.claims.is_empty() || reading.hold.is_some();
    if let Some(work) = live.work {
        let spinner = &rules.spinners[work.spinner];
        reading.claims.push(Claim {
            source: Source::Screen,
            rank: Rank::Spinner,
            rule: spinner.name.clone(),
            says: spinner.says.0,
            excerpt: quote(live.lines[work.line].body()),
        });
    }
    if live.dialog.is_some() && reading.hold.is_none() && !is_answered(&reading) {
        let words = live.view(Region::Dialog, rules);
        let says = Verdict::new(AgentState::Waiting, Some(Detail::Question));
        reading.claims.push(claim(own(profile, "dialog"), Rank::Blocker, says, &words.flat));
    }
    if reading.hold.is_some() {
        // What covers the composer is not typed text.
    } else if live.composer.is_some() {
        reading.claims.push(composer_says(profile, &live));
    } else if !reading.live
        && let Some(words) = banner(&live, rules)
    {
        reading.claims.push(claim(
            own(profile, "banner"),
            Rank::Composer,
            Verdict::new(AgentState::Starting, None),
            words,
        ));
    }
    // Of equal rank, what a rule says in words counts before what follows from the composer.
    reading.claims.sort_by_key(|claim| (claim.rank, weight(claim.says)));
    reading
}

/// A dialog has been told what it is when some rule says that it waits, is limited or failed.
fn is_answered(reading: &Reading) -> bool {
    reading
        .claims
        .iter()
        .any(|claim| claim.source == Source::Screen && matches!(claim.rank, Rank::Gate | Rank::Blocker))
}

fn weight(says: Verdict) -> u8 {
    match (says.state, says.detail) {
        (AgentState::Limited, _) => 0,
        (AgentState::Busy, Some(Detail::Compacting | Detail::Background)) => 1,
        (AgentState::Busy, Some(Detail::Tool)) => 2,
        (AgentState::Busy, Some(_)) | (AgentState::Queued, _) => 3,
        (AgentState::Error, _) => 4,
        (AgentState::Fresh, _) => 5,
        _ => 6,
    }
}

fn hear(reading: &mut Reading, rule: &WordRule, region: Region, words: &str) {
    let source = if region == Region::Title { Source::Title } else { Source::Screen };
    let rank = rule.says.rank(region);
    let claim = Claim { source, rank, rule: rule.name.clone(), says: rule.says.0, excerpt: quote(words) };
    if rule.holds {
        reading.hold.get_or_insert(claim);
    } else {
        reading.claims.push(claim);
    }
}

/// The regions of a screen as rules see them, each made when it is first needed.
struct Views<'l> {
    live: &'l Live<'l>,
    rules: &'l Rules,
    title: View,
    made: [std::cell::OnceCell<View>; 8],
}

impl<'l> Views<'l> {
    fn new(live: &'l Live<'l>, title: &Untrusted, rules: &'l Rules) -> Self {
        let title = View::new([title.raw()]);
        Views { live, rules, title, made: std::array::from_fn(|_| std::cell::OnceCell::new()) }
    }

    fn get(&self, region: Region) -> &View {
        let place = match region {
            Region::Dialog => 0,
            Region::Status => 1,
            Region::Footer => 2,
            Region::Composer => 3,
            Region::Border => 4,
            Region::Last => 5,
            Region::Bottom => 6,
            Region::Screen => 7,
            Region::Title => return &self.title,
        };
        self.made[place].get_or_init(|| self.live.view(region, self.rules))
    }

    /// The first region in which a rule finds its words, and the words.
    fn find(&self, rule: &WordRule) -> Option<(Region, &str)> {
        rule.regions.iter().find_map(|region| {
            let view = self.get(*region);
            if view.is_empty() {
                return None;
            }
            rule.condition().met(view).map(|words| (*region, words))
        })
    }
}

fn own(profile: &Profile, id: &str) -> RuleName {
    format!("{}.{id}", profile.name).into()
}

fn quote(words: &str) -> Untrusted {
    Untrusted::bounded(words.trim(), EXCERPT_BYTES)
}

fn claim(rule: RuleName, rank: Rank, says: Verdict, words: &str) -> Claim {
    Claim { source: Source::Screen, rank, rule, says, excerpt: quote(words) }
}

/// What a composer without a sign of work says: typed text, no turn yet, or a turn that has ended.
fn composer_says(profile: &Profile, live: &Live<'_>) -> Claim {
    let rules = &*profile.rules;
    let Some(composer) = &live.composer else { unreachable!("asked for a screen with a composer only") };
    let name = rules.composers[composer.shape].name.clone();
    if !composer.is_empty() {
        return claim(name, Rank::Composer, Verdict::new(AgentState::Queued, None), &composer.text);
    }
    if live.is_cut(rules) {
        return claim(name, Rank::Unknown, Verdict::new(AgentState::Unknown, None), &composer.text);
    }
    let end = live.work.map_or(composer.first, |work| work.line.min(composer.first));
    let below = &live.lines[composer.last + 1..];
    let turned = |line: &str| rules.screen.turns.iter().any(|turn| turn.find_in(line).is_some());
    let told = below.iter().any(|line| turned(&line.text)) || composer.border.lines().any(turned);
    let state =
        if !told && is_fresh(&live.lines[..end], rules) { AgentState::Fresh } else { AgentState::Idle };
    claim(name, Rank::Composer, Verdict::new(state, None), &composer.text)
}

/// Whether the start of the program comes before any turn, from the bottom up.
fn is_fresh(lines: &[Line<'_>], rules: &Rules) -> bool {
    for line in lines.iter().rev().filter(|line| !line.is_blank()) {
        let body = line.body();
        if rules.screen.turns.iter().any(|turn| turn.find_in(&line.text).is_some()) {
            return false;
        }
        if rules.screen.banners.iter().any(|banner| banner.find_in(body).is_some()) {
            return true;
        }
    }
    false
}

/// The banner of a program that has drawn no composer yet, if no turn came after it.
fn banner<'l>(live: &'l Live<'_>, rules: &Rules) -> Option<&'l str> {
    for line in live.lines.iter().rev().filter(|line| !line.is_blank()) {
        if rules.screen.turns.iter().any(|turn| turn.find_in(&line.text).is_some()) {
            return None;
        }
        if rules.screen.banners.iter().any(|banner| banner.find_in(line.body()).is_some()) {
            return Some(line.body());
        }
    }
    None
}

/// Whether a shell's line stands below composer, dialog and sign of work; without any of them, among the last lines.
fn is_left(live: &Live<'_>) -> bool {
    let composer = live.composer.as_ref().map(|composer| composer.last);
    let dialog = live.dialog.as_ref().map(|dialog| dialog.anchor.max(dialog.first));
    let lowest = composer.max(dialog).max(live.work.map(|work| work.line));
    let from = lowest.map_or(live.lines.len().saturating_sub(BOTTOM_LINES_MAX), |at| at + 1);
    (from..live.lines.len()).any(|at| shell::is_line(&live.lines, at))
}

/// The claim that the agent is gone: a shell's prompt is the last thing on the screen, and no composer
/// or dialog of the agent's holds it.
pub(super) fn gone(profile: &Profile, lines: &[Line<'_>]) -> Option<Claim> {
    let prompt = shell::prompt(lines)?;
    let rules = &*profile.rules;
    let last = lines.len() - 1;
    let composer = super::composer::find(lines, &rules.composers);
    if composer.as_ref().is_some_and(|composer| composer.last == last) {
        return None;
    }
    // What streams its answer to the bottom of the pane may end a line of it with such a sign.
    if prompt == Prompt::Bare && (composer.is_some() || !rules.screen.composer_while_busy) {
        return None;
    }
    let says = Verdict::new(AgentState::Crashed, None);
    Some(claim("shell.prompt".into(), Rank::Process, says, lines[last].body()))
}
