//! Profile files: what is wrong is told with its place, and what is left can be used.
//! The properties are those of `tests/corpus.rs`.
#![no_main]

#[path = "../../tests/corpus/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::profile(bytes));
