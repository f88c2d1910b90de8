//! One connection: frames in, frames out, limits on everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tsup_core::error::{Exit, UserError};
use tsup_core::event::Stamped;
use tsup_core::limits::{
    CONNECTION_IDLE_MAX, EVENTS_PER_WRITE, FRAME_READ_TIMEOUT, FRAME_WRITE_TIMEOUT, HALF_CLOSED_LOOK,
    REQUEST_BYTES_MAX, REQUESTS_PER_CONNECTION_MAX, SHORT_CONNECTION_MAX,
};
use tsup_core::wire::frame::{self, FrameError, HEADER_BYTES, Header, Kind};
use tsup_core::wire::verb::{Body, Request, Response, Verb};

use super::desk::Desk;
use super::rooms::Rooms;
use crate::bus::Subscription;
use crate::edge::audit::Peer;

/// What a connection may do.
#[derive(Debug)]
pub(super) enum Mode {
    /// Anything.
    General,
    /// One request with a short answer: a place from the reserve. Set once the request was read.
    OneShort(Arc<AtomicBool>),
    /// Nothing: it is told so and closed.
    Refuse,
}

/// Serves one client to its end. Errors end the connection; the reason is told where it can be.
pub(super) async fn serve(stream: UnixStream, peer: Peer, mode: Mode, desk: Desk, rooms: &Arc<Rooms>) {
    let (reader, writer) = stream.into_split();
    match mode {
        Mode::General => general(reader, writer, peer, desk, rooms).await,
        Mode::OneShort(asked) => one_short(reader, writer, peer, desk, rooms, &asked).await,
        Mode::Refuse => refuse(writer).await,
    }
}

async fn refuse(mut writer: OwnedWriteHalf) {
    let error = UserError::new(Exit::Refused, "the control socket has too many connections")
        .hint("close a `tsup ctl watch` or another client, or try again");
    let _ = write(&mut writer, &response(0, Body::Error(error))).await;
}

async fn one_short(
    mut reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    peer: Peer,
    desk: Desk,
    rooms: &Rooms,
    asked: &AtomicBool,
) {
    // Only the asking has little time: what was asked is under way, and its answer takes what it takes.
    let request = match timeout(SHORT_CONNECTION_MAX, read(&mut reader, SHORT_CONNECTION_MAX, rooms)).await {
        Ok(Ok(Some(request))) => request,
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(e)) => return tell(&mut writer, &e).await,
    };
    asked.store(true, Ordering::Release);
    let changes = request.verb.changes();
    let _turn = if matches!(request.verb, Verb::Jobs { .. }) { rooms.list().await } else { None };
    let body = if matches!(request.verb, Verb::Watch { .. }) || request.verb.waits() {
        let what = "the control socket has too many connections for one that waits or streams";
        let error = UserError::new(Exit::Refused, what);
        Body::Error(error.hint("close another `tsup ctl watch`, or try again; jobs go on"))
    } else {
        tokio::select! {
            biased;
            body = desk.answer(request.verb, peer) => body,
            () = left(&writer), if !changes => return,
        }
    };
    let _ = write(&mut writer, &response(request.id, body)).await;
}

/// Reads requests on a task of its own: a frame that is half read must not be given up when something
/// else happens on the connection.
fn reading(
    mut reader: OwnedReadHalf,
    rooms: Arc<Rooms>,
) -> (mpsc::Receiver<Result<Request, ReadError>>, AbortOnDrop) {
    let (requests, inbox) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        loop {
            let (next, last) = match read(&mut reader, CONNECTION_IDLE_MAX, &rooms).await {
                Ok(Some(request)) => (Ok(request), false),
                Ok(None) => return,
                Err(e) => (Err(e), true),
            };
            if requests.send(next).await.is_err() || last {
                return;
            }
        }
    });
    (inbox, AbortOnDrop(task.abort_handle()))
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves a connection to its end. What changes something goes on when the client is gone or talks nonsense: it
/// has begun, and its outcome belongs into the audit log. The connection keeps its place as long, so that its bound
/// is theirs too. What only waits or looks ends with its client.
async fn general(reader: OwnedReadHalf, writer: OwnedWriteHalf, peer: Peer, desk: Desk, rooms: &Arc<Rooms>) {
    let mut working = JoinSet::new();
    let (present, _) = watch::channel(());
    converse(reader, writer, peer, &desk, rooms, &mut working, &present).await;
    drop(present);
    while working.join_next().await.is_some() {}
}

