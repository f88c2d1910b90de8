//! Profiles: what is known about each agent CLI, as data.
//!
//! A profile is one TOML file: how its process is recognised, how it is started, what its screen means
//! ([`rules`]), what its hooks mean. A program is recognised by what it is
//! (its name, the script behind its interpreter, the folder it lies in), never by what a window is called.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use crate::fleet::hook::rules::Hooks;
use crate::fleet::process::{Proc, ProcTree};
use crate::ids::ProcId;
use crate::limits;
use crate::untrusted::Untrusted;

mod command;
mod file;
mod layer;
mod pattern;
mod rules;
mod says;
mod version;

pub use command::Spoken;
pub use file::ProfileError;
pub use pattern::{Condition, Pattern, View};
pub use rules::{ComposerShape, Glyphs, Region, Rules, Screen, Shape, Spinner, WordRule};
pub use says::Says;

/// The version of the profile format that this build reads.
pub const FORMAT: u32 = 1;

/// One agent CLI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The word by which configuration and documents name it.
    pub name: Arc<str>,
    /// The profile at the end of what it extends, its own name when it extends none: whose program this
    /// is, whose hooks it calls and whose transcripts it writes.
    pub family: Arc<str>,
    /// What people call it.
    pub title: String,
    /// Other words by which it may be named.
    pub aliases: Vec<String>,
    /// How its process is told from others.
    pub recognise: Recognise,
    /// How it is started.
    pub launch: LaunchRule,
    /// What its screen means.
    pub rules: Arc<Rules>,
    /// What its hooks mean, and how they are installed.
    pub hooks: Arc<Hooks>,
}

impl Profile {
    /// The name of the profile for programs that no other profile knows.
    pub const GENERIC: &str = "generic";
    /// The name of that for a plain shell, whose programs draw what they like.
    pub const SHELL: &str = "shell";

    /// Whether it stands for any program, and not for one CLI.
    pub fn is_of_any(&self) -> bool {
        [Self::GENERIC, Self::SHELL].contains(&&*self.name)
    }
}

/// How a process is recognised. Any one rule suffices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recognise {
    /// Names of its program: the kernel's short name, or the last part of its first argument.
    pub names: Vec<String>,
    /// Names of its script when an interpreter (node, bun, python, a shell) runs it.
    pub scripts: Vec<String>,
    /// Folders, one or several parts of a path, in which its program or script lies.
    pub paths: Vec<String>,
    /// Modules of `python -m`.
    pub modules: Vec<String>,
    /// Whether its program is named like a version, `2.1.34`.
    pub version_named: bool,
    /// Names too common to suffice: they count with an argument or a title of the next two lists.
    pub weak_names: Vec<String>,
    /// First arguments that make a weak name count.
    pub weak_arguments: Vec<String>,
    /// Parts of a pane's title that make a weak name count.
    pub titles: Vec<String>,
}

/// How an agent is started when its declaration does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchRule {
    /// Program and arguments.
    pub command: Vec<String>,
}

impl Profile {
    /// What a person should know about a version of the CLI with which the rules were not checked.
    pub fn unchecked(&self, version: &str) -> Option<String> {
        let screen = &self.rules.screen;
        (screen.is_checked_with(version) == Some(false)).then(|| {
            let (title, version) = (&self.title, Untrusted::bounded(version, limits::VERSION_BYTES));
            format!("this is {title} {version}; the rules were checked with {} only", screen.checked)
        })
    }
}

impl Recognise {
    /// Whether a process is told by these rules, of whatever pane.
    pub fn fits(&self, process: &Proc) -> bool {
        Spoken::of(process).rule(self, &Untrusted::default()).is_some()
    }
}

/// All profiles, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profiles {
    by_name: BTreeMap<Arc<str>, Profile>,
}

impl Profiles {
    /// Reads files of name and text. What cannot be used is told and left out: a rule, or where the file's
    /// frame is broken, the file.
    pub fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Self, Vec<ProfileError>) {
        Profiles::default().over(files)
    }

    /// Reads files as `parse` does, over these profiles: a file replaces the profile of the same name, or
    /// with `extends` is laid over one.
    pub fn over<'a>(&self, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Self, Vec<ProfileError>) {
        let mut errors = Vec::new();
        let laid = layer::lay(files, self, &mut errors);
        errors.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        (laid, errors)
    }

    /// The profile of that name or alias.
    pub fn get(&self, name: &str) -> Option<&Profile> {
        let known = |profile: &&Profile| profile.aliases.iter().any(|alias| alias == name);
        self.by_name.get(name).or_else(|| self.by_name.values().find(known))
    }

    /// The family of a profile; of one that is not known its own name.
    pub fn family<'n>(&'n self, name: &'n str) -> &'n str {
        self.get(name).map_or(name, |profile| &profile.family)
    }

    /// Every profile, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.by_name.values()
    }

    /// Every profile's name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|name| &**name)
    }
}

/// By which rule a process was recognised, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Its program's name.
    Name,
    /// Its script's name.
    Script,
    /// A folder in its program's or script's path.
    Path,
    /// Its python module.
    Module,
    /// A name like a version.
    Version,
    /// A weak name with an argument, a title, or a script in a folder of the CLI's own.
    Weak,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::Name => "the name of its program",
            Rule::Script => "the name of its script",
            Rule::Path => "the folder of its program",
            Rule::Module => "its python module",
            Rule::Version => "a program named like a version",
            Rule::Weak => "a common name with a fitting argument or title",
        })
    }
}

/// An agent that was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its profile's name.
    pub profile: Arc<str>,
    /// Its own process; a shell may stand between it and the pane's.
    pub process: ProcId,
    /// By what.
    pub rule: Rule,
}

/// Which agent runs in a pane, if any.
///
/// Of the processes below the pane's own, those in the foreground group come first, then the nearest to
/// the pane: an agent that an agent runs as a tool is not the pane's agent.
pub fn recognise(profiles: &Profiles, tree: &ProcTree, pane_pid: u32, title: &Untrusted) -> Option<Found> {
    let foreground = tree.get(pane_pid)?.foreground;
    tree.below(pane_pid, limits::PANE_PROCESSES_MAX)
        .into_iter()
        .filter(|(_, proc)| !proc.zombie)
        .filter_map(|(depth, proc)| {
            let (profile, rule) = best_match(profiles, proc, title)?;
            let behind = i64::from(proc.group) != i64::from(foreground);
            Some(((behind, depth, proc.id.pid), Found { profile, process: proc.id, rule }))
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, found)| found)
}

/// The profile that fits a process best.
fn best_match(profiles: &Profiles, proc: &Proc, title: &Untrusted) -> Option<(Arc<str>, Rule)> {
    let spoken = Spoken::of(proc);
    profiles
        .by_name
        .values()
        .filter_map(|p| spoken.rule(&p.recognise, title).map(|rule| (Arc::clone(&p.name), rule)))
        .min_by_key(|(_, rule)| *rule)
}

#[cfg(test)]
mod tests;
