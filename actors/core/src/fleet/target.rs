//! Which agent a person means: its id or a unique beginning of it, `SESSION/NAME`, or `%pane`.

use crate::error::{Exit, UserError};
use crate::ids::{AgentId, PaneId};
use crate::untrusted::Untrusted;

/// An agent as far as naming it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: AgentId,
    /// Its session.
    pub session: Untrusted,
    /// Its name.
    pub name: Untrusted,
    /// Its pane; empty while it has none.
    pub pane: String,
}

/// Candidates named in an error; more are counted.
const SHOWN: usize = 5;

/// The one agent that is meant. No such agent is exit 4, several are exit 2.
pub fn agent(target: &str, all: &[Candidate]) -> Result<AgentId, UserError> {
    let found: Vec<&Candidate> = matching(target, all);
    match found[..] {
        [one] => Ok(one.id),
        [] => Err(UserError::new(Exit::NotFound, format!("no agent \"{}\"", shown(target)))
            .hint(meant(target, all))),
        _ => Err(UserError::new(Exit::Usage, format!("\"{}\" means {} agents", shown(target), found.len()))
            .hint(format!("say which: {}", list(&found)))),
    }
}

/// The agents that are meant: one agent, or all agents of the session of that name. A session whose name
/// could also be the beginning of an id is the session: it was typed whole.
pub fn agents_or_session(target: &str, all: &[Candidate]) -> Result<Vec<AgentId>, UserError> {
    let session: Vec<AgentId> = all.iter().filter(|c| c.session.raw() == target).map(|c| c.id).collect();
    match agent(target, all) {
        Ok(id) if !session.is_empty() && id.to_string() != target && is_id_like(target) => Ok(session),
        Ok(id) => Ok(vec![id]),
        Err(e) if session.is_empty() => Err(e),
        Err(_) => Ok(session),
    }
}

fn matching<'a>(target: &str, all: &'a [Candidate]) -> Vec<&'a Candidate> {
    let by = |test: &dyn Fn(&Candidate) -> bool| all.iter().filter(|c| test(c)).collect::<Vec<_>>();
    if target.parse::<PaneId>().is_ok() {
        return by(&|c| c.pane == target);
    }
    // Names may hold a slash themselves, so the whole is compared.
    let named = by(&|c| {
        let (session, name) = (c.session.raw(), c.name.raw());
        target.len() == session.len() + 1 + name.len()
            && target.starts_with(session)
            && target[session.len()..].starts_with('/')
            && target.ends_with(name)
    });
    if !named.is_empty() {
        return named;
    }
    if is_id_like(target) {
        by(&|c| c.id.to_string().starts_with(&target.to_ascii_lowercase()))
    } else {
        Vec::new()
    }
}

/// Whether a text could be an id or the beginning of one.
fn is_id_like(target: &str) -> bool {
    !target.is_empty() && target.bytes().all(|b| b.is_ascii_hexdigit())
}

fn shown(target: &str) -> String {
    Untrusted::bounded(target, 80).to_string()
}

/// What a person may have meant who named nobody: an agent's name without its session, for one.
fn meant(target: &str, all: &[Candidate]) -> String {
    let named: Vec<&Candidate> = all.iter().filter(|c| c.name.raw() == target).collect();
    match named[..] {
        [] => "`tsup ctl agents` lists them; name one by id, SESSION/NAME or %pane".to_owned(),
        [one] => format!("did you mean {}/{}?", one.session, one.name),
        _ => format!("say which: {}", list(&named)),
    }
}

fn list(found: &[&Candidate]) -> String {
    let mut names: Vec<String> =
        found.iter().take(SHOWN).map(|c| format!("{} ({}/{})", c.id, c.session, c.name)).collect();
    if found.len() > SHOWN {
        names.push(format!("and {} more", found.len() - SHOWN));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SocketName;

    fn candidate(session: &str, name: &str, pane: &str) -> Candidate {
        let id = AgentId::owned(&SocketName("s".into()), session, name);
        Candidate { id, session: session.into(), name: name.into(), pane: pane.into() }
    }

    fn all() -> Vec<Candidate> {
        let mut all =
            vec![candidate("web", "dev", "%1"), candidate("web", "qa", "%2"), candidate("é/x", "a", "%3")];
        // The same pane number on another server.
        all.push(candidate("api", "dev", "%1"));
        all
    }

    #[test]
    fn each_way_of_naming_finds_its_agent() {
        let all = all();
        assert_eq!(agent("web/qa", &all), Ok(all[1].id));
        assert_eq!(agent("é/x/a", &all), Ok(all[2].id));
        assert_eq!(agent("%2", &all), Ok(all[1].id));
        let id = all[1].id.to_string();
        assert_eq!(agent(&id, &all), Ok(all[1].id));
        assert_eq!(agent(&id[..8].to_uppercase(), &all), Ok(all[1].id));
    }

    #[test]
    fn what_is_nobody_or_several_is_told_with_what_to_do() {
        let all = all();
        for nobody in ["", "web", "web/", "/dev", "%9", "zzz", "web/dev/", "dev", "é/"] {
            assert_eq!(agent(nobody, &all).unwrap_err().exit, Exit::NotFound, "{nobody}");
        }
        let several = agent("%1", &all).unwrap_err();
        assert_eq!(several.exit, Exit::Usage);
        assert!(several.hint.unwrap().contains("api/dev"));
        let hostile = agent("\u{1b}[31m", &all).unwrap_err();
        assert_eq!(hostile.what, "no agent \"\\u{1b}[31m\"", "escaped once");
        let hint = |target: &str| agent(target, &all).unwrap_err().hint.unwrap();
        assert_eq!(hint("qa"), "did you mean web/qa?");
        assert!(hint("dev").contains("web/dev") && hint("dev").contains("api/dev"), "{}", hint("dev"));
        assert!(hint("nobody").contains("ctl agents"));
    }

    #[test]
    fn a_session_means_all_its_agents() {
        let all = all();
        assert_eq!(agents_or_session("web", &all), Ok(vec![all[0].id, all[1].id]));
        assert_eq!(agents_or_session("web/dev", &all), Ok(vec![all[0].id]));
        assert_eq!(agents_or_session("nope", &all).unwrap_err().exit, Exit::NotFound);
        // A session that is called like the beginning of somebody else's id.
        let (own, other) = (candidate("x", "pm", "%7"), candidate("y", "dev", "%8"));
        let begins = other.id.to_string()[..3].to_owned();
        let own = Candidate { session: begins.as_str().into(), ..own };
        let all = vec![own, other];
        assert_eq!(agents_or_session(&begins, &all), Ok(vec![all[0].id]));
        assert_eq!(agents_or_session(&all[1].id.to_string(), &all), Ok(vec![all[1].id]));
    }
}
