//! A scripted life: steps with durations, in words.

use std::time::Duration;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// Comes up for this long, then shows an empty composer.
    Start(Duration),
    /// Waits with an empty composer.
    Idle(Duration),
    /// Works: the screen moves.
    Busy(Duration),
    /// Asks for permission.
    Ask(Duration),
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

impl Life {
    /// Reads "word [number], word [number], …"; numbers are seconds, for `exit` the status.
    pub(super) fn parse(text: &str) -> Result<Life, String> {
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
                "busy" => Step::Busy(seconds()?),
                "ask" => Step::Ask(seconds()?),
                "flood" => Step::Flood(seconds()?),
                "exit" if number.is_empty() => Step::Exit(0),
                "exit" => {
                    Step::Exit(number.trim().parse().map_err(|_| format!("`{part}`: not an exit status"))?)
                }
                "crash" => Step::Crash,
                "loop" => Step::Loop,
                _ => {
                    return Err(format!(
                        "`{word}` is no step: use start, idle, busy, ask, flood, exit, crash or loop"
                    ));
                }
            });
        }
        let life = Life(steps);
        let looped = &life.0[life.loop_start().min(life.0.len())..];
        let takes_time = |s: &Step| match s {
            Step::Idle(d) | Step::Busy(d) | Step::Ask(d) | Step::Flood(d) => !d.is_zero(),
            _ => false,
        };
        if looped.contains(&Step::Loop) && !looped.iter().any(takes_time) {
            return Err("a life that loops needs a step that takes time".into());
        }
        Ok(life)
    }

    pub(super) fn step(&self, at: usize) -> Option<Step> {
        self.0.get(at).copied()
    }

    /// Where `loop` goes back to.
    pub(super) fn loop_start(&self) -> usize {
        self.0.iter().position(|s| !matches!(s, Step::Start(_))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_reads_as_written() {
        let life = Life::parse("start 0.5, busy 2, idle 3, loop").unwrap();
        assert_eq!(life.step(0), Some(Step::Start(Duration::from_millis(500))));
        assert_eq!(life.step(3), Some(Step::Loop));
        assert_eq!(life.loop_start(), 1);
        assert_eq!(Life::parse("exit 3").unwrap().step(0), Some(Step::Exit(3)));
    }

    #[test]
    fn what_is_no_life_says_why() {
        for (text, part) in [
            ("busy", "needs seconds"),
            ("busy -1", "needs seconds"),
            ("busy nan", "needs seconds"),
            ("sleep 3", "is no step"),
            ("start 1, loop", "takes time"),
            ("exit x", "not an exit status"),
        ] {
            let why = Life::parse(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
