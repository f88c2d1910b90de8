//! Transcripts: whatever a file holds and however it is torn, reading it ends, and says the same.
//! The properties are those of `tests/corpus.rs`.
#![no_main]

#[path = "../../tests/corpus/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::transcript(bytes));
