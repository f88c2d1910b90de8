//! What the doctor asks of the places where metrics go.

use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use tsup_core::settings::{StatsdSettings, StatsdTarget};

use super::Finding;
use crate::config::plain;

/// How long a host on the way may take to say that nobody listens.
const REFUSAL_WAIT: Duration = Duration::from_millis(100);
/// How long a connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(3);

pub(super) fn look(statsd: Option<&StatsdSettings>) -> Vec<Finding> {
    let name = "statsd";
    let Some(statsd) = statsd.filter(|s| !s.targets.is_empty()) else {
        return vec![Finding::ok(name, "not configured; metrics stay here (`tsup ctl metrics`)")];
    };
    statsd
        .targets
        .iter()
        .map(|target| {
            let sent = match target {
                StatsdTarget::Udp { host, port } => udp(host, *port, &statsd.prefix),
                StatsdTarget::Tcp { host, port } => tcp(host, *port),
                StatsdTarget::Unix(path) => UnixDatagram::unbound().and_then(|s| s.connect(path)),
            };
            match sent {
                Ok(()) => Finding::ok(name, format!("{target} does not refuse")),
                Err(e) => Finding::warn(
                    name,
                    format!("{target}: {}", plain(&e)),
                    "start the receiver or correct `statsd.targets`; nothing else waits for it",
                ),
            }
        })
        .collect()
}

/// Sends a counter that adds nothing. Nobody answers on UDP, but a host says so when nobody listens.
fn udp(host: &str, port: u16, prefix: &str) -> std::io::Result<()> {
    let any = if host.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect((host, port))?;
    let dot = if prefix.is_empty() { "" } else { "." };
    let line = format!("{prefix}{dot}doctor:0|c");
    socket.send(line.as_bytes())?;
    socket.set_read_timeout(Some(REFUSAL_WAIT))?;
    match socket.recv(&mut [0; 16]) {
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => Err(e),
        _ => Ok(()),
    }
}

fn tcp(host: &str, port: u16) -> std::io::Result<()> {
    let mut last = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_WAIT) {
            Ok(_) => return Ok(()),
            Err(e) => last = Some(e),
        }
    }
    Err(last.unwrap_or_else(|| std::io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    fn level(target: StatsdTarget) -> Level {
        look(Some(&StatsdSettings { targets: vec![target], ..StatsdSettings::default() }))[0].level
    }

    #[test]
    fn a_receiver_is_told_from_nobody() {
        // An address of its own: on the usual one somebody else may take the port as soon as it is free.
        let host = "127.83.0.7";
        let receiver = UdpSocket::bind((host, 0)).unwrap();
        let port = receiver.local_addr().unwrap().port();
        assert_eq!(level(StatsdTarget::Udp { host: host.into(), port }), Level::Ok);
        drop(receiver);
        assert_eq!(level(StatsdTarget::Udp { host: host.into(), port }), Level::Warn);
        assert_eq!(level(StatsdTarget::Unix("/nowhere/at/all".into())), Level::Warn);
        assert_eq!(look(None)[0].level, Level::Ok);
    }
}
