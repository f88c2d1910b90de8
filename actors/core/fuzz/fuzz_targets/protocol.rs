//! Control mode in any pieces: nothing panics, nothing grows without bound, and how the bytes were cut
//! changes nothing. The properties are those of `tests/corpus.rs`.
#![no_main]

#[path = "../../tests/corpus/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::protocol(bytes));
