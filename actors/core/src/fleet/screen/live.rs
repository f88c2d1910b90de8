//! The live region: what of a screen is now. Everything above it is history, whatever it says.

use super::composer::{self, Composer};
use super::dialog::{self, Dialog, Kind};
use super::line::{closes_box, inside, is_rule, is_side};
use super::text::Line;
use crate::fleet::profile::{Region, Rules, Shape, Spinner, View};
use crate::limits::{BOTTOM_LINES_MAX, LAST_LINES_MAX, STATUS_LINES_MAX};

/// A screen with its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live<'a> {
    /// All its lines, blank ones at the end taken off.
    pub lines: Vec<Line<'a>>,
    /// Where a person types, unless a dialog covers it.
    pub composer: Option<Composer>,
    /// What wants an answer.
    pub dialog: Option<Dialog>,
    /// The first line of the live region: the composer's, the dialog's, or the end of the screen.
    pub top: usize,
    /// The sign of work above it.
    pub work: Option<Work>,
}

/// A sign of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Its line.
    pub line: usize,
    /// Which of the profile's spinners it is.
    pub spinner: usize,
}

impl<'a> Live<'a> {
    /// Finds the parts of a screen by the rules of a profile.
    pub fn find(lines: Vec<Line<'a>>, rules: &Rules) -> Self {
        let composer = composer::find(&lines, &rules.composers);
        let dialog = dialog::find(&lines, |line| is_message(line, rules));
        let (composer, dialog) = choose(composer, dialog);
        let top = match (&composer, &dialog) {
            (Some(composer), _) => composer.first,
            (None, Some(dialog)) => dialog.words,
            (None, None) => lines.len(),
        };
        let mut live = Live { lines, composer, dialog, top, work: None };
        // Where no composer is drawn while it works, the sign of work is the end of the screen, and what
        // stands above it is output.
        if live.dialog.is_some() && !rules.screen.composer_while_busy && live.ends_in_work(rules) {
            live.dialog = None;
            live.top = live.lines.len();
        }
        // A sign of work behind the bar that would hold typed text is one.
        let barred =
            live.composer.as_ref().filter(|composer| rules.composers[composer.shape].shape == Shape::Bar);
        if barred.is_some_and(|composer| live.spinner_at(composer.prompt, rules, Region::Bottom).is_some()) {
            live.composer = None;
            live.top = live.lines.len();
        }
        live.work = live.find_work(rules);
        live
    }

    fn ends_in_work(&self, rules: &Rules) -> bool {
        let Some(last) = self.lines.iter().rposition(|line| !line.is_blank()) else { return false };
        let alone = last == 0 || self.lines[last - 1].is_blank();
        // Words alone may be the dialog's own hint about keys.
        let drawn = |spinner: usize| !rules.spinners[spinner].glyphs.is_empty();
        alone && self.spinner_at(last, rules, Region::Bottom).is_some_and(drawn)
    }

    /// The sign of work: right above the composer, or at the bottom where there is none; else below the
    /// composer, for the spinners that stand there.
    fn find_work(&self, rules: &Rules) -> Option<Work> {
        if self.dialog.is_some() {
            return None;
        }
        let above = self.work_above(rules);
        above.or_else(|| {
            let from = self.composer.as_ref()?.last + 1;
            (from..self.lines.len()).find_map(|line| {
                self.spinner_at(line, rules, Region::Footer).map(|spinner| Work { line, spinner })
            })
        })
    }

    /// Whether the pane is too short to show whether it works: nothing but what stands between a sign of work and
    /// the composer is above it, and no room.
    pub fn is_cut(&self, rules: &Rules) -> bool {
        let status = |spinner: &Spinner| spinner.regions.contains(&Region::Status);
        let above = &self.lines[..self.top];
        self.composer.is_some()
            && rules.screen.composer_while_busy
            && self.work.is_none()
            && rules.spinners.iter().any(status)
            && above.iter().filter(|line| line.is_blank()).count() < 2
            && above.iter().all(|line| line.is_blank() || is_rule(line) || is_between(line, rules))
    }

    /// Goes up paragraph by paragraph. The first line of one is the sign of work, or the paragraph is
    /// made of lines that may stand between, or there is none.
    fn work_above(&self, rules: &Rules) -> Option<Work> {
        let region = if self.composer.is_some() { Region::Status } else { Region::Bottom };
        let mut end = self.top;
        let lowest = self.top.saturating_sub(STATUS_LINES_MAX);
        while let Some((first, last)) = self.paragraph_above(lowest, end) {
            if let Some(work) = self.work_in(first, last, rules, region) {
                return Some(work);
            }
            let queued = rules.screen.queued.iter().any(|q| q.find_in(self.lines[last].body()).is_some());
            if !queued && !(first..=last).all(|at| is_between(&self.lines[at], rules)) {
                return None;
            }
            end = first;
        }
        None
    }

