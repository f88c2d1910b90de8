//! `tsup hooks install|uninstall|show`: puts calls of `tsup hook` into the settings of agent CLIs.
//!
//! A change is shown before it is made, and made only when a person says so. What the file held before lies
//! beside it as `FILE.tsup-backup`, and comes back byte for byte when nothing else changed since.

mod file;
mod target;

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use similar::TextDiff;
use tsup_core::error::{Exit, UserError};
use tsup_core::untrusted::Untrusted;

use self::file::{Backup, Settings};
use self::target::{Known, Target};
use super::{Cx, Outcome};

/// Arguments of `tsup hooks`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Let a CLI report to tsup; shows the change to its settings and asks
    Install(Change),
    /// Take out what install put in; shows the change and asks
    Uninstall(Change),
    /// What is installed where, and what is not
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Change {
    /// The agent CLI: claude, codex, gemini, …
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The agent CLI; all when left out
    name: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Which file is meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Place {
    /// The user's own settings, or those of a project
    #[arg(long, value_enum, default_value = "user")]
    scope: Scope,
    /// The folder of the CLI's settings, or with `--scope project` that of the project
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The settings file itself
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    file: Option<PathBuf>,
}

/// Whose settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scope {
    /// The user's own
    #[default]
    User,
    /// The project's, for everybody who works in it
    Project,
}

/// Does what is asked.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    match &args.what {
        What::Install(change) => {
            let target = Target::find(&change.name, &change.place, cx, &Known::find(cx)?)?;
            target.has_folder(&change.place)?;
            let settings = Settings::read(&target.file)?;
            let after = target.with(&settings)?;
            let has_ours = target.is_in(settings.text.as_deref().unwrap_or_default())?;
            let kept = if has_ours { Backup::Leave } else { Backup::Make };
            apply(cx, change, &target, &settings, Some(&after), kept)
        }
        What::Uninstall(change) => {
            let target = Target::find(&change.name, &change.place, cx, &Known::find(cx)?)?;
            let settings = Settings::read(&target.file)?;
            let after = target.without(&settings)?;
            apply(cx, change, &target, &settings, after.as_deref(), Backup::Drop)
        }
        What::Show(ask) => show(cx, ask),
    }
}

/// `--json` of install and uninstall.
#[derive(Debug, Serialize)]
struct ChangeDoc<'a> {
    version: u32,
    cli: &'a str,
    /// As it was named.
    file: String,
    /// What is written: the same, or what a link leads to.
    real_file: String,
    changed: bool,
    diff: String,
    note: Option<&'a str>,
}

/// Shows a change, asks, and makes it. `None` means that the file goes.
fn apply(
    cx: &Cx,
    change: &Change,
    target: &Target,
    before: &Settings,
    after: Option<&str>,
    kept: Backup,
) -> Outcome {
    let shown = target.file.display().to_string();
    let real = before.path.display().to_string();
    let changed = before.text.as_deref() != after;
    let diff = if changed { diff(&real, before.text.as_deref(), after) } else { String::new() };
    let note = (!target.how.note.is_empty() && after.is_some()).then_some(target.how.note.as_str());
    let doc =
        ChangeDoc { version: 1, cli: &target.cli, file: shown.clone(), real_file: real, changed, diff, note };
    let both =
        if before.path == target.file { shown } else { format!("{shown}, a link to {}", doc.real_file) };
    if changed {
        let lines = shown_lines(&doc.diff);
        if !change.json {
            cx.out.print(&lines)?;
        } else if !change.yes {
            // Nobody can say yes to what is not shown, and standard output is for the document.
            cx.out.say(lines.trim_end());
        }
        before.may_change()?;
        if !change.yes && !agreed(cx, &both)? {
            return Err(UserError::new(Exit::Failed, format!("{both} stays as it is")).into());
        }
        before.write(after, kept)?;
    }
    if change.json {
        cx.out.json(&doc)?;
    } else {
        cx.out.say(&if changed { format!("wrote {both}") } else { format!("{both}: nothing to do") });
        if let Some(note) = note {
            cx.out.say(note);
        }
    }
    Ok(Exit::Ok)
}

fn diff(file: &str, before: Option<&str>, after: Option<&str>) -> String {
    let name = |text: Option<&str>| if text.is_some() { file.to_owned() } else { "/dev/null".to_owned() };
    TextDiff::from_lines(before.unwrap_or_default(), after.unwrap_or_default())
        .unified_diff()
        .header(&name(before), &name(after))
        .to_string()
}

