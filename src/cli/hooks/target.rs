//! Which file of which CLI, and what it holds with and without the calls.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tsup_actors::fleet::profiles;
use tsup_core::error::{Exit, UserError};
use tsup_core::fleet::hook::rules::{Install, Style};
use tsup_core::fleet::hook::settings::{self, EditError, Entry};
use tsup_core::untrusted::Untrusted;

use super::file::Settings;
use super::{Place, Scope};
use crate::cli::hook::Table;
use crate::cli::{Cx, hook};

/// A person may wait for their own profiles longer than a hook.
const PATIENCE: Duration = Duration::from_secs(10);

/// A CLI's settings file.
pub(super) struct Target {
    pub(super) cli: String,
    pub(super) how: Install,
    pub(super) file: PathBuf,
    /// Program and arguments of a call, without an event.
    call: Vec<String>,
}

/// What a file held before the calls were put in.
enum Before<'a> {
    /// This, and nothing else changed since.
    File(&'a str),
    /// There was none.
    Nothing,
    /// Others changed it since, or no calls are in it.
    Unknown,
}

/// The plugins that are files of their own.
const PLUGINS: [(&str, &str); 3] = [
    ("amp", include_str!("../../../actors/profiles/plugins/amp.ts")),
    ("opencode", include_str!("../../../actors/profiles/plugins/opencode.js")),
    ("pi", include_str!("../../../actors/profiles/plugins/pi.ts")),
];

/// How each of them calls, and where in it that stands.
const TELL: (&str, &str) = ("// @TELL@\n", include_str!("../../../actors/profiles/plugins/tell.js"));

/// In that, where the program and its arguments go.
const CALL: &str = "[\"@CALL@\"]";

/// The CLIs that are known: the shipped ones, and the user's own.
pub(super) struct Known {
    own: Option<PathBuf>,
}

impl Known {
    /// With the folder of the configuration that a supervisor would take here.
    pub(super) fn find(cx: &Cx) -> Result<Known, UserError> {
        let file = crate::config::find(cx.global.config.as_deref())?;
        let settings = crate::config::load(file.as_deref())?.settings;
        Ok(Known { own: crate::daemon::profiles::folder(&settings) })
    }

    fn table(&self, name: &str) -> Option<Table> {
        hook::table(name, self.own.as_deref(), Instant::now() + PATIENCE)
    }

    /// Those whose settings can be edited, sorted.
    pub(super) fn editable(&self) -> Vec<String> {
        let own = self.own.as_deref().map(hook::own_names).unwrap_or_default();
        let all: BTreeSet<String> = profiles::names().map(str::to_owned).chain(own).collect();
        let can_be = |name: &String| self.table(name).and_then(|table| table.hooks?.install).is_some();
        all.into_iter().filter(can_be).collect()
    }

    /// What is known of a CLI's hooks. A name that no profile has is an error.
    pub(super) fn hooks(&self, name: &str) -> Result<Table, UserError> {
        if let Some(table) = self.table(name) {
            return Ok(table);
        }
        let shown = Untrusted::bounded(name, 80);
        let own = self.own.as_deref().map(hook::own_names).unwrap_or_default();
        let what = if profiles::text(name).is_some() || own.iter().any(|known| known == name) {
            format!("{shown} has no hooks that tsup knows")
        } else {
            format!("no CLI {shown:?} is known")
        };
        Err(UserError::new(Exit::NotFound, what).hint(format!("one of {}", self.editable().join(", "))))
    }
}

/// Why a CLI's settings are not edited, and what to do.
pub(super) fn by_hand(name: &str, table: &Table) -> String {
    if table.family == name {
        format!("put `tsup hook {name}` into its hooks by hand; see docs/guides/hooks.md")
    } else {
        let family = &table.family;
        format!("{name} is {family} under another name: `tsup hooks install {family}` serves both")
    }
}

