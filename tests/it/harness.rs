//! A temporary home, a real tmux on a private socket, a real supervisor. Everything that was started
//! is ended when the harness goes, by the pid or the socket that it was started with.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const TSUP: &str = env!("CARGO_BIN_EXE_tsup");

/// A condition that has not come true by then will not. Generous: machines are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `probe` returns something, and says what was waited for when it does not.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Where a test lives.
pub(crate) struct World {
    pub(crate) dir: PathBuf,
    supervisors: Vec<Child>,
}

impl World {
    pub(crate) fn new() -> World {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        // Short, since a socket's path may have about 100 bytes.
        let dir = std::env::temp_dir().join(format!("tsup-it-{}-{n}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
        fs::create_dir(dir.join("bin")).unwrap();
        for name in [
            "aider",
            "amp",
            "auggie",
            "claude",
            "codex",
            "copilot",
            "cursor-agent",
            "droid",
            "gemini",
            "goose",
            "kimi",
            "kiro-cli",
            "opencode",
            "pi",
            "qwen",
        ] {
            symlink(TSUP, dir.join("bin").join(name)).unwrap();
        }
        let world = World { dir, supervisors: Vec::new() };
        world.configure("");
        world
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    pub(crate) fn tmux_socket(&self) -> String {
        self.dir.join("tmux.sock").display().to_string()
    }

    /// Writes the configuration: the private tmux socket, then `rest`. Sections of `rest` may not
    /// repeat `[tmux]`.
    pub(crate) fn configure(&self, rest: &str) {
        let text = format!("[tmux]\nsockets = [\"{}\"]\n{rest}\n", self.tmux_socket());
        fs::write(self.dir.join("tsup.toml"), text).unwrap();
    }

    /// A fake agent's command line: the look's name is the program's, but where the real one has another.
    pub(crate) fn fake(&self, look: &str, life: &str) -> String {
        let program = match look {
            "cursor" => "cursor-agent",
            "kiro" => "kiro-cli",
            own => own,
        };
        format!("{} fake-agent --look {look} --life '{life}'", self.dir.join("bin").join(program).display())
    }

    /// Runs tmux on the private socket.
    pub(crate) fn tmux(&self, args: &[&str]) -> String {
        let out = Command::new("tmux")
            .args(["-f", "/dev/null", "-S", &self.tmux_socket()])
            .args(args)
            .env_remove("TMUX")
            .env_remove("TMUX_PANE")
            // What a test types into a shell is no part of its user's history.
            .env("HISTFILE", "/dev/null")
            .output()
            .unwrap();
        String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
    }

    /// Opens the window `dev` of the session `web`; `more` are further arguments, the command last.
    pub(crate) fn dev(&self, more: &[&str]) {
        self.tmux(&[&["new-session", "-d", "-s", "web", "-n", "dev"], more].concat());
    }

    /// The command line with this world's home, configuration and a clean environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(TSUP), args)
    }

    /// The same of another copy of the product.
    pub(crate) fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env("TSUP_HOME", self.home())
            .env_remove("TSUP_SOCKET")
            .env_remove("TMUX")
            .env_remove("TMUX_PANE")
            .env("NO_COLOR", "1")
            .env("HISTFILE", "/dev/null")
            .current_dir(&self.dir)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn tsup(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs `tsup ARGS`, which must succeed, and returns its JSON.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let out = self.tsup(args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout)
            .unwrap_or_else(|e| panic!("{args:?}: {e}: {}", String::from_utf8_lossy(&out.stdout)))
    }

    /// Starts a supervisor in the foreground and waits until it is ready.
    pub(crate) fn run(&mut self) -> u32 {
        let pid = self.run_unready(&[]);
        eventually("the supervisor is ready", || {
            let out = self.tsup(&["ctl", "status", "--json"]);
            let status: Value = serde_json::from_slice(&out.stdout).ok()?;
            (status["ready"] == true).then_some(())
        });
        pid
    }

    /// Starts a supervisor with more environment, and does not wait.
    pub(crate) fn run_unready(&mut self, env: &[(&str, &str)]) -> u32 {
        let log = fs::File::options().create(true).append(true).open(self.dir.join("log")).unwrap();
        let child = self
            .command(&["run", "--foreground"])
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let pid = child.id();
        self.supervisors.push(child);
        pid
    }

    /// kill -9.
    pub(crate) fn kill9(&mut self) {
        let mut child = self.supervisors.pop().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// The agents once `fits` holds for them.
    #[track_caller]
    pub(crate) fn agents_when(&self, what: &str, fits: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut last = Value::Null;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let out = self.tsup(&["ctl", "agents", "--json"]);
            if let Ok(doc) = serde_json::from_slice::<Value>(&out.stdout) {
                last = doc;
                // Before the supervisor answers there is an error in its place.
                if let Some(agents) = last["agents"].as_array().filter(|agents| fits(agents)) {
                    return agents.clone();
                }
            }
            assert!(Instant::now() < deadline, "waited in vain: {what}; last {last:#}\n{}", self.log());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Follows `tsup ctl watch`, from the moment it is attached.
    pub(crate) fn watch(&self, args: &[&str]) -> Watch {
        let mut child = self
            .command(&[&["ctl", "watch", "--json"], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tx, lines) = sync_channel(100_000);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let Ok(event) = serde_json::from_str::<Value>(&line) else { return };
                if tx.send(event).is_err() {
                    return;
                }
            }
        });
        Watch { child, lines, seen: Vec::new() }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.supervisors {
            let _ = child.kill();
            let _ = child.wait();
        }
        // A daemon that a test started and did not stop.
        if self.home().join("tsup.lock").exists() {
            let _ = self.tsup(&["stop"]);
        }
        if Path::new(&self.tmux_socket()).exists() {
            self.tmux(&["kill-server"]);
        }
        if std::thread::panicking() {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "log of the supervisor:\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A running `tsup ctl watch`.
pub(crate) struct Watch {
    child: Child,
    lines: Receiver<Value>,
    pub(crate) seen: Vec<Value>,
}

impl Watch {
    /// Waits until it sees what happens: a drill is an event for sure, and one that came before it looked is made again.
    #[track_caller]
    pub(crate) fn drill(&mut self, w: &World) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            assert!(w.tsup(&["ctl", "crash", "root/system/telemetry/resources"]).status.success());
            while let Ok(event) = self.lines.recv_timeout(Duration::from_secs(2)) {
                self.seen.push(event.clone());
                if event["kind"] == "actor_restarted" {
                    return;
                }
            }
        }
        panic!("it sees no drill: {:#?}", self.seen);
    }

    /// The next event that fits.
    #[track_caller]
    pub(crate) fn next(&mut self, what: &str, mut fits: impl FnMut(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(event) => {
                    self.seen.push(event.clone());
                    if fits(&event) {
                        return event;
                    }
                }
                Err(e) => panic!("waited in vain for event: {what}: {e}; seen {:#?}", self.seen),
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process is there and not a zombie.
pub(crate) fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|s| s.rsplit_once(')').map(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X'])))
        .unwrap_or(false)
}
