//! `tsup doctor`: what this host can do, and what must be fixed before tsup works as it should.

mod host;
mod sandbox;
mod sinks;
pub(crate) mod tmux;

use anstyle::AnsiColor;
use serde::Serialize;
use tsup_core::error::Exit;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;

use super::ctl::Json;
use super::{Cx, Outcome};
use crate::config;
use crate::render::Look;

/// Arguments of `tsup doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    json: Json,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// As it should be.
    Ok,
    /// It works, with less than there could be.
    Warn,
    /// It must be fixed.
    Fix,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    name: &'static str,
    level: Level,
    says: String,
    /// What to do about it; `null` when nothing is to be done.
    todo: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, says: impl Into<String>) -> Self {
        Finding { name, level: Level::Ok, says: says.into(), todo: None }
    }

    fn warn(name: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        Finding { name, level: Level::Warn, says: says.into(), todo: Some(todo.into()) }
    }

    fn fix(name: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        Finding { name, level: Level::Fix, says: says.into(), todo: Some(todo.into()) }
    }
}

/// `tsup doctor --json`.
#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    /// Whether nothing must be fixed.
    ok: bool,
    findings: Vec<Finding>,
}

/// Looks at the host. Exit code 1 when something must be fixed.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    let mut findings = tmux::look();
    let settings = match config::find(cx.global.config.as_deref()).and_then(|f| config::load(f.as_deref())) {
        Ok(loaded) => {
            let from =
                loaded.file.map_or_else(|| "no file, the defaults hold".into(), |f| f.display().to_string());
            findings.push(Finding::ok("configuration", from));
            loaded.settings
        }
        Err(e) => {
            let todo = e.hint.unwrap_or_else(|| "correct the file".into());
            findings.push(Finding::fix("configuration", e.what, todo));
            tsup_core::settings::Settings::default()
        }
    };
    findings.extend(tmux::sockets(&settings.tmux));
    findings.push(own_profiles(&settings));
    findings.push(match cx.global.paths() {
        Ok(paths) => host::home(&paths),
        Err(e) => Finding::fix("home", e.what, e.hint.unwrap_or_default()),
    });
    findings.extend(host::look());
    findings.extend(sandbox::look());
    findings.extend(sinks::look(settings.statsd.as_ref()));
    let ok = findings.iter().all(|f| f.level != Level::Fix);
    let report = Report { version: VERSION, ok, findings };
    if args.json.json {
        cx.out.json(&report)?;
    } else {
        cx.out.print(&draw(&report, cx.out.look))?;
    }
    Ok(if ok { Exit::Ok } else { Exit::Failed })
}

/// The user's own profiles, read as the supervisor reads them.
fn own_profiles(settings: &tsup_core::settings::Settings) -> Finding {
    let Some(folder) = crate::daemon::profiles::folder(settings) else {
        return Finding::ok("profiles", "the shipped ones");
    };
    let wrong = tsup_actors::fleet::profiles::Shelf::default().look(Some(&folder));
    match wrong.map(|shelved| shelved.complaints).unwrap_or_default() {
        none if none.is_empty() => {
            Finding::ok("profiles", format!("the shipped ones, and {}", folder.display()))
        }
        wrong => Finding::fix(
            "profiles",
            wrong.join("; "),
            "correct the file; meanwhile the rest of the rules holds",
        ),
    }
}

fn draw(report: &Report, look: Look) -> String {
    let mut out = String::new();
    for f in &report.findings {
        let (word, color) = match f.level {
            Level::Ok => ("ok  ", AnsiColor::Green),
            Level::Warn => ("warn", AnsiColor::Yellow),
            Level::Fix => ("fix ", AnsiColor::Red),
        };
        let says = Untrusted::new(f.says.as_str());
        let word = look.paint(color.on_default().bold(), word);
        out.extend([&word, "  ", &format!("{:<14} {says}\n", f.name)]);
        if let Some(todo) = &f.todo {
            out.extend([&" ".repeat(21), &Untrusted::new(todo.as_str()).to_string(), "\n"]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_says_how_it_is_and_what_to_do() {
        let report = Report {
            version: VERSION,
            ok: false,
            findings: vec![
                Finding::ok("tmux", "3.4"),
                Finding::warn("home", "on nfs", "use a local disk"),
                Finding::fix("pidfd", "not there", "a newer kernel"),
            ],
        };
        let text = draw(&report, Look { color: false, width: None });
        assert_eq!(
            text,
            "ok    tmux           3.4\nwarn  home           on nfs\n                     use a local disk\n\
             fix   pidfd          not there\n                     a newer kernel\n"
        );
    }
}
