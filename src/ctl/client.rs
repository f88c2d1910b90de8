//! One connection to the supervisor.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use tsup_core::error::{Exit, UserError};
use tsup_core::event::Stamped;
use tsup_core::limits::{CALL_TIMEOUT, FRAME_BYTES_MAX, FRAME_WRITE_TIMEOUT, START_WAIT};
use tsup_core::wire::frame::{self, FrameError, HEADER_BYTES, Header, Kind};
use tsup_core::wire::verb::{Body, Request, Response, Verb};

use crate::config::plain;

/// How long an answer may take: the domain's own deadline and what the way costs.
const ANSWER_TIMEOUT: Duration = CALL_TIMEOUT.saturating_add(Duration::from_secs(5));

/// The same for verbs that start or end an agent, which the supervisor waits for.
const AGENT_TIMEOUT: Duration = START_WAIT.saturating_add(ANSWER_TIMEOUT);

/// The same for a submission, which is answered when it is durable, however slow the disk.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection. Requests on it are asked one after the other.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    last_id: u64,
    /// How long the answer under way may take; `None` is without end.
    patience: Option<Duration>,
}

impl Client {
    /// Connects. Exit code 3 when no supervisor listens there.
    pub fn connect(socket: &Path) -> Result<Client, UserError> {
        let shown = socket.display();
        let stream = UnixStream::connect(socket).map_err(|e| match e.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                UserError::new(Exit::NoSupervisor, format!("no supervisor answers at {shown}"))
                    .hint("start one with `tsup start`, or name its home with `--home DIR`")
            }
            ErrorKind::PermissionDenied => {
                UserError::new(Exit::Refused, format!("the control socket {shown} is not yours"))
                    .hint("a supervisor answers only to the user who started it")
            }
            _ => UserError::new(Exit::NoSupervisor, format!("cannot connect to {shown}: {}", plain(&e))),
        })?;
        let timeouts = stream
            .set_write_timeout(Some(FRAME_WRITE_TIMEOUT))
            .and_then(|()| stream.set_read_timeout(Some(ANSWER_TIMEOUT)));
        timeouts.map_err(|e| io_error(&e, Some(ANSWER_TIMEOUT)))?;
        Ok(Client { stream, last_id: 0, patience: Some(ANSWER_TIMEOUT) })
    }

    /// Asks, and waits for the answer. An error of the supervisor is returned as its own.
    pub fn ask(&mut self, verb: Verb) -> Result<Body, UserError> {
        match self.exchange(verb)? {
            Body::Error(e) => Err(e),
            body => Ok(body),
        }
    }

    /// Asks, and waits for the answer, which may be an error of the supervisor. An error that is returned is one
    /// of the way: whether the supervisor did what was asked is not known then.
    pub fn exchange(&mut self, verb: Verb) -> Result<Body, UserError> {
        self.last_id += 1;
        self.patience = patience(&verb);
        self.stream.set_read_timeout(self.patience).map_err(|e| self.failed(&e))?;
        let request = Request { id: self.last_id, verb };
        let bytes = frame::encode(Kind::Request, &request).map_err(|e| frame_error(&e))?;
        // A supervisor that turns a client away answers before it reads: what it says counts more
        // than that nobody took the question.
        let sent = self.stream.write_all(&bytes);
        match (self.receive()?, sent) {
            (Some(body), _) => Ok(body),
            (None, Err(e)) => Err(self.failed(&e)),
            (None, Ok(())) => Err(closed()),
        }
    }

    /// Lets a stream be silent for as long as it likes.
    pub fn wait_forever(&self) -> Result<(), UserError> {
        self.stream.set_read_timeout(None).map_err(|e| self.failed(&e))
    }

    /// Another handle on the connection, to close it from elsewhere.
    pub fn connection(&self) -> std::io::Result<UnixStream> {
        self.stream.try_clone()
    }

    /// The next answer or item of a stream; `None` when the supervisor closed the connection.
    pub fn receive(&mut self) -> Result<Option<Body>, UserError> {
        let mut bytes = [0; HEADER_BYTES];
        if let Err(e) = self.stream.read_exact(&mut bytes) {
            return match e.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Ok(None),
                _ => Err(self.failed(&e)),
            };
        }
        let header = Header::parse(&bytes, FRAME_BYTES_MAX).map_err(|e| frame_error(&e))?;
        let mut payload = vec![0; header.len as usize];
        self.stream.read_exact(&mut payload).map_err(|e| self.failed(&e))?;
        let response: Response =
            frame::decode(header, Kind::Response, &payload).map_err(|e| frame_error(&e))?;
        if response.id != self.last_id && response.id != 0 {
            return Err(UserError::new(Exit::Bug, "the supervisor answered a question that was not asked"));
        }
        Ok(Some(response.body.unpacked()))
    }

    fn failed(&self, e: &std::io::Error) -> UserError {
        io_error(e, self.patience)
    }
}

