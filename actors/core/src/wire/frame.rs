//! Frames: the only place that names bincode.

use serde::{Serialize, de::DeserializeOwned};

use crate::limits::FRAME_BYTES_MAX;

/// First two bytes of every frame.
pub const MAGIC: [u8; 2] = *b"TS";
/// The protocol this build speaks. It goes up when an old reader would misread a new frame.
pub const VERSION: u8 = 2;
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 12;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A client asks.
    Request,
    /// The supervisor answers, or sends one item of a stream.
    Response,
    /// A hook of an agent CLI reports, in a datagram.
    Hook,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Request => 1,
            Kind::Response => 2,
            Kind::Hook => 3,
        }
    }

    fn from_byte(b: u8) -> Option<Self> {
        match b {
            1 => Some(Kind::Request),
            2 => Some(Kind::Response),
            3 => Some(Kind::Hook),
            _ => None,
        }
    }
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first bytes are not ours.
    #[error("not a tsup frame")]
    Magic,
    /// The other side speaks another protocol.
    #[error("the other side speaks control protocol {theirs}, this tsup speaks {VERSION}")]
    Version {
        /// Its version.
        theirs: u8,
    },
    /// An unknown or unexpected kind of frame.
    #[error("unexpected kind of frame {0}")]
    Kind(u8),
    /// The length is over the limit.
    #[error("a frame of {len} bytes is over the limit of {max}")]
    TooLong {
        /// Announced length.
        len: u32,
        /// The limit.
        max: u32,
    },
    /// What is to be sent is over the limit. How much it would have been is not looked at.
    #[error("more than {max} bytes do not fit into a frame")]
    TooLarge {
        /// The limit.
        max: u32,
    },
    /// The checksum does not fit.
    #[error("frame checksum does not match")]
    Checksum,
    /// The payload does not decode.
    #[error("frame payload does not decode: {0}")]
    Payload(String),
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the payload is.
    pub kind: Kind,
    /// Payload length in bytes.
    pub len: u32,
    /// CRC-32 (IEEE) of the payload.
    pub crc: u32,
}

impl Header {
    /// Reads a header; a payload longer than `max` bytes is refused here, before it is allocated.
    pub fn parse(bytes: &[u8; HEADER_BYTES], max: u32) -> Result<Self, FrameError> {
        if bytes[..2] != MAGIC {
            return Err(FrameError::Magic);
        }
        if bytes[2] != VERSION {
            return Err(FrameError::Version { theirs: bytes[2] });
        }
        let kind = Kind::from_byte(bytes[3]).ok_or(FrameError::Kind(bytes[3]))?;
        let len = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let crc = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if len > max {
            return Err(FrameError::TooLong { len, max });
        }
        Ok(Header { kind, len, crc })
    }
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<{ FRAME_BYTES_MAX as usize }>()
}

/// Counts what is written to it.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Bytes that a value takes in a frame.
pub fn size<T: Serialize>(value: &T) -> usize {
    let mut counter = Counter(0);
    match bincode::serde::encode_into_std_write(value, &mut counter, config()) {
        Ok(_) => counter.0,
        Err(_) => usize::MAX,
    }
}

/// Bytes of a frame that is being written, which stops at the limit instead of taking all the memory there is.
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > HEADER_BYTES + FRAME_BYTES_MAX as usize {
            self.is_full = true;
            return Err(std::io::Error::other("over the limit of a frame"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A whole frame around `value`. An error means that the value is over [`FRAME_BYTES_MAX`].
pub fn encode<T: Serialize>(kind: Kind, value: &T) -> Result<Vec<u8>, FrameError> {
    let mut out = Bounded { bytes: vec![0; HEADER_BYTES], is_full: false };
    let encoded = bincode::serde::encode_into_std_write(value, &mut out, config());
    let is_full = out.is_full;
    encoded.map_err(|e| {
        if is_full {
            FrameError::TooLarge { max: FRAME_BYTES_MAX }
        } else {
            FrameError::Payload(e.to_string())
        }
    })?;
    let mut out = out.bytes;
    let len = u32::try_from(out.len() - HEADER_BYTES).unwrap_or(u32::MAX);
    let crc = crc32fast::hash(&out[HEADER_BYTES..]);
    out[..2].copy_from_slice(&MAGIC);
    out[2] = VERSION;
    out[3] = kind.byte();
    out[4..8].copy_from_slice(&len.to_le_bytes());
    out[8..12].copy_from_slice(&crc.to_le_bytes());
    Ok(out)
}

/// The value in a payload whose header was read before.
pub fn decode<T: DeserializeOwned>(header: Header, expect: Kind, payload: &[u8]) -> Result<T, FrameError> {
    if header.kind != expect {
        return Err(FrameError::Kind(header.kind.byte()));
    }
    if payload.len() != header.len as usize || crc32fast::hash(payload) != header.crc {
        return Err(FrameError::Checksum);
    }
    let (value, used) = bincode::serde::decode_from_slice(payload, config())
        .map_err(|e| FrameError::Payload(e.to_string()))?;
    if used != payload.len() {
        return Err(FrameError::Payload(format!("{} bytes are left over", payload.len() - used)));
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
