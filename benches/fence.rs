//! What a fence costs: the same script, plain and shut in, in turn, under one shim server.
//!
//! `cargo bench -p tsup --bench fence [-- --quick]`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures, and fails loudly")]

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tsup_actors::tes::shim::fence::{Around, Ground, host};
use tsup_actors::tes::shim::files;
use tsup_core::ids::JobId;
use tsup_core::tes::attempt::AttemptId;
use tsup_core::tes::attempt::plan::{News, Order, Plan};
use tsup_core::tes::attempt::watch::Bounds;
use tsup_core::tes::registry::parse_json;
use tsup_core::tes::sandbox::{self, Fence};
use tsup_core::wire::frame::{self, HEADER_BYTES, Header, Kind};

struct Server {
    jobs: tempfile::TempDir,
    stream: UnixStream,
    child: Child,
    count: u64,
}

impl Server {
    fn new() -> Self {
        let (stream, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsup"));
        command.arg("shims").stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        Server { jobs: tempfile::tempdir().unwrap(), stream, child, count: 0 }
    }

    /// Milliseconds from the order to the news of the end.
    fn run(&mut self, kind: &Kinds) -> f64 {
        self.count += 1;
        let id = AttemptId { job: JobId::drawn(self.count), attempt: 1, epoch: 0 };
        let folder = files::folder(self.jobs.path(), id);
        let tmp = self.jobs.path().join("tmp");
        let fence = kind.fence(self.jobs.path(), &tmp);
        let plan = Plan {
            id,
            boot_id: "bench".into(),
            traces: self.jobs.path().join("attempts").to_str().unwrap().into(),
            slot: 0,
            order: self.count,
            slots: 1,
            within: u32::MAX,
            folder: folder.to_str().unwrap().into(),
            tmp: tmp.to_str().unwrap().into(),
            program: "/bin/true".into(),
            argv: Vec::new(),
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            cwd: "/".into(),
            stdin: None,
            bounds: Bounds {
                run: None,
                silence: None,
                grace: Duration::from_secs(1),
                memory_bytes: None,
                processes: None,
            },
            keep_bytes: 1024,
            cpu: kind.level.map(|_| Duration::from_secs(60)),
            file_bytes: kind.level.map(|_| 1 << 30),
            fence,
        };
        let order = frame::encode(Kind::Request, &Order::Start(Box::new(plan))).unwrap();
        let begun = Instant::now();
        self.stream.write_all(&order).unwrap();
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header).unwrap();
        let header = Header::parse(&header, 16 * 1024).unwrap();
        let mut payload = vec![0; header.len as usize];
        self.stream.read_exact(&mut payload).unwrap();
        let took = begun.elapsed().as_secs_f64() * 1e3;
        let News::Done(record) = frame::decode(header, Kind::Response, &payload).unwrap() else {
            panic!("it has not ended")
        };
        assert_eq!(record.id, id);
        assert_eq!(record.end, tsup_core::tes::attempt::End::Exited(0));
        took
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A way to run the script.
struct Kinds {
    name: &'static str,
    level: Option<&'static str>,
    security: &'static str,
    host: sandbox::Host,
}

impl Kinds {
    fn fence(&self, home: &Path, tmp: &Path) -> Fence {
        let Some(level) = self.level else { return Fence::default() };
        let text = format!(
            r#"{{"scripts": [{{"id": "a/b", "path": "true", "execution": {{"type": "shell_script"}},
                "security": {{"sandbox": "{level}"{}}}}}]}}"#,
            self.security
        );
        let script = parse_json(&text).scripts.remove(0);
        let ground = Ground {
            home: home.into(),
            user_home: "/root".into(),
            tmux: Ground::tmux_folders(std::env::var_os("TMUX_TMPDIR")),
            sockets: vec![],
        };
        let around = Around {
            root: Path::new("/usr/share"),
            file: Path::new("/bin/true"),
            path: "/usr/bin:/bin",
            inputs: &[],
            tmp,
        };
        sandbox::decide(&script, &ground.places(&script, around), &self.host).unwrap()
    }
}

fn main() {
    let rounds = if std::env::args().any(|a| a == "--quick") { 200 } else { 2_000 };
    let host = host().expect("this host can be asked");
    let by_filter =
        sandbox::Host { networks: sandbox::Way::None, mounts: sandbox::Way::None, ..host.clone() };
    let memory = r#", "max_memory": "256MB""#;
    let kinds = [
        Kinds { name: "plain", level: None, security: "", host: host.clone() },
        Kinds { name: "minimal", level: Some("minimal"), security: "", host: host.clone() },
        Kinds { name: "standard", level: Some("standard"), security: "", host: host.clone() },
        Kinds {
            name: "strict, with a bound on memory",
            level: Some("strict"),
            security: memory,
            host: host.clone(),
        },
        Kinds {
            name: "standard, without namespaces",
            level: Some("standard"),
            security: "",
            host: by_filter,
        },
    ];
    let mut server = Server::new();
    let mut took: Vec<Vec<f64>> = kinds.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (kind, took) in kinds.iter().zip(&mut took) {
            took.push(server.run(kind));
        }
    }
    println!("### A sandboxed job over a plain one ({rounds} × `true` of each, in turn; order → record)\n");
    println!("{host:?}\n");
    println!("| fence | p50 ms | p95 ms | p99 ms | p50 over plain |\n|---|---|---|---|---|");
    let mut plain = 0.0;
    for (kind, took) in kinds.iter().zip(&mut took) {
        took.sort_by(f64::total_cmp);
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
        if kind.level.is_none() {
            plain = at(0.5);
        }
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {:+.2} |",
            kind.name,
            at(0.5),
            at(0.95),
            at(0.99),
            at(0.5) - plain
        );
    }
}
