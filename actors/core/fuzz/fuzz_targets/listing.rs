//! Listings of panes and sessions: whatever a name or title holds, a line is read within its bounds or
//! not at all. The properties are those of `tests/corpus.rs`.
#![no_main]

#[path = "../../tests/corpus/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::listing(bytes));
