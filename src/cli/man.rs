//! `tsup man`.

use clap::CommandFactory;
use tsup_core::error::{Exit, UserError};

use super::{Cli, Cx, Outcome};

/// Prints the manual page of the command and, after it, one section for each verb.
pub fn run(cx: &Cx) -> Outcome {
    let mut text = Vec::new();
    let failed = |e: std::io::Error| UserError::new(Exit::Bug, format!("cannot write the manual page: {e}"));
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut text).map_err(failed)?;
    for verb in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        pages(verb, &mut text).map_err(failed)?;
    }
    cx.out.bytes(&text)?;
    Ok(Exit::Ok)
}

/// The synopsis, description and options of one verb and of the verbs under it.
fn pages(verb: &clap::Command, text: &mut Vec<u8>) -> std::io::Result<()> {
    let man = clap_mangen::Man::new(verb.clone());
    man.render_synopsis_section(text)?;
    man.render_description_section(text)?;
    if verb.get_arguments().any(|a| !a.is_hide_set()) {
        man.render_options_section(text)?;
    }
    for inner in verb.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        pages(inner, text)?;
    }
    Ok(())
}