    /// The first and the last line of the paragraph that ends above `end`; blank lines and rules part them.
    fn paragraph_above(&self, lowest: usize, end: usize) -> Option<(usize, usize)> {
        let parts = |at: usize| self.lines[at].is_blank() || is_rule(&self.lines[at]);
        let last = (lowest..end).rev().find(|at| !parts(*at))?;
        let first = (lowest..=last).rev().take_while(|at| !parts(*at)).last()?;
        Some((first, last))
    }

    /// The sign of work is a paragraph's first line, or stands out to the left of the line above it. What
    /// hangs below it belongs to it, and so do the few lines into which its words wrap in a narrow pane.
    fn work_in(&self, first: usize, last: usize, rules: &Rules, region: Region) -> Option<Work> {
        let begins = |at: &usize| {
            *at == first
                || self.lines[at - 1].indent > self.lines[*at].indent + 1
                || closes_box(&self.lines[at - 1])
                || is_ask(&self.lines[at - 1], rules)
        };
        let found = (first..=last).filter(begins).find_map(|line| {
            let spinner = self.spinner_at(line, rules, region)?;
            Some(Work { line, spinner })
        })?;
        let hangs = |at: &usize| {
            let line = &self.lines[*at];
            line.indent >= 2 || is_between(line, rules) || self.spinner_at(*at, rules, region).is_some()
        };
        let loose = (found.line + 1..=last).filter(|at| !hangs(at)).count();
        (loose <= 3).then_some(found)
    }

    fn spinner_at(&self, at: usize, rules: &Rules, region: Region) -> Option<usize> {
        let line = &self.lines[at];
        let status = matches!(region, Region::Status | Region::Bottom);
        rules.spinners.iter().position(|spinner| {
            let here =
                spinner.regions.contains(&region) || (status && spinner.regions.contains(&Region::Status));
            here && is_spinner(line, spinner, || self.paragraph(at))
        })
    }

    /// A line with those that hang below it, as a view.
    pub fn paragraph(&self, at: usize) -> View {
        let end = self.lines.len().min(at + 4);
        let more =
            (at + 1..end).take_while(|next| !self.lines[*next].is_blank() && !is_rule(&self.lines[*next]));
        View::new(std::iter::once(at).chain(more).map(|at| self.lines[at].body()))
    }

    /// The words of a region.
    pub fn view(&self, region: Region, rules: &Rules) -> View {
        let lines = &self.lines;
        match region {
            Region::Dialog => match &self.dialog {
                Some(dialog) => View::new((dialog.words..lines.len()).filter_map(|at| {
                    let line = &lines[at];
                    let words = if is_side(line) { inside(line) } else { line.body() };
                    (!words.trim().is_empty() && !is_plain_rule(line)).then_some(words)
                })),
                None => View::default(),
            },
            Region::Status => match self.work {
                Some(work) if work.line < self.top => View::new(
                    (work.line..self.top).map(|at| lines[at].body()).filter(|words| !words.is_empty()),
                ),
                _ => View::default(),
            },
            Region::Footer => match &self.composer {
                Some(composer) => View::new(
                    lines[composer.last + 1..].iter().map(Line::body).filter(|words| !words.is_empty()),
                ),
                None => View::default(),
            },
            Region::Composer => match &self.composer {
                Some(composer) => View::new(composer.text.lines()),
                None => View::default(),
            },
            Region::Border => match &self.composer {
                Some(composer) => View::new(composer.border.lines()),
                None => View::default(),
            },
            Region::Last => self.last(rules),
            Region::Screen => {
                let filled = lines.iter().map(Line::body).filter(|words| !words.is_empty());
                View::new(filled)
            }
            Region::Bottom if self.composer.is_none() && self.dialog.is_none() => {
                // Below a sign of work at the end nothing waits, and what stands above it is history.
                let from = self.work.map_or(0, |work| work.line);
                let filled =
                    lines[from..].iter().rev().filter(|line| !line.is_blank()).take(BOTTOM_LINES_MAX);
                let mut bottom: Vec<&str> = filled.map(Line::body).collect();
                bottom.reverse();
                View::new(bottom)
            }
            Region::Bottom | Region::Title => View::default(),
        }
    }

    /// The last paragraph above the composer and its status. What a person sent is not part of it, the
    /// answer right below is.
    fn last(&self, rules: &Rules) -> View {
        if self.composer.is_none() && self.work.is_none() {
            return View::default();
        }
        let mut end = self.work.filter(|work| work.line < self.top).map_or(self.top, |work| work.line);
        let lowest = end.saturating_sub(STATUS_LINES_MAX);
        while let Some((first, last)) = self.paragraph_above(lowest, end) {
            let passed = |at: usize| {
                let line = &self.lines[at];
                is_end(line, rules) || (is_between(line, rules) && !is_marked(line, rules))
            };
            if is_end(&self.lines[first], rules) || (first..=last).all(passed) {
                end = first;
                continue;
            }
            let Some(mut from) = self.start_of(first, lowest, rules) else { return View::default() };
            if is_ask(&self.lines[from], rules) {
                match (from + 1..=last).find(|at| is_marked(&self.lines[*at], rules)) {
                    Some(answer) => from = answer,
                    None => return View::default(),
                }
            }
            let to = last.min(from + LAST_LINES_MAX - 1);
            let words = (from..=to).map(|at| self.lines[at].body());
            return View::new(words.filter(|words| !words.is_empty()));
        }
        View::default()
    }

