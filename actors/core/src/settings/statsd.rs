//! `[statsd]`: where metrics go and in which dialect.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use super::seconds;
use crate::limits::SOCKET_PATH_BYTES_MAX;
pub use crate::telemetry::dialect::Dialect;

/// `[statsd]`. The section being there is what turns sending on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatsdSettings {
    /// Receivers; each gets everything. Default `127.0.0.1:8125`.
    pub targets: Vec<StatsdTarget>,
    /// First part of every name; empty for none. Default `tsup`.
    pub prefix: String,
    /// How labels are written.
    pub dialect: Dialect,
    /// How often what was counted is sent. Default 1 s.
    #[serde(rename = "flush_seconds", with = "seconds")]
    pub flush: Duration,
}

impl Default for StatsdSettings {
    fn default() -> Self {
        StatsdSettings {
            targets: vec![StatsdTarget::Udp { host: "127.0.0.1".into(), port: 8125 }],
            prefix: "tsup".into(),
            dialect: Dialect::Etsy,
            flush: Duration::from_secs(1),
        }
    }
}

/// A StatsD receiver.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatsdTarget {
    /// Over UDP: `HOST:PORT` or `udp://HOST:PORT`.
    Udp {
        /// Name or address; an IPv6 address without its brackets.
        host: String,
        /// Port, not 0.
        port: u16,
    },
    /// Over a TCP stream, lines that end with a line feed: `tcp://HOST:PORT`.
    Tcp {
        /// Name or address; an IPv6 address without its brackets.
        host: String,
        /// Port, not 0.
        port: u16,
    },
    /// Over a Unix datagram socket: `unix:///PATH`.
    Unix(String),
}

impl fmt::Display for StatsdTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, host, port) = match self {
            StatsdTarget::Udp { host, port } => ("udp", host, port),
            StatsdTarget::Tcp { host, port } => ("tcp", host, port),
            StatsdTarget::Unix(path) => return write!(f, "unix://{path}"),
        };
        if host.contains(':') {
            write!(f, "{transport}://[{host}]:{port}")
        } else {
            write!(f, "{transport}://{host}:{port}")
        }
    }
}

/// Why a text is not a StatsD target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A transport that is not there.
    #[error("`{0}://` is not a transport of this version, use udp://, tcp:// or unix://")]
    Transport(String),
    /// No host, or a host with characters that no host has.
    #[error("`{0}` is not a host, write HOST:PORT")]
    Host(String),
    /// No port, or not one.
    #[error("`{0}` has no port from 1 to 65535, write HOST:PORT")]
    Port(String),
    /// Not an absolute path, or too long for a socket.
    #[error(
        "`{0}` is not a socket path, write unix:///ABSOLUTE/PATH of at most {max} bytes",
        max = SOCKET_PATH_BYTES_MAX
    )]
    Path(String),
}

impl FromStr for StatsdTarget {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (stream, address) = match text.split_once("://") {
            Some(("unix", path)) => return unix_target(path),
            Some(("udp", rest)) => (false, rest),
            Some(("tcp", rest)) => (true, rest),
            Some((other, _)) => return Err(TargetError::Transport(other.into())),
            None => (false, text),
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(|| TargetError::Port(text.into()))?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let is_host = match bare {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
            }
        };
        if !is_host {
            return Err(TargetError::Host(host.into()));
        }
        match port.parse() {
            Ok(port) if port > 0 => {
                let host = bare.unwrap_or(host).into();
                Ok(if stream { StatsdTarget::Tcp { host, port } } else { StatsdTarget::Udp { host, port } })
            }
            _ => Err(TargetError::Port(text.into())),
        }
    }
}

fn unix_target(path: &str) -> Result<StatsdTarget, TargetError> {
    if !path.starts_with('/') || path.len() > SOCKET_PATH_BYTES_MAX || path.contains('\0') {
        return Err(TargetError::Path(path.into()));
    }
    Ok(StatsdTarget::Unix(path.into()))
}

impl<'de> Deserialize<'de> for StatsdTarget {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_back_as_they_are_shown() {
        for text in [
            "udp://127.0.0.1:8125",
            "udp://[::1]:8125",
            "udp://a-b.example:1",
            "tcp://h:1",
            "unix:///run/s.sock",
        ] {
            assert_eq!(text.parse::<StatsdTarget>().unwrap().to_string(), text);
        }
        assert_eq!("localhost:8125".parse(), Ok(StatsdTarget::Udp { host: "localhost".into(), port: 8125 }));
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for bad in [
            "",
            ":8125",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:-1",
            "::1:8125",
            "[x]:1",
            "a b:1",
            "a\n:1",
            "http://h:1",
            "unix://relative",
            "unix://",
            "udp://",
        ] {
            assert!(bad.parse::<StatsdTarget>().is_err(), "{bad:?}");
        }
        assert!(format!("unix:///{}", "x".repeat(200)).parse::<StatsdTarget>().is_err());
    }
}