/// An answer's bytes, with the turn that a list has until it is sent.
type Answer = (Vec<u8>, Option<OwnedSemaphorePermit>);

/// Answers a request, and forgets it when its client leaves before that, unless it changes something. A drain
/// has begun when it was asked for: only the waiting for its end goes.
async fn work(
    request: Request,
    peer: Peer,
    desk: Desk,
    answers: mpsc::Sender<Answer>,
    mut present: watch::Receiver<()>,
    rooms: Arc<Rooms>,
) {
    let Request { id, verb } = request;
    let place = verb.waits().then(|| rooms.wait()).transpose();
    let turn = if matches!(verb, Verb::Jobs { .. }) { rooms.list().await } else { None };
    let stays = verb.changes() && !verb.waits();
    let body = match place {
        Err(e) => Body::Error(e),
        Ok(_place) => tokio::select! {
            biased;
            body = desk.answer(verb, peer) => body,
            _ = present.changed(), if !stays => return,
        },
    };
    let _ = answers.send((response(id, body), turn)).await;
}

async fn converse(
    reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    peer: Peer,
    desk: &Desk,
    rooms: &Arc<Rooms>,
    working: &mut JoinSet<()>,
    present: &watch::Sender<()>,
) {
    let (answers, mut outbox) = mpsc::channel::<Answer>(REQUESTS_PER_CONNECTION_MAX);
    let (mut requests, reading) = reading(reader, Arc::clone(rooms));
    loop {
        let is_full = working.len() >= REQUESTS_PER_CONNECTION_MAX;
        let request = tokio::select! {
            request = requests.recv(), if !is_full => request,
            Some(_) = working.join_next() => continue,
            // While nothing more is read from it, its end does not show otherwise.
            () = left(&writer), if is_full => return,
            Some((bytes, _turn)) = outbox.recv() => {
                if write(&mut writer, &bytes).await.is_err() {
                    return;
                }
                continue;
            }
        };
        match request {
            Some(Ok(Request { id, verb: Verb::Watch { kinds } })) if working.is_empty() => {
                // Answers that are ready, and were not written yet, come before the stream.
                while let Ok((bytes, _turn)) = outbox.try_recv() {
                    if write(&mut writer, &bytes).await.is_err() {
                        return;
                    }
                }
                return stream(id, kinds, reading, writer, desk, rooms).await;
            }
            Some(Ok(Request { id, verb: Verb::Watch { .. } })) => {
                let error = UserError::new(Exit::Refused, "a stream needs a connection of its own");
                if write(&mut writer, &response(id, Body::Error(error))).await.is_err() {
                    return;
                }
            }
            Some(Ok(request)) => {
                let (answers, present) = (answers.clone(), present.subscribe());
                working.spawn(work(request, peer, desk.clone(), answers, present, Arc::clone(rooms)));
            }
            Some(Err(e)) => return tell(&mut writer, &e).await,
            None => break,
        }
    }
    // The client has said all it wants; what it asked is still answered, as long as it is there to read it.
    drop(answers);
    loop {
        let answer = tokio::select! {
            answer = outbox.recv() => answer,
            () = left(&writer) => return,
        };
        let Some((bytes, _turn)) = answer else { return };
        if write(&mut writer, &bytes).await.is_err() {
            return;
        }
    }
}

/// Sends events until the client goes. It is cut off when it does not read for
/// [`FRAME_WRITE_TIMEOUT`]; until then the bus tells it what it missed.
async fn stream(
    id: u64,
    kinds: Vec<String>,
    reading: AbortOnDrop,
    mut writer: OwnedWriteHalf,
    desk: &Desk,
    rooms: &Rooms,
) {
    // A stream has no idle limit, and nothing more is read: the client's end shows in the writing half.
    drop(reading);
    let place = rooms.stream();
    let mut events = match place.as_ref().map_err(Clone::clone).and_then(|_| desk.subscribe(&kinds)) {
        Ok(events) => events,
        Err(e) => {
            let _ = write(&mut writer, &response(id, Body::Error(e))).await;
            return;
        }
    };
    if write(&mut writer, &response(id, Body::Watching)).await.is_err() {
        return;
    }
    loop {
        let first = tokio::select! {
            first = events.next() => first,
            () = gone(&writer) => return,
        };
        let Some(first) = first else { return };
        let bytes = gather(id, &first, &mut events, &kinds);
        if !bytes.is_empty() && write(&mut writer, &bytes).await.is_err() {
            return;
        }
    }
}