/// The lines as a terminal may have them: a project's settings are anybody's.
fn shown_lines(text: &str) -> String {
    let shown =
        |line: &str| line.split('\t').map(|part| Untrusted::from(part).to_string()).collect::<Vec<_>>();
    text.lines().map(|line| shown(line).join("\t") + "\n").collect()
}

/// Asks the person at the terminal.
fn agreed(cx: &Cx, file: &str) -> Result<bool, UserError> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(UserError::new(Exit::Usage, "nobody is at the terminal to say yes")
            .hint("look at the change, then add `--yes`"));
    }
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("Change {file}? [y/N] "));
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    if read.is_err() {
        cx.out.say("");
    }
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}

/// `tsup hooks show --json`.
#[derive(Debug, Serialize)]
struct ShowDoc {
    version: u32,
    hooks: Vec<Row>,
}

/// What is installed in one file.
#[derive(Debug, Serialize)]
struct Row {
    cli: String,
    scope: Scope,
    file: Option<String>,
    exists: bool,
    installed: Vec<String>,
    missing: Vec<String>,
    command: Option<String>,
    error: Option<String>,
    note: Option<String>,
}

fn show(cx: &Cx, ask: &Show) -> Outcome {
    let known = Known::find(cx)?;
    let names = match &ask.name {
        Some(name) => vec![name.clone()],
        None => known.editable(),
    };
    let mut hooks = Vec::new();
    for name in names {
        let table = known.hooks(&name)?;
        if table.hooks.as_ref().is_none_or(|hooks| hooks.install.is_none()) {
            let note = Some(target::by_hand(&name, &table));
            hooks.push(Row { note, ..empty(&name, ask.place.scope) });
            continue;
        }
        hooks.push(match Target::find(&name, &ask.place, cx, &known) {
            Ok(target) => row(&target, ask.place.scope),
            // Of all CLIs, one without such a file says so in its own row.
            Err(e) if ask.name.is_none() => Row { error: Some(e.what), ..empty(&name, ask.place.scope) },
            Err(e) => return Err(e.into()),
        });
    }
    if ask.json {
        cx.out.json(&ShowDoc { version: 1, hooks })?;
    } else {
        cx.out.print(&hooks.iter().map(described).collect::<String>())?;
    }
    Ok(Exit::Ok)
}

fn empty(cli: &str, scope: Scope) -> Row {
    Row {
        cli: cli.to_owned(),
        scope,
        file: None,
        exists: false,
        installed: Vec::new(),
        missing: Vec::new(),
        command: None,
        error: None,
        note: None,
    }
}

fn row(target: &Target, scope: Scope) -> Row {
    let mut row = Row { file: Some(target.file.display().to_string()), ..empty(&target.cli, scope) };
    row.note = (!target.how.note.is_empty()).then(|| target.how.note.clone());
    let entries = Settings::read(&target.file).and_then(|settings| {
        row.exists = settings.text.is_some();
        target.entries(settings.text.as_deref().unwrap_or_default())
    });
    match entries {
        Ok(entries) => {
            row.command = entries.first().map(|entry| entry.command.clone());
            row.installed = entries.into_iter().map(|entry| entry.event).collect();
            let events = target.events();
            row.missing = events.into_iter().filter(|e| !row.installed.contains(e)).collect();
        }
        Err(e) => row.error = Some(e.to_string()),
    }
    row
}

fn described(row: &Row) -> String {
    let state = match row {
        Row { error: Some(e), .. } => Untrusted::new(e.as_str()).to_string(),
        Row { file: None, .. } => "no settings file that tsup edits".to_owned(),
        Row { installed, .. } if installed.is_empty() => "not installed".to_owned(),
        Row { missing, installed, .. } if missing.is_empty() => {
            format!("installed, {} events", installed.len())
        }
        Row { missing, .. } => format!("installed, without {}", missing.join(", ")),
    };
    let mut text = format!("{:<10} {state}\n", row.cli);
    // An error names the file itself.
    if let (Some(file), None) = (&row.file, &row.error) {
        let _ = writeln!(text, "           {}", Untrusted::new(file.as_str()));
    }
    if let Some(command) = &row.command {
        text.push_str("           calls ");
        text.push_str(&Untrusted::new(command.as_str()).to_string());
        text.push('\n');
    }
    if let Some(note) = &row.note {
        text.push_str("           ");
        text.push_str(note);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_without_what_drives_a_terminal() {
        assert_eq!(
            shown_lines("@@ -1 +1 @@\n+\t\"é\u{9b}2J\u{202e}\"\r\n"),
            "@@ -1 +1 @@\n+\t\"é\\u{9b}2J\\u{202e}\"\n"
        );
    }
}
