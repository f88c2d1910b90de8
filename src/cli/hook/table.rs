//! What the profiles say about a CLI's hooks.
//!
//! A hook has no time for whole profiles with their patterns: it reads the tables that it needs, from the
//! user's own files and the shipped ones, along what they extend, and gives the same as the supervisor
//! would.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;
use tsup_actors::fleet::profiles;
use tsup_core::fleet::hook::rules::Hooks;
use tsup_core::fleet::profile::Recognise;
use tsup_core::limits::PROFILE_EXTENDS_MAX;
use tsup_core::settings::check::is_name;

/// What a profile says about hooks; the rest of it is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli) struct Table {
    name: String,
    aliases: Vec<String>,
    extends: Option<String>,
    pub(in crate::cli) recognise: Option<Recognise>,
    pub(in crate::cli) hooks: Option<Hooks>,
    /// The profile at the end of what it extends.
    #[serde(skip)]
    pub(in crate::cli) family: String,
}

/// The folder of the user's own profiles: the one that the supervisor follows, else the usual one.
pub(super) fn folder(link: &Path) -> Option<PathBuf> {
    let is_link = link.is_symlink();
    if is_link { Some(link.to_owned()) } else { crate::config::profile_folder() }
}

/// The table of a CLI, by the user's own profiles in `own` or the shipped ones. What is not found in `own`
/// before `deadline` is taken from the shipped ones.
pub(in crate::cli) fn table(cli: &str, own: Option<&Path>, deadline: Instant) -> Option<Table> {
    let shelf = Shelf { own, deadline };
    let (mut table, mut is_own) = match shelf.own(cli) {
        Some(own) => (own, true),
        None => (shipped(cli)?, false),
    };
    let mut next = table.extends.take();
    cli.clone_into(&mut table.family);
    for _ in 0..PROFILE_EXTENDS_MAX {
        let Some(name) = next.take() else { break };
        // A file that extends its own name lies over the shipped one.
        let found = if is_own && name != table.family { shelf.own(&name) } else { None };
        is_own = found.is_some();
        let base = found.or_else(|| shipped(&name))?;
        table.recognise = table.recognise.or(base.recognise);
        if let Some(hooks) = base.hooks {
            let own = table.hooks.get_or_insert_default();
            if base.name == cli { own.laid_over(&hooks) } else { own.follow(&hooks) }
        }
        (table.family, next) = (base.name, base.extends);
    }
    let hooks = table.hooks.as_mut()?;
    if let Some(other) = hooks.like.as_deref().and_then(shipped).and_then(|other| other.hooks) {
        hooks.follow(&other);
    }
    hooks.is_known().then_some(table)
}

/// A shipped profile by its name, which is that of its file, or by another word for it.
fn shipped(name: &str) -> Option<Table> {
    let read = |file: &str| profiles::text(file).and_then(|text| toml::from_str::<Table>(text).ok());
    let known_as = |table: &Table| table.aliases.iter().any(|alias| alias == name);
    read(name).or_else(|| profiles::names().filter_map(read).find(known_as))
}

/// The names of the user's own profiles.
pub(in crate::cli) fn own_names(folder: &Path) -> Vec<String> {
    let read = |path: PathBuf| toml::from_str::<Table>(&profiles::text_of(&path).ok()?).ok();
    profiles::files(folder).into_iter().filter_map(read).map(|table| table.name).collect()
}

struct Shelf<'a> {
    own: Option<&'a Path>,
    deadline: Instant,
}

impl Shelf<'_> {
    /// The user's own profile of a name: in the file that is called so, else in the first that says so.
    fn own(&self, name: &str) -> Option<Table> {
        let folder = self.own.filter(|_| is_name(name))?;
        let read = |path: &Path| {
            let text = profiles::text_of(path).ok().filter(|text| text.contains(name))?;
            toml::from_str::<Table>(&text).ok().filter(|table| table.name == name)
        };
        let files = || profiles::files(folder).into_iter().take_while(|_| Instant::now() < self.deadline);
        read(&folder.join(format!("{name}.toml"))).or_else(|| files().find_map(|path| read(&path)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// The events whose meaning a table tells, in a folder with these files.
    fn events(files: &[(&str, &str)], cli: &str) -> Option<(Vec<String>, String, bool)> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        let table = table(cli, Some(dir.path()), deadline)?;
        let hooks = table.hooks.unwrap();
        let events = hooks.on.iter().flat_map(|on| on.event.clone()).collect();
        Some((events, table.family, hooks.install.is_some()))
    }

    const MINE: &str = "version = 1\nname = \"my-claude\"\nextends = \"claude\"\n[hooks]\n\
                        on = [{ event = \"Own\", state = \"idle\" }]\n";

    #[test]
    fn a_profile_that_extends_another_has_its_hooks_and_its_family() {
        let (shipped, family, installs) = events(&[], "claude").unwrap();
        assert_eq!((family.as_str(), installs), ("claude", true));
        let (own, family, installs) = events(&[("my-claude.toml", MINE)], "my-claude").unwrap();
        assert_eq!((own[0].as_str(), &own[1..], family.as_str()), ("Own", &shipped[..], "claude"));
        assert!(!installs, "the settings are those of the other name");
        let more =
            MINE.replace("\"claude\"", "\"my-claude\"").replace("name = \"my-claude\"", "name = \"more\"");
        let both = [("a.toml", MINE), ("z.toml", &*more)];
        let (own, family, _) = events(&both, "more").unwrap();
        assert_eq!((own.len(), family.as_str()), (shipped.len() + 2, "claude"));
        assert!(events(&[("more.toml", &*more)], "more").is_none(), "what it extends is not there");
    }

    #[test]
    fn a_file_counts_by_the_name_in_it() {
        let over = MINE.replace("my-claude", "claude");
        let (shipped, ..) = events(&[], "claude").unwrap();
        for file in ["claude.toml", "anything.toml"] {
            let (own, _, installs) = events(&[(file, &*over)], "claude").unwrap();
            assert_eq!((own.len(), installs), (shipped.len() + 1, true), "{file}");
        }
        let (other, ..) = events(&[("claude.toml", MINE)], "claude").unwrap();
        assert_eq!(other, shipped, "a file of another profile");
        let circle = MINE.replace("\"claude\"", "\"b\"");
        let back =
            MINE.replace("\"claude\"", "\"my-claude\"").replace("name = \"my-claude\"", "name = \"b\"");
        let _ = events(&[("a.toml", &*circle), ("b.toml", &*back)], "b");
    }

    #[test]
    fn a_folder_that_takes_too_long_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.toml"), MINE).unwrap();
        assert!(table("my-claude", Some(dir.path()), Instant::now()).is_none());
        assert!(table("claude", Some(dir.path()), Instant::now()).is_some());
    }
}