impl Target {
    /// The file that is meant.
    pub(super) fn find(name: &str, place: &Place, cx: &Cx, known: &Known) -> Result<Target, UserError> {
        let mut table = known.hooks(name)?;
        let how = table.hooks.as_mut().and_then(|hooks| hooks.install.take()).ok_or_else(|| {
            UserError::new(Exit::Refused, format!("tsup does not edit the settings of {name}"))
                .hint(by_hand(name, &table))
        })?;
        let file = std::path::absolute(file_of(name, &how, place)?).map_err(|e| {
            UserError::new(
                Exit::Usage,
                format!("there is no working directory: {}", crate::config::plain(&e)),
            )
        })?;
        let mut call = vec![program()?, "hook".to_owned()];
        if let Some(home) = &cx.global.home {
            let home = std::path::absolute(home).unwrap_or_else(|_| home.clone());
            call.extend(["--home".to_owned(), home.display().to_string()]);
        }
        call.push(name.to_owned());
        Ok(Target { cli: name.to_owned(), how, file, call })
    }

    /// Whether what a person named is there. The CLI's own folder may be made; a folder that was named and is not
    /// there is a slip.
    pub(super) fn has_folder(&self, place: &Place) -> Result<(), UserError> {
        let (flag, folder) = match (&place.file, &place.dir) {
            (Some(_), _) => ("--file", self.file.parent().map(Path::to_path_buf)),
            (None, Some(dir)) => ("--dir", Some(dir.clone())),
            (None, None) => return Ok(()),
        };
        match folder {
            Some(folder) if !folder.is_dir() => {
                Err(UserError::new(Exit::NotFound, format!("there is no folder {}", folder.display()))
                    .hint(format!("make it first, or name another with {flag}")))
            }
            _ => Ok(()),
        }
    }

    /// The command as a shell reads it.
    fn command(&self) -> String {
        self.call.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }

    /// The file's text with the calls.
    pub(super) fn with(&self, now: &Settings) -> Result<String, UserError> {
        if self.how.style == Style::Plugin {
            if now.text.as_deref().is_some_and(|text| !self.is_plugin(text)) {
                let what = format!("{} is there and is not from tsup", self.file.display());
                return Err(
                    UserError::new(Exit::Refused, what).hint("move it away, or name another with --file")
                );
            }
            return Ok(self.plugin());
        }
        // Calls take the place of calls: where nothing else changed, as if they were the first.
        let base = match self.before(now)? {
            Before::File(before) => Some(before),
            Before::Nothing => None,
            Before::Unknown => now.text.as_deref(),
        };
        settings::install(&self.how, &self.cli, &self.command(), base).map_err(|e| self.refuse(&e))
    }

    /// The file's text without the calls; `None` when nothing was there before.
    pub(super) fn without(&self, now: &Settings) -> Result<Option<String>, UserError> {
        let Some(text) = &now.text else { return Ok(None) };
        if self.how.style == Style::Plugin {
            return Ok(Some(text.clone()).filter(|text| !self.is_plugin(text)));
        }
        match self.before(now)? {
            Before::File(before) => Ok(Some(before.to_owned())),
            Before::Nothing => Ok(None),
            Before::Unknown => {
                settings::uninstall(&self.how, &self.cli, text).map(Some).map_err(|e| self.refuse(&e))
            }
        }
    }

