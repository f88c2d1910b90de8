//! The variables of a script.

use crate::tes::attempt::AttemptId;
use crate::tes::failure::{Category, Failure};
use crate::tes::script::{Level, Script};

/// What a script sees of the supervisor's environment without `env_vars`.
const PLAIN: [&str; 4] = ["PATH", "HOME", "LANG", "LC_ALL"];
/// And under `strict`. TMPDIR is the third.
const STRICT: [&str; 2] = ["PATH", "HOME"];
/// What it gets where the supervisor has none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The PATH of scripts: the supervisor's, where its environment has one.
pub fn path(own: &[(String, String)]) -> &str {
    let own = own.iter().find(|(name, value)| name == "PATH" && is_possible(name, value));
    own.map_or(PATH, |(_, value)| value.as_str())
}

/// What a script's environment is made of.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The supervisor's own.
    pub own: &'a [(String, String)],
    /// The inputs that are variables.
    pub inputs: &'a [(String, String)],
    /// The attempt's temporary folder.
    pub tmp: &'a str,
    /// The attempt, which every process of it carries: by this it is told from the processes of others.
    pub id: AttemptId,
}

/// The whole environment of an attempt, or which variable it cannot do without.
///
/// `TMPDIR`, `TSUP_JOB` and `TSUP_ATTEMPT` are always the attempt's own. What leads to tmux or to the supervisor
/// is never passed on, whoever asks for it.
pub fn environment(script: &Script, from: Surroundings<'_>) -> Result<Vec<(String, String)>, Box<Failure>> {
    let declared = script.env_required.iter();
    if let Some(name) = declared.clone().chain(from.inputs.iter().map(|(n, _)| n)).find(|n| leads_out(n)) {
        let failure = Failure::new(Category::Permission, format!("no script may have the variable {name}"))
            .fact("variable", name.clone())
            .suggest("take it from `env_required`, or give the input's variable another name");
        return Err(Box::new(failure));
    }
    let own = |name: &str| from.own.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let is_there = |name: &str| {
        ["PATH", "TMPDIR"].contains(&name)
            || own(name).is_some()
            || from.inputs.iter().any(|(n, _)| n == name)
    };
    if let Some(name) = declared.clone().find(|name| !is_there(name)) {
        let failure =
            Failure::new(Category::Dependency, format!("it needs the variable {name}, which is not set"))
                .fact("variable", name.clone())
                .suggest(format!("set {name} where the supervisor is started, and start it again"));
        return Err(Box::new(failure));
    }
    let strict = script.security.level == Level::Strict;
    let plain = if strict { &STRICT[..] } else { &PLAIN[..] };
    let all = script.permissions.env && !strict;
    let mut env: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| match env.iter_mut().find(|(n, _)| n == name) {
        Some((_, old)) => value.clone_into(old),
        None => env.push((name.to_owned(), value.to_owned())),
    };
    set("PATH", PATH);
    for (name, value) in from.own {
        let wanted = all || plain.contains(&name.as_str()) || script.env_required.contains(name);
        if wanted && !leads_out(name) && is_possible(name, value) {
            set(name, value);
        }
    }
    for (name, value) in from.inputs {
        set(name, value);
    }
    set("TMPDIR", from.tmp);
    set("TSUP_JOB", &from.id.job.to_string());
    set("TSUP_ATTEMPT", &from.id.attempt.to_string());
    Ok(env)
}

/// Variables by which a program finds the tmux server around it, or the supervisor.
fn leads_out(name: &str) -> bool {
    name.starts_with("TMUX") || name.starts_with("TSUP_")
}

/// What the system takes as a variable.
fn is_possible(name: &str, value: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
}
