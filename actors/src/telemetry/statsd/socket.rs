//! A connected, non-blocking socket to a receiver.
//!
//! Connected, because the kernel reports a bounce only to a connected UDP socket: after the send
//! that caused it, as an error of the next call (udp(7), "Error handling").

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::UnixDatagram;

use rustix::io::Errno;
use tsup_core::limits;
use tsup_core::settings::StatsdTarget;
use tsup_core::telemetry::courier::Outcome;

/// A packet without figures. Every receiver skips an empty line; an empty datagram would be the end of
/// the stream to some.
pub(super) const PROBE: &str = "\n";

/// An open way to a receiver.
#[derive(Debug)]
pub enum Socket {
    /// Taken may still bounce.
    Udp(UdpSocket),
    /// Taken is received.
    Unix(UnixDatagram),
    /// With what the kernel did not take yet of the last packet.
    Tcp(TcpStream, Vec<u8>),
}

/// Opens a way to `target`. It may take long: it looks up names and connects.
pub(super) fn open(target: &StatsdTarget) -> io::Result<Socket> {
    match target {
        StatsdTarget::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            socket.set_nonblocking(true)?;
            Ok(Socket::Unix(socket))
        }
        StatsdTarget::Udp { .. } => {
            let to = first(target)?;
            let any: SocketAddr = match to {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(any)?;
            socket.connect(to)?;
            socket.set_nonblocking(true)?;
            Ok(Socket::Udp(socket))
        }
        StatsdTarget::Tcp { .. } => {
            let stream = TcpStream::connect_timeout(&first(target)?, limits::STATSD_CONNECT_TIMEOUT)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            Ok(Socket::Tcp(stream, Vec::new()))
        }
    }
}

fn first(target: &StatsdTarget) -> io::Result<SocketAddr> {
    resolve(target)?.into_iter().next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The name in a target, when it has one that may come to stand for another address.
pub(super) fn name_of(target: &StatsdTarget) -> Option<(&str, u16)> {
    match target {
        StatsdTarget::Udp { host, port } | StatsdTarget::Tcp { host, port } => {
            host.parse::<std::net::IpAddr>().is_err().then_some((host, *port))
        }
        StatsdTarget::Unix(_) => None,
    }
}

/// What a target's name stands for now.
pub(super) fn resolve(target: &StatsdTarget) -> io::Result<Vec<SocketAddr>> {
    match target {
        StatsdTarget::Udp { host, port } | StatsdTarget::Tcp { host, port } => {
            Ok((host.as_str(), *port).to_socket_addrs()?.collect())
        }
        StatsdTarget::Unix(_) => Ok(Vec::new()),
    }
}

impl Socket {
    /// Sends one packet.
    pub(super) fn send(&mut self, text: &str) -> Outcome {
        let sent = match self {
            Socket::Udp(socket) => socket.send(text.as_bytes()),
            Socket::Unix(socket) => socket.send(text.as_bytes()),
            Socket::Tcp(stream, rest) => return send_stream(stream, rest, text),
        };
        match sent {
            // On the way over loopback the bounce is there already.
            Ok(_) if self.check() == Outcome::Bounced => Outcome::Bounced,
            Ok(_) => Outcome::Sent,
            Err(e) => outcome_of(&e),
        }
    }

    /// Asks for an error that came late.
    pub(super) fn check(&mut self) -> Outcome {
        let error = match self {
            Socket::Udp(socket) => socket.take_error(),
            Socket::Unix(_) => return Outcome::Quiet,
            Socket::Tcp(stream, _) => match stream.read(&mut [0; 64]) {
                Ok(0) => return Outcome::Bounced,
                Ok(_) => return Outcome::Quiet,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => stream.take_error(),
                Err(e) => Err(e),
            },
        };
        if matches!(error, Ok(None)) { Outcome::Quiet } else { Outcome::Bounced }
    }

    /// Whether the kernel has taken everything.
    pub(super) fn is_empty(&mut self) -> bool {
        match self {
            Socket::Tcp(stream, rest) => push(stream, rest).is_err() || rest.is_empty(),
            _ => true,
        }
    }

    /// Where it leads.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Socket::Udp(socket) => socket.peer_addr().ok(),
            Socket::Tcp(stream, _) => stream.peer_addr().ok(),
            Socket::Unix(_) => None,
        }
    }
}

fn outcome_of(e: &io::Error) -> Outcome {
    match Errno::from_io_error(e) {
        Some(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => Outcome::Blocked,
        Some(Errno::MSGSIZE) => Outcome::TooLong,
        _ => Outcome::Refused,
    }
}

/// A packet is taken when the kernel has a part of it; the rest goes before anything else.
fn send_stream(stream: &mut TcpStream, rest: &mut Vec<u8>, text: &str) -> Outcome {
    match push(stream, rest) {
        Err(e) => outcome_of(&e),
        Ok(()) if !rest.is_empty() => Outcome::Blocked,
        Ok(()) => {
            rest.extend_from_slice(text.as_bytes());
            rest.push(b'\n');
            let whole = rest.len();
            match push(stream, rest) {
                Ok(()) if rest.len() == whole => {
                    rest.clear();
                    Outcome::Blocked
                }
                Ok(()) => Outcome::Sent,
                Err(e) => outcome_of(&e),
            }
        }
    }
}

fn push(stream: &mut TcpStream, rest: &mut Vec<u8>) -> io::Result<()> {
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => drop(rest.drain(..n)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