    /// Where the message begins that a paragraph belongs to. A line that looks like a rule may head it; what
    /// stands further in than messages do goes on with one, whatever it quotes.
    fn start_of(&self, paragraph: usize, lowest: usize, rules: &Rules) -> Option<usize> {
        let heads =
            |at: &usize| rules.screen.heads.iter().any(|head| head.find_in(self.lines[*at].body()).is_some());
        let mut first = paragraph;
        loop {
            let headed = [first, first.saturating_sub(1)].into_iter().find(heads);
            if headed.is_some() || rules.screen.column.is_none_or(|column| self.lines[first].indent <= column)
            {
                return headed.or(Some(first));
            }
            first = self.paragraph_above(lowest, first)?.0;
        }
    }
}

/// Of a composer and a dialog, which one is live: the lower one. A list below a composer that completes
/// what is typed is no dialog, and neither is what a person typed.
fn choose(composer: Option<Composer>, dialog: Option<Dialog>) -> (Option<Composer>, Option<Dialog>) {
    let (Some(composer), Some(dialog)) = (&composer, &dialog) else { return (composer, dialog) };
    // Only options, or what has a frame of its own, can stand below a composer and be live: a hint about
    // keys there is its footer.
    let apart = dialog.kind == Kind::Menu || (dialog.framed && dialog.words > composer.last + 1);
    let below = apart && dialog.first > composer.last && dialog.anchor > composer.last;
    // Behind a prompt, words that end like a question or a line about keys are typed.
    let typed = composer.prompted && dialog.kind != Kind::Menu;
    let covers = !composer.closed && !typed && (composer.first..=composer.last).contains(&dialog.anchor);
    let completes = composer.text.starts_with(['/', '@', '$', '#']) && dialog.kind != Kind::Question;
    let wins = if covers { true } else { below && !completes };
    if !wins {
        return (Some(composer.clone()), None);
    }
    let words = if below { dialog.words.max(composer.last + 1) } else { dialog.words };
    (None, Some(Dialog { words, ..*dialog }))
}

fn is_plain_rule(line: &Line<'_>) -> bool {
    is_rule(line) && super::line::label(line).is_empty()
}

/// Whether a line begins a message: a mark of the CLI's, or what a person sent.
pub fn is_message(line: &Line<'_>, rules: &Rules) -> bool {
    line.indent <= 1
        && (is_marked(line, rules) || is_ask(line, rules))
        && super::line::menu_item(line.body()).is_none()
}

fn is_marked(line: &Line<'_>, rules: &Rules) -> bool {
    let mut chars = line.body().chars();
    chars.next().is_some_and(|c| rules.screen.marks.contains(c)) && chars.next().is_none_or(|c| c == ' ')
}

fn is_ask(line: &Line<'_>, rules: &Rules) -> bool {
    line.indent <= 1 && rules.screen.asks.iter().any(|ask| line.body().starts_with(ask.as_str()))
}

fn is_end(line: &Line<'_>, rules: &Rules) -> bool {
    line.indent <= 5 && rules.screen.ends.iter().any(|end| end.find_in(line.body()).is_some())
}

/// Whether a line may stand between the sign of work and the composer.
fn is_between(line: &Line<'_>, rules: &Rules) -> bool {
    let body = line.body();
    body.starts_with(['⎿', '└', '☐', '☒', '☑', '◻', '◼', '✔', '□', '■', '↳'])
        || rules.screen.between.iter().any(|between| between.find_in(body).is_some())
}

fn is_spinner(line: &Line<'_>, spinner: &Spinner, whole: impl FnOnce() -> View) -> bool {
    let body = line.body();
    let mut chars = body.chars();
    let Some(first) = chars.next() else { return false };
    if line.indent > spinner.indent {
        return false;
    }
    // Two cells may turn together.
    let next = chars.next().map(|next| if spinner.glyphs.has(next) { chars.next() } else { Some(next) });
    let drawn = spinner.glyphs.has(first) && next.flatten() == Some(' ');
    if !spinner.glyphs.is_empty() && !drawn {
        return false;
    }
    let wordless = spinner.any.is_empty() && spinner.all.is_empty() && spinner.none.is_empty();
    if wordless && (!spinner.ellipsis || has_ellipsis(body)) {
        return !spinner.glyphs.is_empty();
    }
    let whole = whole();
    (!spinner.ellipsis || has_ellipsis(&whole.flat)) && spinner.condition().met(&whole).is_some()
}

/// Whether the first words of a line end in an ellipsis: `Thinking…`, `Thinking… (12s)`, `Reading a file...`.
fn has_ellipsis(words: &str) -> bool {
    let end = [" (", " ·", " •", " ["].iter().filter_map(|mark| words.find(mark)).filter(|at| *at > 2).min();
    let words = words.get(..end.unwrap_or(words.len())).unwrap_or(words).trim_end();
    words.ends_with('…') || words.ends_with("...")
}
