//! Several requests under way on one connection: one half asks, the other hears, on one thread or on two.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tsup_core::error::UserError;
use tsup_core::limits::FRAME_BYTES_MAX;
use tsup_core::wire::frame::{self, HEADER_BYTES, Header, Kind};
use tsup_core::wire::verb::{Body, Request, Response, Verb};

use super::{Client, frame_error, io_error};

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// The kernel takes no time that is nothing.
const SHORTEST: Duration = Duration::from_millis(1);

/// The half that asks.
#[derive(Debug)]
pub struct Asker {
    stream: UnixStream,
    last_id: u64,
}

impl Asker {
    /// Asks, and gives the number that the answer will carry. It waits when the supervisor does not take it in.
    pub fn ask(&mut self, verb: Verb) -> Result<u64, UserError> {
        self.last_id += 1;
        let request = Request { id: self.last_id, verb };
        let bytes = frame::encode(Kind::Request, &request).map_err(|e| frame_error(&e))?;
        self.stream.write_all(&bytes).map_err(|e| io_error(&e, None))?;
        Ok(self.last_id)
    }
}

/// The half that hears.
#[derive(Debug)]
pub struct Answers {
    stream: UnixStream,
    /// What came and is no whole frame yet.
    came: Vec<u8>,
}

/// What was heard.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// The answer to this request. Number 0 is for the connection itself.
    Answer(u64, Body),
    /// Nothing in time.
    Nothing,
    /// The supervisor closed the connection.
    Closed,
}

impl Answers {
    /// Waits for the next answer, at most so long; `None` is without end.
    pub fn next(&mut self, at_most: Option<Duration>) -> Result<Heard, UserError> {
        let timeout = at_most.map(|d| d.max(SHORTEST));
        self.stream.set_read_timeout(timeout).map_err(|e| io_error(&e, timeout))?;
        loop {
            if let Some(answer) = self.whole()? {
                return Ok(answer);
            }
            let start = self.came.len();
            self.came.resize(start + PIECE_BYTES, 0);
            let read = self.stream.read(&mut self.came[start..]);
            self.came.truncate(start + read.as_ref().copied().unwrap_or(0));
            match read.map_err(|e| (e.kind(), e)) {
                Ok(0) | Err((ErrorKind::ConnectionReset | ErrorKind::BrokenPipe, _)) => {
                    return Ok(Heard::Closed);
                }
                Ok(_) | Err((ErrorKind::Interrupted, _)) => {}
                Err((ErrorKind::WouldBlock | ErrorKind::TimedOut, _)) => return Ok(Heard::Nothing),
                Err((_, e)) => return Err(io_error(&e, timeout)),
            }
        }
    }

    /// Takes a whole frame from what came.
    fn whole(&mut self) -> Result<Option<Heard>, UserError> {
        let Some(head) = self.came.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let header = Header::parse(head, FRAME_BYTES_MAX).map_err(|e| frame_error(&e))?;
        let end = HEADER_BYTES + header.len as usize;
        let Some(payload) = self.came.get(HEADER_BYTES..end) else { return Ok(None) };
        let response: Response =
            frame::decode(header, Kind::Response, payload).map_err(|e| frame_error(&e))?;
        self.came.drain(..end);
        Ok(Some(Heard::Answer(response.id, response.body.unpacked())))
    }
}

impl Client {
    /// Parts the connection into its two halves.
    pub fn split(self) -> Result<(Asker, Answers), UserError> {
        let stream = self.stream.try_clone().map_err(|e| io_error(&e, None))?;
        // A question may have to wait until answers before it are heard.
        stream.set_write_timeout(None).map_err(|e| io_error(&e, None))?;
        Ok((Asker { stream, last_id: self.last_id }, Answers { stream: self.stream, came: Vec::new() }))
    }
}