/// The supervisor went away while it was asked.
pub(crate) fn closed() -> UserError {
    UserError::new(Exit::NoSupervisor, "the supervisor closed the connection")
        .hint("it may be going down, or too busy: see `tsup status` and its log")
}

fn patience(verb: &Verb) -> Option<Duration> {
    match verb {
        Verb::Spawn(_) | Verb::Kill { .. } | Verb::Restart { .. } => Some(AGENT_TIMEOUT),
        Verb::Submit(_) => Some(SUBMIT_TIMEOUT),
        // A job has as long for its end as its script's grace says, which may be hours.
        Verb::Cancel { .. } => None,
        Verb::Wait { for_ms, .. } | Verb::Drain { for_ms } => {
            for_ms.map(|ms| ANSWER_TIMEOUT.saturating_add(Duration::from_millis(ms)))
        }
        _ => Some(ANSWER_TIMEOUT),
    }
}

fn io_error(e: &std::io::Error, patience: Option<Duration>) -> UserError {
    match e.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => UserError::new(
            Exit::TimedOut,
            format!(
                "the supervisor did not answer within {} seconds",
                patience.unwrap_or_default().as_secs()
            ),
        )
        .hint("look at its log; `tsup restart` starts it again, the agents stay"),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => closed(),
        _ => UserError::new(Exit::Failed, format!("cannot talk to the supervisor: {}", plain(e))),
    }
}

fn frame_error(e: &FrameError) -> UserError {
    let error = UserError::new(Exit::Failed, e.to_string());
    match e {
        FrameError::Version { .. } => {
            error.hint("supervisor and command are of different versions: `tsup restart`")
        }
        FrameError::Magic => error.hint("something else listens at the control socket"),
        _ => error,
    }
}

impl Client {
    /// Turns the connection into the stream of events of these kinds; none means all. The stream may
    /// be silent for as long as it likes, and ends when the supervisor closes it.
    pub fn watch(mut self, kinds: Vec<String>) -> Result<Events, UserError> {
        match self.ask(Verb::Watch { kinds })? {
            Body::Watching => {}
            other => return Err(super::unexpected(&other)),
        }
        self.wait_forever()?;
        Ok(Events { client: self })
    }
}

/// The stream of events.
#[derive(Debug)]
pub struct Events {
    client: Client,
}

impl Events {
    /// Another handle on the connection, to end the stream from elsewhere.
    pub fn connection(&self) -> std::io::Result<UnixStream> {
        self.client.connection()
    }
}

impl Iterator for Events {
    type Item = Result<Stamped, UserError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.client.receive() {
            Ok(Some(Body::Event(stamped))) => Some(Ok(*stamped)),
            Ok(Some(other)) => Some(Err(super::unexpected(&other))),
            Ok(None) => None,
            Err(e) => Some(Err(e)),
        }
    }
}

pub mod line;

#[cfg(test)]
mod tests;
