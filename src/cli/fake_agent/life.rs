//! A scripted life: steps with durations, in words.

use std::time::Duration;

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Comes up for this long, then shows an empty composer.
    Start(Duration),
    /// Waits with an empty composer.
    Idle(Duration),
    /// Works, with this screen: it moves.
    Busy(&'static str, Duration),
    /// Needs a person, with this screen: Enter answers.
    Ask(&'static str, Duration),
    /// Stands still with this screen.
    Stand(&'static str, Duration),
    /// Prints without pause.
    Flood(Duration),
    /// Ends with this status.
    Exit(i32),
    /// Ends by SIGKILL.
    Crash,
    /// Goes back to the first step after `start`.
    Loop,
}

/// The steps of a life.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Life(Vec<Step>);

/// Words and the screens they stand for.
const ALIASES: [(&str, &str); 3] = [("busy", "thinking"), ("ask", "permission"), ("thinking", "thinking")];
/// Screens on which the agent works.
const WORK: [&str; 7] = ["thinking", "tool", "compact", "background", "streaming", "retry", "hook"];
/// Screens that need a person.
const QUESTIONS: [&str; 8] =
    ["permission", "question", "plan", "trust", "login", "bypass", "setup", "update"];

impl Life {
    /// Reads "word [number], word [number], …"; numbers are seconds, for `exit` the status. A word is a step, or
    /// one of `cases`: a screen of the look.
    pub(super) fn parse(text: &str, cases: &[&'static str]) -> Result<Life, String> {
        let mut steps = Vec::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (word, number) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
            let seconds = || {
                number
                    .trim()
                    .parse::<f64>()
                    .ok()
                    .and_then(|s| Duration::try_from_secs_f64(s).ok())
                    .ok_or_else(|| format!("`{part}`: `{word}` needs seconds, as in `{word} 1.5`"))
            };
            steps.push(match word {
                "start" => Step::Start(seconds()?),
                "idle" => Step::Idle(seconds()?),
                "flood" => Step::Flood(seconds()?),
                "exit" if number.is_empty() => Step::Exit(0),
                "exit" => {
                    Step::Exit(number.trim().parse().map_err(|_| format!("`{part}`: not an exit status"))?)
                }
                "crash" => Step::Crash,
                "loop" => Step::Loop,
                _ => {
                    let case = case(word, cases)?;
                    shown(case)(case, seconds()?)
                }
            });
        }
        let life = Life(steps);
        let looped = &life.0[life.loop_start().min(life.0.len())..];
        let takes_time = |s: &Step| match s {
            Step::Idle(d) | Step::Busy(_, d) | Step::Ask(_, d) | Step::Stand(_, d) | Step::Flood(d) => {
                !d.is_zero()
            }
            _ => false,
        };
        if looped.contains(&Step::Loop) && !looped.iter().any(takes_time) {
            return Err("a life that loops needs a step that takes time".into());
        }
        Ok(life)
    }

    pub(super) fn step(&self, at: usize) -> Option<&Step> {
        self.0.get(at)
    }

    /// Where `loop` goes back to.
    pub(super) fn loop_start(&self) -> usize {
        self.0.iter().position(|s| !matches!(s, Step::Start(_))).unwrap_or(0)
    }
}

/// The screen that a word stands for: of that name, or the first of its kind.
fn case(word: &str, cases: &[&'static str]) -> Result<&'static str, String> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == word).map_or(word, |(_, case)| case);
    let kind = |case: &&&str| case.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    cases.iter().find(|c| **c == name).or_else(|| cases.iter().find(kind)).copied().ok_or_else(|| {
        let steps = "start, idle, busy, ask, flood, exit, crash, loop";
        format!("`{word}` is no step: use {steps} or a screen of this look: {}", cases.join(", "))
    })
}

/// What the agent does while it shows a screen.
fn shown(case: &str) -> fn(&'static str, Duration) -> Step {
    let kind = case.split('-').next().unwrap_or(case);
    if WORK.contains(&kind) {
        Step::Busy
    } else if QUESTIONS.contains(&kind) {
        Step::Ask
    } else {
        Step::Stand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: [&str; 5] = ["limit", "permission", "permission-edit", "thinking", "tool-agents"];

    #[test]
    fn a_life_reads_as_written() {
        let life = Life::parse("start 0.5, busy 2, idle 3, loop", &CASES).unwrap();
        assert_eq!(life.step(0), Some(&Step::Start(Duration::from_millis(500))));
        assert_eq!(life.step(3), Some(&Step::Loop));
        assert_eq!(life.loop_start(), 1);
        assert_eq!(Life::parse("exit 3", &CASES).unwrap().step(0), Some(&Step::Exit(3)));
    }

    #[test]
    fn a_word_may_be_any_screen_of_the_look() {
        let second = Duration::from_secs(1);
        let step = |text: &str| Life::parse(text, &CASES).unwrap().step(0).cloned().unwrap();
        assert_eq!(step("busy 1"), Step::Busy("thinking", second));
        assert_eq!(step("tool 1"), Step::Busy("tool-agents", second));
        assert_eq!(step("ask 1"), Step::Ask("permission", second));
        assert_eq!(step("permission-edit 1"), Step::Ask("permission-edit", second));
        assert_eq!(step("limit 1"), Step::Stand("limit", second));
    }

    #[test]
    fn what_is_no_life_says_why() {
        for (text, part) in [
            ("busy", "needs seconds"),
            ("busy -1", "needs seconds"),
            ("busy nan", "needs seconds"),
            ("sleep 3", "is no step"),
            ("plan 3", "a screen of this look"),
            ("start 1, loop", "takes time"),
            ("exit x", "not an exit status"),
        ] {
            let why = Life::parse(text, &CASES).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
