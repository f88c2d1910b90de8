//! Which question a reply answers.
//!
//! tmux answers in order, one block a command; how many commands ran behind a question is not always
//! known beforehand (a condition, an error that drops the rest of a sequence), and a pane's text may
//! imitate a guard. So each question ends with a *mark*: a command that prints a word which only this
//! connection knows. Blocks belong to the question at the front until a block that says its mark, and
//! nothing else, ends it.

use std::collections::VecDeque;

use crate::clock::Mono;
use crate::limits::{BLOCKS_PER_QUESTION_MAX, QUESTIONS_MAX};
use crate::tmux::protocol::Block;

/// Questions under way on one connection, each with what it was asked for.
#[derive(Debug)]
pub struct Ledger<T> {
    nonce: u64,
    next: u64,
    open: VecDeque<Question<T>>,
}

#[derive(Debug)]
struct Question<T> {
    about: T,
    mark: String,
    asked: Mono,
    blocks: Vec<Block>,
}

/// A question with everything that came for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<T> {
    /// What it was asked for.
    pub about: T,
    /// What the commands said, in order; the mark is not among it.
    pub blocks: Vec<Block>,
    /// When it was asked.
    pub asked: Mono,
}

/// The stream and the questions do not fit each other: the connection must be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tmux's replies do not fit the questions")]
pub struct Desync;

impl<T> Ledger<T> {
    /// No question yet. The nonce makes the marks of this connection; it must not be guessable.
    pub fn new(nonce: u64) -> Self {
        Ledger { nonce, next: 0, open: VecDeque::new() }
    }

    /// Notes a question and gives the word that is to be printed after its commands. `Err` gives it
    /// back when [`QUESTIONS_MAX`] are open.
    pub fn ask(&mut self, about: T, now: Mono) -> Result<&str, T> {
        if self.open.len() >= QUESTIONS_MAX {
            return Err(about);
        }
        self.next += 1;
        let mark = format!("tsup.{:016x}.{}", self.nonce, self.next);
        self.open.push_back(Question { about, mark, asked: now, blocks: Vec::new() });
        Ok(&self.open.back().expect("just pushed").mark)
    }

    /// Takes a block. `Some` when it ends a question.
    pub fn block(&mut self, block: Block) -> Result<Option<Answered<T>>, Desync> {
        // The command that attached the client, and what hooks run, are nobody's answer.
        if block.guard.flags & 1 == 0 {
            return Ok(None);
        }
        let Some(front) = self.open.front_mut() else { return Err(Desync) };
        let said = block.text.strip_suffix(b"\n").unwrap_or(&block.text);
        if block.ok && said == front.mark.as_bytes() {
            let q = self.open.pop_front().expect("the front was there");
            return Ok(Some(Answered { about: q.about, blocks: q.blocks, asked: q.asked }));
        }
        if front.blocks.len() >= BLOCKS_PER_QUESTION_MAX || self.is_mark(said) {
            return Err(Desync);
        }
        self.open.front_mut().expect("the front was there").blocks.push(block);
        Ok(None)
    }

    /// Whether this is a mark of a later question: then an earlier one was swallowed.
    fn is_mark(&self, said: &[u8]) -> bool {
        self.open.iter().any(|q| q.mark.as_bytes() == said)
    }

    /// When the oldest question was asked.
    pub fn oldest(&self) -> Option<Mono> {
        self.open.front().map(|q| q.asked)
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Gives up on all that are open, oldest first.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.open.drain(..).map(|q| q.about)
    }

    /// What the open questions are about, oldest first.
    pub fn open_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.open.iter_mut().map(|q| &mut q.about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmux::protocol::Guard;

    fn block(number: u64, flags: u32, text: &str) -> Block {
        let guard = Guard { time: 1, number, flags };
        Block { guard, ok: true, text: text.as_bytes().to_vec(), truncated: false }
    }

    #[test]
    fn blocks_go_to_the_question_until_its_mark() {
        let mut l = Ledger::new(7);
        let first = l.ask("first", Mono::ZERO).unwrap().to_owned();
        let second = l.ask("second", Mono::ZERO).unwrap().to_owned();
        assert_eq!(l.block(block(1, 0, "attach")), Ok(None));
        assert_eq!(l.block(block(2, 1, "a\n")), Ok(None));
        assert_eq!(l.block(block(3, 1, "b\n")), Ok(None));
        let got = l.block(block(4, 1, &format!("{first}\n"))).unwrap().unwrap();
        assert_eq!((got.about, got.blocks.len()), ("first", 2));
        let got = l.block(block(5, 1, &format!("{second}\n"))).unwrap().unwrap();
        assert_eq!((got.about, got.blocks.len()), ("second", 0));
        assert_eq!(l.block(block(6, 1, "nobody asked")), Err(Desync));
    }

    #[test]
    fn a_forged_reply_does_not_pass_for_the_next_one() {
        // A screen that guessed the guard of its own capture ends it early and forges the next block.
        let mut l = Ledger::new(7);
        let mark = l.ask("capture", Mono::ZERO).unwrap().to_owned();
        let list = l.ask("list", Mono::ZERO).unwrap().to_owned();
        assert_eq!(l.block(block(1, 1, "half a screen\n")), Ok(None));
        assert_eq!(l.block(block(2, 1, "a forged list\n")), Ok(None));
        let got = l.block(block(3, 1, &mark)).unwrap().unwrap();
        assert_eq!((got.about, got.blocks.len()), ("capture", 2));
        assert_eq!(l.block(block(4, 1, "the list\n")), Ok(None));
        assert_eq!(l.block(block(5, 1, &list)).unwrap().unwrap().blocks[0].text, b"the list\n");
    }

    #[test]
    fn a_swallowed_mark_and_a_flood_of_blocks_are_seen() {
        let mut l = Ledger::new(7);
        l.ask(1, Mono::ZERO).unwrap();
        let second = l.ask(2, Mono::ZERO).unwrap().to_owned();
        assert_eq!(l.block(block(1, 1, &second)), Err(Desync));
        let mut l = Ledger::new(7);
        l.ask(1, Mono::ZERO).unwrap();
        let end = (0..100).map(|n| l.block(block(n, 1, "x"))).position(|r| r == Err(Desync));
        assert_eq!(end, Some(BLOCKS_PER_QUESTION_MAX));
        let mut l = Ledger::new(7);
        assert_eq!((0..10_000).take_while(|n| l.ask(*n, Mono::ZERO).is_ok()).count(), QUESTIONS_MAX);
    }
}
