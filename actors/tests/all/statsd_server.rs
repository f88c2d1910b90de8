//! etsy's StatsD server, run as it comes from npm, and its management port.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the server may take to come up.
const DEADLINE: Duration = Duration::from_secs(30);

/// The ports of a server.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) udp: u16,
    pub(crate) tcp: u16,
    management: u16,
}

impl Ports {
    /// Ports that nobody uses just now.
    pub(crate) fn free() -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (tcp, management) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let port = |l: &TcpListener| l.local_addr().unwrap().port();
        Ports { udp: udp.local_addr().unwrap().port(), tcp: port(&tcp), management: port(&management) }
    }
}

/// A running server; it is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    ports: Ports,
    _config: tempfile::TempDir,
}

impl Server {
    /// Starts a server that never flushes, so that its tables hold everything that it received.
    pub(crate) fn start(ports: Ports) -> Self {
        // Tests of two packages share this file; the tools are at the top.
        let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let script = package
            .ancestors()
            .map(|dir| dir.join("tests/tools/node_modules/statsd/stats.js"))
            .find(|script| script.exists())
            .expect("the StatsD server is installed: run tests/tools/install");
        let config = tempfile::tempdir().unwrap();
        let file = config.path().join("config.js");
        let Ports { udp, tcp, management } = ports;
        let text = format!(
            r#"{{ servers: [ {{ server: "./servers/udp", address: "127.0.0.1", port: {udp} }},
                             {{ server: "./servers/tcp", address: "127.0.0.1", port: {tcp} }} ],
                 mgmt_address: "127.0.0.1", mgmt_port: {management},
                 backends: [], flushInterval: 3600000, automaticConfigReload: false }}"#
        );
        std::fs::write(&file, text).unwrap();
        let child = Command::new("node")
            .arg(script)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("node runs the StatsD server");
        let mut server = Server { child, ports, _config: config };
        let end = Instant::now() + DEADLINE;
        while server.try_ask("health").is_none_or(|answer| !answer.contains("health: up")) {
            assert!(Instant::now() < end, "the StatsD server does not answer");
            assert!(server.child.try_wait().unwrap().is_none(), "the StatsD server ended");
            std::thread::yield_now();
        }
        server
    }

    fn try_ask(&self, what: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.management)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(format!("{what}\n").as_bytes()).ok()?;
        stream.shutdown(Shutdown::Write).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn table(&self, what: &str) -> BTreeMap<String, Shown> {
        let answer = self.try_ask(what).expect("the management port answers");
        match Reader::new(&answer).value() {
            Shown::Table(table) => table,
            other => panic!("{other:?}"),
        }
    }

    /// A table of numbers, `counters` or `gauges`.
    pub(crate) fn numbers(&self, what: &str) -> BTreeMap<String, f64> {
        let number = |shown| if let Shown::Number(n) = shown { n } else { panic!("{shown:?}") };
        self.table(what).into_iter().map(|(name, shown)| (name, number(shown))).collect()
    }

    /// The durations of each timer in milliseconds; the server shows a hundred at most.
    pub(crate) fn timers(&self) -> BTreeMap<String, Vec<f64>> {
        let list = |shown| if let Shown::List(list) = shown { list } else { panic!("{shown:?}") };
        self.table("timers").into_iter().map(|(name, shown)| (name, list(shown))).collect()
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// What `util.inspect` shows of the server's tables.
#[derive(Debug)]
enum Shown {
    Number(f64),
    List(Vec<f64>),
    Table(BTreeMap<String, Shown>),
}

struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Reader(text)
    }

    fn skip(&mut self) {
        self.0 = self.0.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
    }

    fn until(&mut self, end: impl Fn(char) -> bool) -> &'a str {
        let at = self.0.find(end).expect("the table is complete");
        let (token, rest) = self.0.split_at(at);
        self.0 = rest;
        token.trim().trim_matches('\'')
    }

    fn value(&mut self) -> Shown {
        self.skip();
        if let Some(rest) = self.0.strip_prefix('{') {
            self.0 = rest;
            let mut table = BTreeMap::new();
            loop {
                self.skip();
                if let Some(rest) = self.0.strip_prefix('}') {
                    self.0 = rest;
                    return Shown::Table(table);
                }
                let name = self.until(|c| c == ':').to_owned();
                self.0 = &self.0[1..];
                table.insert(name, self.value());
            }
        }
        if let Some(rest) = self.0.strip_prefix('[') {
            self.0 = rest;
            let list = self.until(|c| c == ']');
            self.0 = &self.0[1..];
            let numbers = list.split(',').map(str::trim).filter(|n| !n.is_empty());
            return Shown::List(numbers.map(|n| n.parse().unwrap()).collect());
        }
        Shown::Number(self.until(|c| c == ',' || c == '}' || c == '\n').trim().parse().unwrap())
    }
}
