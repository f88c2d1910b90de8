//! `tsup man`.

use clap::{Arg, Command, CommandFactory};
use clap_mangen::Man;
use tsup_core::error::{Exit, UserError};

use super::{Cli, Cx, Outcome};

/// What stands at the end of the page.
const TAIL: &str = r".SH EXIT STATUS
0 done, 1 it did not succeed, 2 usage or configuration, 3 no supervisor answers, 4 no such thing,
5 refused, 6 timed out waiting, 70 a bug in tsup.
.SH FILES
.TP
\fItsup.toml\fR, \fI~/.config/tsup/tsup.toml\fR
configuration; \fBtsup init\fR writes one
.TP
\fI~/.local/state/tsup\fR
home of the supervisor: control socket, lock, database, logs
.SH ENVIRONMENT
.TP
\fBTSUP_HOME\fR, \fBTSUP_SOCKET\fR
home and control socket
.TP
\fBTSUP_\fISECTION\fB__\fIKEY\fR
overrides a key of the configuration
.TP
\fBMETACLAUDE_METRICS_HOST\fR, \fBMETACLAUDE_METRICS_PORT\fR
StatsD target
.TP
\fBRUST_LOG\fR
what the supervisor logs
.TP
\fBNO_COLOR\fR
no colours
";

/// Prints the manual page: the command, then each verb with what it takes.
pub fn run(cx: &Cx) -> Outcome {
    let mut command = Cli::command();
    command.build();
    let mut text = Vec::new();
    head(&command, &mut text)
        .map_err(|e| UserError::new(Exit::Bug, format!("cannot write the manual page: {e}")))?;
    let mut body = ".SH VERBS\n".to_owned();
    verbs(&command, &mut body);
    text.extend_from_slice(body.as_bytes());
    text.extend_from_slice(TAIL.as_bytes());
    cx.out.bytes(&text)?;
    Ok(Exit::Ok)
}

fn head(command: &Command, text: &mut Vec<u8>) -> std::io::Result<()> {
    let man = Man::new(command.clone());
    man.render_title(text)?;
    man.render_name_section(text)?;
    man.render_synopsis_section(text)?;
    man.render_options_section(text)
}

fn verbs(command: &Command, text: &mut String) {
    for verb in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        if verb.has_subcommands() {
            verbs(verb, text);
            continue;
        }
        let name = verb.get_bin_name().unwrap_or(verb.get_name());
        let takes: Vec<&Arg> = verb.get_arguments().filter(|a| is_its_own(a)).collect();
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        text.extend([".SS ", &escape(name), "\n", &escape(&about), ".\n"]);
        for arg in takes {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            text.extend([".TP\n\\fB", &escape(&arg.to_string()), "\\fR\n", &escape(&help), "\n"]);
        }
    }
}

/// Whether an argument belongs to the verb, not to all of them.
fn is_its_own(arg: &Arg) -> bool {
    !arg.is_global_set() && !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version")
}

/// A text as roff takes it: hyphens stay hyphens, nothing at the start of a line is a request.
fn escape(text: &str) -> String {
    let plain = text.replace('\\', "\\e").replace('-', "\\-");
    if plain.starts_with(['.', '\'']) { format!("\\&{plain}") } else { plain }
}
