//! Lines of a batch, in chunks.

use std::io::{BufRead as _, BufReader, Read};

use tsup_core::error::{Exit, UserError};
use tsup_core::limits::REQUEST_BYTES_MAX;
use tsup_core::tes::failure::{Category, Failure};
use tsup_core::wire::verb::Submit;

use super::parse;
use crate::config::plain;
use crate::ctl::jobs::submit::does_not_fit;

/// Lines of one chunk: as many as share a commit of the supervisor's store.
const LINES: usize = 256;
/// Bytes of the lines of one chunk but the last: a request takes more.
const BYTES: usize = 512 * 1024;
/// Bytes of one line. A longer one would not fit into a request either.
const LINE_BYTES_MAX: usize = REQUEST_BYTES_MAX as usize;
/// Bytes that are read at a time.
const READ_BYTES: usize = 256 * 1024;

/// A line: where it is, and why it is not even asked for.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) line: u64,
    pub(super) refused: Option<Box<Failure>>,
}

/// Some lines, and what of them is to be asked for.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) spots: Vec<Spot>,
    pub(super) submits: Vec<Submit>,
}

/// Where the lines come from.
pub(super) struct Source {
    lines: BufReader<Box<dyn Read + Send>>,
    line: u64,
    defaults: Submit,
    /// A submission that found no room in the chunk before.
    over: Option<(u64, Submit, usize)>,
}

impl Source {
    pub(super) fn new(from: Box<dyn Read + Send>) -> Self {
        let lines = BufReader::with_capacity(READ_BYTES, from);
        Source { lines, line: 0, defaults: parse::defaults(), over: None }
    }

    /// The next chunk. It ends early where the next line is not there yet: somebody may be waiting for the
    /// answers before they write it.
    pub(super) fn chunk(&mut self) -> Result<Option<Chunk>, UserError> {
        let (mut chunk, mut bytes) = (Chunk::default(), 0);
        if let Some((line, submit, size)) = self.over.take() {
            chunk.take(line, submit);
            bytes += size;
        }
        while chunk.spots.len() < LINES && bytes < BYTES {
            if !chunk.spots.is_empty() && !self.lines.buffer().contains(&b'\n') {
                break;
            }
            let Some(text) = self.next_line()? else { break };
            let line = self.line;
            let submit = match text {
                Text::Whole(text) if text.trim_ascii().is_empty() => continue,
                Text::Whole(text) => parse::line(&text, &self.defaults).map(|submit| (submit, text.len())),
                Text::TooLong => Err(Failure::new(
                    Category::Validation,
                    format!("the line has more than {LINE_BYTES_MAX} bytes"),
                )),
            };
            match submit {
                Err(failure) => chunk.spots.push(Spot { line, refused: Some(Box::new(failure)) }),
                Ok((submit, size)) => {
                    if size > BYTES
                        && let Some(failure) = does_not_fit(&submit)
                    {
                        chunk.spots.push(Spot { line, refused: Some(Box::new(failure)) });
                    } else if bytes > 0 && bytes + size > BYTES {
                        self.over = Some((line, submit, size));
                        break;
                    } else {
                        chunk.take(line, submit);
                        bytes += size;
                    }
                }
            }
        }
        Ok((!chunk.spots.is_empty()).then_some(chunk))
    }

    /// The next line without its end; of one that is too long the rest is passed over.
    fn next_line(&mut self) -> Result<Option<Text>, UserError> {
        let failed =
            |e: std::io::Error| UserError::new(Exit::Failed, format!("cannot read the batch: {}", plain(&e)));
        let mut text = Vec::new();
        let most = LINE_BYTES_MAX as u64 + 1;
        let n = self.lines.by_ref().take(most).read_until(b'\n', &mut text).map_err(failed)?;
        if n == 0 {
            return Ok(None);
        }
        self.line += 1;
        if text.last() == Some(&b'\n') {
            text.pop();
        } else if text.len() > LINE_BYTES_MAX {
            self.lines.skip_until(b'\n').map_err(failed)?;
            return Ok(Some(Text::TooLong));
        }
        Ok(Some(Text::Whole(text)))
    }
}

enum Text {
    Whole(Vec<u8>),
    TooLong,
}

impl Chunk {
    fn take(&mut self, line: u64, submit: Submit) {
        self.spots.push(Spot { line, refused: None });
        self.submits.push(submit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: impl Into<Vec<u8>>) -> Vec<Chunk> {
        let mut source = Source::new(Box::new(std::io::Cursor::new(text.into())));
        std::iter::from_fn(|| source.chunk().unwrap()).collect()
    }

    #[test]
    fn lines_are_numbered_and_what_is_wrong_keeps_its_place() {
        let all = chunks(b"{\"script\":\"a\"}\n\n{nonsense\n\xff\n  \n{\"script\":\"b\"}".as_slice());
        let chunk = all.into_iter().reduce(|mut a, b| {
            a.spots.extend(b.spots);
            a.submits.extend(b.submits);
            a
        });
        let chunk = chunk.unwrap();
        let spots: Vec<(u64, bool)> = chunk.spots.iter().map(|s| (s.line, s.refused.is_some())).collect();
        assert_eq!(spots, [(1, false), (3, true), (4, true), (6, false)]);
        let scripts: Vec<&str> = chunk.submits.iter().map(|s| s.script.as_str()).collect();
        assert_eq!(scripts, ["a", "b"]);
    }

    #[test]
    fn chunks_are_bounded_in_lines_and_bytes() {
        let many = "{\"script\":\"a\"}\n".repeat(1_000);
        let sizes: Vec<usize> = chunks(many).iter().map(|c| c.submits.len()).collect();
        assert_eq!(sizes, [256, 256, 256, 232]);
        let large = format!("{{\"script\":\"a\",\"input\":{{\"x\":\"{}\"}}}}\n", "y".repeat(300_000));
        let parted = chunks(large.repeat(3));
        assert!(parted.len() >= 3 && parted.iter().all(|c| c.submits.len() == 1));
        let too_long = format!("{}\n{{\"script\":\"b\"}}\n", "x".repeat(LINE_BYTES_MAX + 10));
        let all: Vec<Spot> = chunks(too_long).into_iter().flat_map(|c| c.spots).collect();
        assert!(all.len() == 2 && all[0].refused.is_some() && all[1].refused.is_none());
        assert_eq!(all[1].line, 2);
    }
}
