//! Which CLI a screen belongs to, told by what only that CLI draws.

use super::Shot;
use super::live::Live;
use super::text;
use crate::fleet::profile::{Profile, Profiles, Region, Rules};

/// The profile for what no other fits.
const GENERIC: &str = "generic";
/// The profile of a shell.
const SHELL: &str = "shell";

/// The profile that fits best.
pub(super) fn guess<'p>(profiles: &'p Profiles, shot: &Shot) -> Option<&'p Profile> {
    let lines = text::lines(shot.text.raw());
    let best = profiles
        .iter()
        .filter(|profile| !matches!(&*profile.name, GENERIC | SHELL))
        .map(|profile| (fit(&profile.rules, shot, &lines), profile))
        .filter(|(fit, _)| *fit >= 3)
        .reduce(|best, other| if other.0 > best.0 { other } else { best });
    match best {
        Some((_, profile)) => Some(profile),
        None if super::shell::prompt(&lines).is_some() => {
            profiles.get(SHELL).or_else(|| profiles.get(GENERIC))
        }
        None => profiles.get(GENERIC),
    }
}

/// How well a screen fits a profile's rules.
fn fit(rules: &Rules, shot: &Shot, lines: &[text::Line<'_>]) -> u32 {
    let live = Live::find(lines.to_vec(), rules);
    let mut fit = 0;
    if live.composer.is_some() {
        fit += 2;
    }
    if live.work.is_some() {
        fit += 2;
    }
    for region in
        [Region::Dialog, Region::Footer, Region::Border, Region::Status, Region::Bottom, Region::Composer]
    {
        let view = live.view(region, rules);
        if view.is_empty() {
            continue;
        }
        let signs = rules.screen.signs.iter().filter(|sign| sign.find(&view).is_some()).count().min(3) as u32;
        fit += 4 * signs;
        let spoke = rules.rules.iter().filter(|rule| rule.regions.contains(&region));
        fit += 2 * spoke.filter(|rule| rule.condition().met(&view).is_some()).count().min(1) as u32;
    }
    let placeholder = live.composer.as_ref().is_some_and(|composer| composer.placeholder);
    fit += u32::from(placeholder);
    let mut banner = false;
    let mut turns = 0;
    for line in &live.lines[..live.top] {
        banner = banner || rules.screen.banners.iter().any(|b| b.find_in(line.body()).is_some());
        turns += u32::from(rules.screen.turns.iter().any(|t| t.find_in(&line.text).is_some()));
    }
    fit += 4 * u32::from(banner);
    fit += turns.min(2);
    let title = crate::fleet::profile::View::new([shot.title.raw()]);
    fit += rules
        .rules
        .iter()
        .filter(|r| r.regions.contains(&Region::Title))
        .filter(|r| r.condition().met(&title).is_some())
        .count()
        .min(1) as u32;
    fit
}