/// Returns when the other side is gone as a whole. One that only says nothing more still reads its answers.
async fn left(writer: &OwnedWriteHalf) {
    gone(writer).await;
    // Both directions are ready at once then, so this tells how they stand and does not wait.
    let both = tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE;
    while writer.as_ref().ready(both).await.is_ok_and(|ready| !ready.is_write_closed()) {
        tokio::time::sleep(HALF_CLOSED_LOOK).await;
    }
}

/// Returns when the other side has closed the connection, or its half of it.
async fn gone(writer: &OwnedWriteHalf) {
    let closed = tokio::io::Interest::ERROR | tokio::io::Interest::READABLE;
    loop {
        match writer.as_ref().ready(closed).await {
            Ok(ready) if !ready.is_read_closed() && !ready.is_error() => {
                // A client that talks on a stream is not listened to, and must not make this spin.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            _ => return,
        }
    }
}

fn gather(id: u64, first: &Arc<Stamped>, events: &mut Subscription, kinds: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut add = |event: &Arc<Stamped>| {
        let kind = event.event.kind();
        if kinds.is_empty() || kind == "lagged" || kinds.iter().any(|k| k == kind) {
            bytes.extend(response(id, Body::Event(Box::new(Stamped::clone(event)))));
        }
    };
    add(first);
    for _ in 1..EVENTS_PER_WRITE {
        match events.try_next() {
            Some(event) => add(&event),
            None => break,
        }
    }
    bytes
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("frame not complete within {} seconds", FRAME_READ_TIMEOUT.as_secs())]
    Slow,
    #[error("connection broke")]
    Broken,
}

/// Reads one request. `None` at the end of the client's data, or when it was silent for `idle`.
async fn read(
    reader: &mut OwnedReadHalf,
    idle: Duration,
    rooms: &Rooms,
) -> Result<Option<Request>, ReadError> {
    let mut header = [0u8; HEADER_BYTES];
    // Between two frames a client may be silent; within one it may not.
    let mut got = match timeout(idle, reader.read(&mut header)).await {
        Ok(Ok(0)) | Err(_) => return Ok(None),
        Ok(Ok(n)) => n,
        Ok(Err(_)) => return Err(ReadError::Broken),
    };
    let whole = async {
        while got < HEADER_BYTES {
            match reader.read(&mut header[got..]).await {
                Ok(0) | Err(_) => return Err(ReadError::Broken),
                Ok(n) => got += n,
            }
        }
        let header = Header::parse(&header, REQUEST_BYTES_MAX)?;
        let _room = rooms.reading(header.len).await;
        let mut payload = vec![0; header.len as usize];
        reader.read_exact(&mut payload).await.map_err(|_| ReadError::Broken)?;
        Ok(Some(frame::decode(header, Kind::Request, &payload)?))
    };
    timeout(FRAME_READ_TIMEOUT, whole).await.unwrap_or(Err(ReadError::Slow))
}

async fn tell(writer: &mut OwnedWriteHalf, error: &ReadError) {
    let error = UserError::new(Exit::Usage, format!("bad request: {error}"));
    let _ = write(writer, &response(0, Body::Error(error))).await;
}

async fn write(writer: &mut OwnedWriteHalf, bytes: &[u8]) -> Result<(), ()> {
    match timeout(FRAME_WRITE_TIMEOUT, writer.write_all(bytes)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}

/// A response as bytes; one that is over the frame limit becomes an error that fits.
fn response(id: u64, body: Body) -> Vec<u8> {
    frame::encode(Kind::Response, &Response { id, body: body.packed() }).unwrap_or_else(|e| {
        let error = UserError::new(Exit::Failed, format!("the answer does not fit: {e}"));
        frame::encode(Kind::Response, &Response { id, body: Body::Error(error) })
            .expect("a short error fits a frame")
    })
}
