//! A layer of profile files over the profiles below it, such as a person's own over the shipped ones.
//!
//! The order of the files plays no part: what one extends is looked for in its own layer first, whichever
//! file it stands in, then below. A file that extends its own name lies over the profile below.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::file::{self, Draft};
use super::{Profile, ProfileError, Profiles};
use crate::limits::PROFILE_EXTENDS_MAX;

/// Lays files of name and text over `below`; what cannot be used is told and left out.
pub(super) fn lay<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
    below: &Profiles,
    errors: &mut Vec<ProfileError>,
) -> Profiles {
    let drafts = files.into_iter().filter_map(|(file, text)| file::read(file, text, errors)).collect();
    let slots = one_of_each_name(drafts, errors);
    let mut layer = Layer { aliases: BTreeMap::new(), slots, below, laid: below.clone() };
    for (name, slot) in &layer.slots {
        let Slot::Draft(draft) = slot else { continue };
        for alias in draft.aliases() {
            layer.aliases.entry(alias.clone()).or_insert_with(|| name.clone());
        }
    }
    let names: Vec<String> = layer.slots.keys().cloned().collect();
    for name in names {
        layer.resolve(name, errors);
    }
    layer.laid
}

/// Of files of one profile the one that is called like it counts, else the first.
fn one_of_each_name<'a>(
    drafts: Vec<Draft<'a>>,
    errors: &mut Vec<ProfileError>,
) -> BTreeMap<String, Slot<'a>> {
    let mut by_name: BTreeMap<String, Draft<'a>> = BTreeMap::new();
    for draft in drafts {
        let name = draft.name().to_owned();
        let Some(before) = by_name.remove(&name) else {
            by_name.insert(name, draft);
            continue;
        };
        let newer = is_called_like_its_profile(&draft) && !is_called_like_its_profile(&before);
        let (counts, other) = if newer { (draft, before) } else { (before, draft) };
        let what = format!("the file is left out: {} has the name `{name}`, too; rename one", counts.file);
        errors.push(other.wrong_name(what));
        by_name.insert(name, counts);
    }
    by_name.into_iter().map(|(name, draft)| (name, Slot::Draft(Box::new(draft)))).collect()
}

fn is_called_like_its_profile(draft: &Draft<'_>) -> bool {
    draft.file.rsplit('/').next().and_then(|file| file.strip_suffix(".toml")) == Some(draft.name())
}

/// How far a profile of the layer has come.
enum Slot<'a> {
    /// It was read.
    Draft(Box<Draft<'a>>),
    /// What it extends is being looked for.
    Open,
    /// It is laid over that many others.
    Laid(usize),
    /// It cannot be used, and somebody was told.
    Lost,
}

struct Layer<'a, 'b> {
    slots: BTreeMap<String, Slot<'a>>,
    /// Other words for the profiles of this layer.
    aliases: BTreeMap<String, String>,
    below: &'b Profiles,
    laid: Profiles,
}

/// Where the profile is that another one extends.
enum Base {
    /// It extends none.
    None,
    /// In this layer, by its name.
    Here(String),
    /// Below.
    Below(Arc<str>),
    /// Nowhere.
    Nowhere,
}

impl<'a> Layer<'a, '_> {
    /// Lays a profile over what it extends, and that first.
    fn resolve(&mut self, name: String, errors: &mut Vec<ProfileError>) {
        let mut chain: Vec<(String, Box<Draft<'a>>, Base)> = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next.take() {
            match self.slots.get_mut(&name) {
                Some(slot @ Slot::Draft(_)) => {
                    let Slot::Draft(draft) = std::mem::replace(slot, Slot::Open) else { return };
                    let base = self.base_of(&draft);
                    if let Base::Here(base) = &base {
                        next = Some(base.clone());
                    }
                    chain.push((name, draft, base));
                }
                Some(Slot::Open) => return self.close_circle(&name, chain, errors),
                _ => {}
            }
        }
        for (name, draft, base) in chain.into_iter().rev() {
            let slot = match self.finish(*draft, &base) {
                Ok(depth) => Slot::Laid(depth),
                Err(error) => {
                    errors.push(error);
                    Slot::Lost
                }
            };
            self.slots.insert(name, slot);
        }
    }

    fn base_of(&self, draft: &Draft<'_>) -> Base {
        let Some(base) = draft.extends() else { return Base::None };
        let itself = base == draft.name();
        if !itself && self.slots.contains_key(base) {
            return Base::Here(base.to_owned());
        }
        if let Some((name, _)) = self.below.by_name.get_key_value(base) {
            return Base::Below(Arc::clone(name));
        }
        match self.aliases.get(base) {
            Some(name) if !itself && name != draft.name() => Base::Here(name.clone()),
            _ => self.below.get(base).map_or(Base::Nowhere, |found| Base::Below(Arc::clone(&found.name))),
        }
    }

    /// Tells each file of a circle, and each that leads into it.
    fn close_circle(
        &mut self,
        first: &str,
        chain: Vec<(String, Box<Draft<'a>>, Base)>,
        errors: &mut Vec<ProfileError>,
    ) {
        let begin = chain.iter().position(|(name, ..)| name == first).unwrap_or(0);
        let circle: Vec<&str> = chain[begin..].iter().map(|(name, ..)| &**name).chain([first]).collect();
        let circle = circle.join(" extends ");
        for (name, draft, _) in chain {
            errors.push(draft.wrong_base(format!("the file is left out: {circle}, which has no end")));
            self.slots.insert(name, Slot::Lost);
        }
    }

    /// Lays one profile over its base, which is known by now. Tells how deep it lies.
    fn finish(&mut self, draft: Draft<'_>, base: &Base) -> Result<usize, ProfileError> {
        let (base, depth): (Option<&Profile>, usize) = match base {
            Base::None => (None, 0),
            Base::Below(name) => (self.below.by_name.get(name), 1),
            Base::Here(name) => match self.slots.get(name) {
                Some(Slot::Laid(depth)) => (self.laid.by_name.get(name.as_str()), depth + 1),
                _ => {
                    return Err(draft.wrong_base(format!(
                        "the file is left out: the profile `{name}` that it extends cannot be used"
                    )));
                }
            },
            Base::Nowhere => return Err(self.nowhere(&draft)),
        };
        if depth > PROFILE_EXTENDS_MAX {
            return Err(draft.wrong_base(format!(
                "the file is left out: more than {PROFILE_EXTENDS_MAX} profiles extend each other"
            )));
        }
        let profile = draft.finish(base);
        self.laid.by_name.insert(Arc::clone(&profile.name), profile);
        Ok(depth)
    }

    fn nowhere(&self, draft: &Draft<'_>) -> ProfileError {
        let base = draft.extends().unwrap_or_default();
        if base == draft.name() {
            return draft.wrong_base(format!(
                "there is no other profile `{base}` to extend; leave `extends` out for one of its own"
            ));
        }
        let names: Vec<&str> = self.laid.names().collect();
        draft.wrong_base(format!("there is no profile `{base}` to extend; known: {}", names.join(", ")))
    }
}
