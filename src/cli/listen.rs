//! `tsup listen`: a small StatsD receiver that prints what arrives.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::RecvFlags;
use serde::Serialize;
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::signal::unix::{SignalKind, signal};
use tsup_core::clock::Wall;
use tsup_core::error::{Exit, UserError};
use tsup_core::settings::StatsdTarget;
use tsup_core::telemetry::line::{self, Received};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;

use super::{Cx, Fail, Outcome, duration};
use crate::config::plain;
use crate::render::Look;
use crate::render::table::{Column, Table};

/// The largest datagram there is.
const PACKET_BYTES_MAX: usize = 65_536;
/// Bytes of one line that are shown.
const LINE_BYTES_MAX: usize = 1_024;

/// Packets that are still read at the end; a flood must not keep it from ending.
const LEFT_PACKETS_MAX: usize = 10_000;

/// Arguments of `tsup listen`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen: HOST:PORT, udp://HOST:PORT or unix:///PATH
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8125")]
    statsd: StatsdTarget,
    /// End after this time, such as 10s or 5m
    #[arg(long = "for", value_name = "DUR", allow_hyphen_values = true, value_parser = duration::parse)]
    span: Option<Duration>,
    /// Print JSON: one object a line, or one document with --summary
    #[arg(long)]
    json: bool,
    /// Print only what was received in all, at the end
    #[arg(long)]
    summary: bool,
}

/// One line, for programs. What could not be read has neither kind nor value.
#[derive(Debug, Serialize)]
struct LineDoc<'a> {
    at: Wall,
    line: Untrusted,
    name: Option<&'a str>,
    kind: Option<&'static str>,
    value: Option<f64>,
    rate: Option<f64>,
    tags: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct SummaryDoc<'a> {
    version: u32,
    #[serde(flatten)]
    received: &'a Received,
}

/// Runs the verb until its time is over, it is interrupted, or nobody reads its output.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| UserError::new(Exit::Failed, format!("cannot wait for packets: {}", plain(&e))))?;
    runtime.block_on(listen(cx, args))
}

