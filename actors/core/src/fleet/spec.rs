//! What an owned agent is: declared in the configuration, or spawned by a person.

use serde::{Deserialize, Serialize};

use crate::ids::{AgentId, SocketName};
use crate::settings::session::DEFAULT_ENV;
use crate::settings::{EnvEntry, RestartPolicy, Settings};
use crate::tmux::report::{Launch, OwnerTag};
use crate::wire::verb::Spawn;

use super::profile::Profiles;

/// An agent that tsup starts, may end, and relaunches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// The tmux socket.
    pub socket: SocketName,
    /// The session's name.
    pub session: String,
    /// Its name in the session.
    pub name: String,
    /// Its role, any word.
    pub role: Option<String>,
    /// Its profile's name.
    pub profile: String,
    /// Program and arguments, literal.
    pub argv: Vec<String>,
    /// Working directory, absolute.
    pub cwd: String,
    /// Variables it gets from the supervisor's environment.
    pub pass: Vec<String>,
    /// Variables it gets with these values. They may be secrets: a spec that has some is not stored.
    pub set: Vec<(String, String)>,
    /// When it is started again after its end.
    pub restart: RestartPolicy,
    /// Whether it stands in the configuration, and so stays listed whatever happens.
    pub declared: bool,
}

impl AgentSpec {
    /// Its id, the same through every relaunch.
    pub fn id(&self) -> AgentId {
        AgentId::owned(&self.socket, &self.session, &self.name)
    }

    /// The mark of its pane.
    pub fn tag(&self, home: &str) -> OwnerTag {
        OwnerTag { home: home.to_owned(), session: self.session.clone(), name: self.name.clone() }
    }

    /// How it is started. `exe` is this program: its hidden verb `launch` clears the environment but for
    /// what is listed, and becomes the agent. `lookup` reads the supervisor's environment.
    pub fn launch(&self, home: &str, exe: &str, lookup: impl Fn(&str) -> Option<String>) -> Launch {
        let mut env: Vec<(String, String)> = Vec::new();
        for name in &self.pass {
            if let Some(value) = lookup(name) {
                env.push((name.clone(), value));
            }
        }
        env.retain(|(name, _)| !self.set.iter().any(|(set, _)| set == name));
        env.extend(self.set.iter().cloned());
        // Its hooks find their supervisor, and it, by these.
        let own = [("TSUP_HOME", home.to_owned()), ("TSUP_AGENT", self.id().to_string())];
        env.retain(|(name, _)| !own.iter().any(|(own, _)| own == name));
        env.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let keep: Vec<&str> = env.iter().map(|(name, _)| name.as_str()).collect();
        let mut argv = vec![exe.to_owned(), "launch".into(), "--keep".into(), keep.join(","), "--".into()];
        argv.extend(self.argv.iter().cloned());
        Launch { tag: self.tag(home), cwd: self.cwd.clone(), argv, env }
    }

    /// The declared agents of a configuration, in order.
    pub fn declared(settings: &Settings, profiles: &Profiles) -> Vec<Self> {
        let mut specs = Vec::new();
        for session in &settings.sessions {
            for agent in &session.agents {
                let (mut pass, mut set) = (Vec::new(), Vec::new());
                for entry in &agent.env {
                    match entry {
                        EnvEntry::Pass(name) => pass.push(name.clone()),
                        EnvEntry::Set { name, value } => set.push((name.clone(), value.clone())),
                    }
                }
                specs.push(AgentSpec {
                    socket: settings.socket_of(session),
                    session: session.name.clone(),
                    name: agent.name.clone(),
                    role: agent.role.clone(),
                    profile: agent.agent.clone(),
                    argv: command_of(&agent.command, &agent.agent, profiles),
                    cwd: agent.cwd.clone(),
                    pass,
                    set,
                    restart: agent.restart,
                    declared: true,
                });
            }
        }
        specs
    }

    /// The agent a person asked for, on `socket`; it starts in `cwd` unless the request says where.
    pub fn spawned(ask: &Spawn, socket: SocketName, cwd: &str, profiles: &Profiles) -> Self {
        AgentSpec {
            socket,
            session: ask.session.clone(),
            name: ask.name.clone(),
            role: ask.role.clone(),
            profile: ask.agent.clone(),
            argv: command_of(&ask.command, &ask.agent, profiles),
            cwd: ask.cwd.clone().unwrap_or_else(|| cwd.to_owned()),
            pass: DEFAULT_ENV.iter().map(|name| (*name).to_owned()).collect(),
            set: Vec::new(),
            restart: RestartPolicy::OnFailure,
            declared: false,
        }
    }
}

/// The command given, else the profile's own, else the profile's name as a program.
fn command_of(given: &[String], profile: &str, profiles: &Profiles) -> Vec<String> {
    if !given.is_empty() {
        return given.to_vec();
    }
    profiles.get(profile).map_or_else(|| vec![profile.to_owned()], |p| p.launch.command.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_a_list_of_what_may_pass() {
        let spec = AgentSpec {
            socket: SocketName("s".into()),
            session: "web".into(),
            name: "dev".into(),
            role: None,
            profile: "claude".into(),
            argv: vec!["claude".into(), "--resume".into()],
            cwd: "/srv".into(),
            pass: vec!["HOME".into(), "NOPE".into(), "A".into()],
            set: vec![("A".into(), "2".into())],
            restart: RestartPolicy::OnFailure,
            declared: true,
        };
        let launch = spec.launch("h", "/usr/bin/tsup", |name| (name != "NOPE").then(|| format!("<{name}>")));
        let id = spec.id().to_string();
        let env = [("HOME", "<HOME>"), ("A", "2"), ("TSUP_HOME", "h"), ("TSUP_AGENT", id.as_str())];
        assert_eq!(launch.env, env.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let keep = "HOME,A,TSUP_HOME,TSUP_AGENT";
        let expected = ["/usr/bin/tsup", "launch", "--keep", keep, "--", "claude", "--resume"];
        assert_eq!(launch.argv, expected);
        assert_eq!(launch.tag, OwnerTag { home: "h".into(), session: "web".into(), name: "dev".into() });
        let spoken: AgentSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(spoken, spec);
    }

    #[test]
    fn a_command_comes_from_the_request_or_the_profile() {
        let profiles = Profiles::default();
        let ask = Spawn {
            session: "web".into(),
            name: "dev".into(),
            agent: "codex".into(),
            role: None,
            cwd: None,
            command: Vec::new(),
        };
        let spec = AgentSpec::spawned(&ask, SocketName("s".into()), "/home/u", &profiles);
        assert_eq!((spec.argv, spec.cwd.as_str(), spec.declared), (vec!["codex".into()], "/home/u", false));
    }
}
