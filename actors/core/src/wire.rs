//! The control socket's language: frames, verbs and documents.
//!
//! A frame is `b"TS"`, protocol version (u8), kind (u8), payload length (u32 LE), CRC-32 of the
//! payload (u32 LE), then the payload: bincode 2 with its standard configuration. Length is judged
//! before anything is allocated, the checksum before anything is decoded, and a payload must be used
//! to its last byte.

pub mod doc;
pub mod frame;
pub mod verb;