async fn listen(cx: &Cx, args: &Args) -> Outcome {
    let inlet = Inlet::open(&args.statsd).await?;
    let interrupted = interrupts()?;
    cx.out.say(&format!("listening on {}", args.statsd));
    tokio::pin!(interrupted);
    let over = async {
        match args.span {
            Some(span) => tokio::time::sleep(span).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let (mut received, mut packet) = (Received::default(), vec![0; PACKET_BYTES_MAX]);
    loop {
        let n = tokio::select! {
            biased;
            () = &mut interrupted => break,
            () = &mut over => break,
            n = inlet.receive(&mut packet) => n.map_err(|e| lost(&args.statsd, &e))?,
        };
        received.packets += 1;
        take(cx, args, &String::from_utf8_lossy(&packet[..n]), &mut received)?;
    }
    // What came before the end belongs to it.
    for _ in 0..LEFT_PACKETS_MAX {
        let Some(n) = inlet.waiting(&mut packet) else { break };
        received.packets += 1;
        take(cx, args, &String::from_utf8_lossy(&packet[..n]), &mut received)?;
    }
    if args.summary {
        summary(cx, args, &received)?;
    }
    Ok(Exit::Ok)
}

fn lost(target: &StatsdTarget, e: &io::Error) -> UserError {
    UserError::new(Exit::Failed, format!("cannot receive on {target}: {}", plain(e)))
}

/// Counts the lines of a packet and prints them as one piece.
fn take(cx: &Cx, args: &Args, packet: &str, received: &mut Received) -> Result<(), Fail> {
    let mut text = String::new();
    for line in packet.split('\n').filter(|l| !l.is_empty()) {
        received.take(line);
        if args.summary {
            continue;
        }
        if args.json {
            let doc = line_doc(line);
            let json = serde_json::to_string(&doc)
                .map_err(|e| UserError::new(Exit::Bug, format!("a line cannot be written as JSON: {e}")))?;
            text.push_str(&json);
        } else {
            text.push_str(&Untrusted::bounded(line, LINE_BYTES_MAX).to_string());
        }
        text.push('\n');
    }
    if text.is_empty() { Ok(()) } else { cx.out.print(&text) }
}

fn line_doc(raw: &str) -> LineDoc<'_> {
    let read = line::parse(raw);
    LineDoc {
        at: tsup_actors::clock::now_wall(),
        line: Untrusted::bounded(raw, LINE_BYTES_MAX),
        name: read.as_ref().map(|l| l.name),
        kind: read.as_ref().map(|l| l.kind.as_str()),
        value: read.as_ref().map(|l| l.number),
        rate: read.as_ref().map(|l| l.rate),
        tags: read.as_ref().and_then(|l| l.tags),
    }
}

fn summary(cx: &Cx, args: &Args, received: &Received) -> Result<(), Fail> {
    if args.json {
        return cx.out.json(&SummaryDoc { version: VERSION, received });
    }
    cx.out.print(&draw(received, cx.out.look))
}

fn draw(received: &Received, look: Look) -> String {
    let Received { packets, lines, bad_lines, .. } = received;
    let mut out = format!("{lines} lines in {packets} packets, {bad_lines} bad\n");
    let tables = [
        ("COUNTER", "TOTAL", &received.counters),
        ("GAUGE", "LAST", &received.gauges),
        ("TIMER", "COUNT", &received.timers),
    ];
    for (name, value, held) in tables.into_iter().filter(|(.., held)| !held.is_empty()) {
        let mut table = Table::new(&[Column::text(name, 12, 0), Column::number(value, 0)]);
        for (name, value) in held {
            table.row(vec![name.to_string().into(), value.to_string().into()]);
        }
        out.extend(["\n", &table.draw(look)]);
    }
    out
}

/// Ends with the first interrupt, so that the summary is still printed.
fn interrupts() -> Result<impl Future<Output = ()>, UserError> {
    let fail =
        |e: io::Error| UserError::new(Exit::Failed, format!("cannot listen to signals: {}", plain(&e)));
    let mut int = signal(SignalKind::interrupt()).map_err(fail)?;
    let mut term = signal(SignalKind::terminate()).map_err(fail)?;
    Ok(async move {
        tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
    })
}

/// Where packets come in.
enum Inlet {
    Udp(UdpSocket),
    Unix(UnixDatagram, PathBuf),
}

impl Inlet {
    async fn open(target: &StatsdTarget) -> Result<Inlet, UserError> {
        let opened = match target {
            StatsdTarget::Udp { host, port } => UdpSocket::bind((host.as_str(), *port)).await.map(Inlet::Udp),
            StatsdTarget::Unix(path) => bind_unix(path.into()),
            StatsdTarget::Tcp { .. } => {
                let what = format!("cannot listen on {target}: streams are not received here");
                return Err(UserError::new(Exit::Usage, what).hint("use udp:// or unix://"));
            }
        };
        opened.map_err(|e| {
            let error = UserError::new(Exit::Failed, format!("cannot listen on {target}: {}", plain(&e)));
            if e.kind() == io::ErrorKind::AddrInUse {
                return error.hint("another receiver is there: choose another address with --statsd");
            }
            error
        })
    }

    async fn receive(&self, packet: &mut [u8]) -> io::Result<usize> {
        match self {
            Inlet::Udp(socket) => socket.recv(packet).await,
            Inlet::Unix(socket, _) => socket.recv(packet).await,
        }
    }
}

impl Inlet {
    /// A packet that is there already.
    fn waiting(&self, packet: &mut [u8]) -> Option<usize> {
        // Not by the runtime's `try_recv`, which knows only what the runtime has seen so far.
        let fd = match self {
            Inlet::Udp(socket) => socket.as_fd(),
            Inlet::Unix(socket, _) => socket.as_fd(),
        };
        rustix::net::recv(fd, packet, RecvFlags::DONTWAIT).ok().map(|(_, n)| n)
    }
}

/// Binds a path. A socket that a receiver left behind is taken over; anything else stays.
fn bind_unix(path: PathBuf) -> io::Result<Inlet> {
    let left_behind = std::fs::symlink_metadata(&path).is_ok_and(|m| m.file_type().is_socket())
        && std::os::unix::net::UnixDatagram::unbound()?
            .connect(&path)
            .is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
    if left_behind {
        std::fs::remove_file(&path)?;
    }
    Ok(Inlet::Unix(UnixDatagram::bind(&path)?, path))
}

impl Drop for Inlet {
    fn drop(&mut self) {
        if let Inlet::Unix(_, path) = self {
            // A path that is gone already needs no removing.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_programs_says_what_was_read_and_what_was_not() {
        let good = serde_json::to_value(line_doc("a.b:3|c|@0.5")).unwrap();
        assert_eq!((good["name"].as_str(), good["kind"].as_str()), (Some("a.b"), Some("counter")));
        assert_eq!((good["value"].as_f64(), good["rate"].as_f64()), (Some(3.0), Some(0.5)));
        let bad = serde_json::to_value(line_doc("\u{1b}[31m")).unwrap();
        assert!(bad["name"].is_null() && bad["line"] == "\u{1b}[31m");
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_taken_over_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(std::os::unix::net::UnixDatagram::bind(&path).unwrap());
        let live = bind_unix(path.clone()).unwrap();
        assert_eq!(bind_unix(path.clone()).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        drop(live);
        assert!(!path.exists());
        std::fs::write(&path, "not a socket").unwrap();
        assert!(bind_unix(path.clone()).is_err() && path.exists());
    }
}
