//! Captured screens: whatever stands in a pane, reading it ends, and its claims keep to their bounds and order.
//! The properties are those of `tests/corpus.rs`.
#![no_main]

#[path = "../../tests/corpus/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::screen(bytes));