    /// What the file held before the calls that are in it.
    fn before<'a>(&self, now: &'a Settings) -> Result<Before<'a>, UserError> {
        let Some(text) = &now.text else { return Ok(Before::Unknown) };
        let ours = settings::installed(&self.how, &self.cli, text).map_err(|e| self.refuse(&e))?;
        let Some(first) = ours.first() else { return Ok(Before::Unknown) };
        let command = if self.how.named {
            first.command.strip_suffix(&format!(" {}", first.event)).unwrap_or(&first.command)
        } else {
            &first.command
        };
        // Whoever installed them found this, and nothing changed since.
        let made = |before: Option<&str>| {
            settings::install(&self.how, &self.cli, command, before).is_ok_and(|made| made == *text)
        };
        Ok(match now.backup.as_deref() {
            Some(backup) if made(Some(backup)) => Before::File(backup),
            None if made(None) => Before::Nothing,
            _ => Before::Unknown,
        })
    }

    /// Our calls in a text.
    pub(super) fn entries(&self, text: &str) -> Result<Vec<Entry>, UserError> {
        if self.how.style == Style::Plugin {
            let entry = Entry { event: "plugin".to_owned(), command: self.command() };
            return Ok(if self.is_plugin(text) { vec![entry] } else { Vec::new() });
        }
        settings::installed(&self.how, &self.cli, text).map_err(|e| self.refuse(&e))
    }

    /// Whether there are calls of ours.
    pub(super) fn is_in(&self, text: &str) -> Result<bool, UserError> {
        self.entries(text).map(|entries| !entries.is_empty())
    }

    /// What is asked for.
    pub(super) fn events(&self) -> Vec<String> {
        if self.how.style == Style::Plugin { vec!["plugin".to_owned()] } else { self.how.events.clone() }
    }

    fn plugin(&self) -> String {
        let template = PLUGINS.iter().find(|(name, _)| *name == self.cli).map_or("", |(_, text)| *text);
        template.replace(TELL.0, TELL.1).replace(CALL, &serde_json::json!(self.call).to_string())
    }

    /// Whether a plugin file is ours, by its first line.
    fn is_plugin(&self, text: &str) -> bool {
        let marks = format!("Written by `tsup hooks install {}`", self.cli);
        text.lines().next().is_some_and(|line| line.contains(&marks))
    }

    fn refuse(&self, error: &EditError) -> UserError {
        let (what, hint) = match error {
            EditError::Syntax { .. } => {
                (format!("{}:{error}", self.file.display()), "mend it first; it was not touched")
            }
            EditError::Shape(_) => (format!("{}: {error}", self.file.display()), "it was not touched"),
        };
        UserError::new(Exit::Refused, what).hint(hint)
    }
}

fn file_of(name: &str, how: &Install, place: &Place) -> Result<PathBuf, UserError> {
    if let Some(file) = &place.file {
        return Ok(file.clone());
    }
    if place.scope == Scope::Project {
        let file = how.project.as_ref().ok_or_else(|| {
            UserError::new(Exit::Usage, format!("{name} has no settings of a project"))
                .hint("leave `--scope project` out")
        })?;
        return Ok(place.dir.clone().unwrap_or_default().join(file));
    }
    let variable =
        how.user.env.as_ref().and_then(std::env::var_os).filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = place.dir.clone().or(variable).or_else(|| folder_of(&how.user.folder));
    let folder = folder.ok_or_else(|| {
        UserError::new(Exit::Usage, "there is no home directory: HOME is not set")
            .hint("name the file with --file")
    })?;
    Ok(folder.join(&how.user.file))
}

/// A folder below the user's home; one below `.config` follows `XDG_CONFIG_HOME`.
fn folder_of(folder: &str) -> Option<PathBuf> {
    match folder.strip_prefix(".config/") {
        Some(rest) => crate::config::config_folder().map(|config| config.join(rest)),
        None => std::env::home_dir().filter(|h| h.is_absolute()).map(|home| home.join(folder)),
    }
}

/// `tsup` when it is on the PATH, else this program's own path.
fn program() -> Result<String, UserError> {
    let on_path = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.is_absolute() && is_program(&folder.join("tsup")))
    });
    if on_path {
        return Ok("tsup".to_owned());
    }
    let own = std::env::current_exe().map_err(|e| {
        UserError::new(Exit::Failed, format!("cannot find its own program: {}", crate::config::plain(&e)))
    })?;
    Ok(own.display().to_string())
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// A word that a shell reads as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
