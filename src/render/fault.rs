//! An error of a verb as a document.

use std::collections::BTreeMap;

use serde::Serialize;
use tsup_core::error::UserError;
use tsup_core::tes::failure::Category;
use tsup_core::wire::doc::VERSION;

/// What `--json` prints when a verb could not do what it was asked.
#[derive(Debug, Serialize)]
pub struct FaultDoc<'a> {
    version: u32,
    error: Fault<'a>,
}

/// What went wrong, in the shape of a job's error, so that a reader of one can read the other.
#[derive(Debug, Serialize)]
pub struct Fault<'a> {
    category: Option<Category>,
    message: &'a str,
    context: BTreeMap<&'static str, u8>,
    suggestions: Vec<&'a str>,
    stack_trace: Option<&'a str>,
    retry: Option<&'a str>,
    retry_after_seconds: Option<f64>,
}

impl<'a> FaultDoc<'a> {
    /// The document of an error.
    pub fn of(error: &'a UserError) -> Self {
        FaultDoc { version: VERSION, error: Fault::of(error) }
    }
}

impl<'a> Fault<'a> {
    /// An error as part of a document.
    pub fn of(error: &'a UserError) -> Self {
        Fault {
            category: None,
            message: &error.what,
            context: BTreeMap::from([("exit_code", error.exit.code())]),
            suggestions: error.hint.iter().map(String::as_str).collect(),
            stack_trace: None,
            retry: None,
            retry_after_seconds: error.retry_after.map(|after| after.as_secs_f64()),
        }
    }
}
