//! The stack trace in what a script printed: Python's and Node's.

use crate::limits;
use crate::untrusted::Untrusted;

/// The last trace in `printed`, with the line that says what was thrown; the last that was thrown is why
/// the script ended.
pub fn find(printed: &str) -> Option<Untrusted> {
    python(printed).or_else(|| node(printed)).map(|trace| Untrusted::bounded(trace, limits::TRACE_BYTES_MAX))
}

/// The line that says what was thrown, of a trace that [`find`] found.
pub fn thrown(trace: &str) -> Option<&str> {
    let is_frame = |line: &&str| line.starts_with(char::is_whitespace) || line.starts_with("Traceback (");
    if trace.starts_with("Traceback (") {
        return trace.lines().rfind(|line| !line.trim().is_empty() && !is_frame(line)).map(str::trim);
    }
    trace.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("at "))
}

/// From `Traceback (most recent call last):` to the line behind its frames. Chained traces belong together.
fn python(printed: &str) -> Option<&str> {
    const HEAD: &str = "Traceback (most recent call last):";
    const CHAINED: [&str; 2] = [
        "\nDuring handling of the above exception, another exception occurred:\n",
        "\nThe above exception was the direct cause of the following exception:\n",
    ];
    let mut start = printed.rfind(HEAD)?;
    while let Some(chain) = CHAINED.iter().filter_map(|c| printed[..start].trim_end().rfind(c.trim())).max()
        && printed[chain..start].lines().filter(|l| !l.trim().is_empty()).count() == 1
        && let Some(before) = printed[..chain].rfind(HEAD)
    {
        start = before;
    }
    let last = printed.rfind(HEAD)?;
    let mut end = last;
    for line in printed[last..].split_inclusive('\n') {
        end += line.len();
        // The first line that is neither the head nor indented says what was thrown.
        if !line.starts_with(char::is_whitespace) && !line.starts_with(HEAD) {
            break;
        }
    }
    Some(printed[start..end].trim_end())
}

/// Lines that begin with `    at `, and the line above them.
fn node(printed: &str) -> Option<&str> {
    let mut lines: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    for line in printed.split_inclusive('\n') {
        lines.push((at, line));
        at += line.len();
    }
    let is_frame = |line: &str| line.trim_start().starts_with("at ") && line.starts_with("    ");
    let last = lines.iter().rposition(|(_, line)| is_frame(line))?;
    let first = lines[..=last].iter().rposition(|(_, line)| !is_frame(line))?;
    let end = lines[last].0 + lines[last].1.len();
    Some(printed[lines[first].0..end].trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn python_with_its_chain() {
        let text = "starting\nTraceback (most recent call last):\n  File \"x.py\", line 1, in <module>\n    \
                    int('a')\nValueError: bad\n\nDuring handling of the above exception, another exception \
                    occurred:\n\nTraceback (most recent call last):\n  File \"x.py\", line 3, in <module>\n    \
                    raise KeyError(1)\nKeyError: 1\nbye\n";
        let trace = find(text).unwrap();
        assert!(trace.raw().starts_with("Traceback") && trace.raw().ends_with("KeyError: 1"));
        assert!(trace.raw().contains("ValueError"), "{}", trace.raw());
        assert_eq!(thrown(trace.raw()), Some("KeyError: 1"));
    }

    #[test]
    fn node_with_its_message() {
        let text = "/x.js:1\nnull.a\n     ^\n\nTypeError: Cannot read properties of null (reading 'a')\n    at \
                    Object.<anonymous> (/x.js:1:6)\n    at Module._compile (node:internal:1:1)\n\nNode.js v20\n";
        let trace = find(text).unwrap();
        assert!(trace.raw().starts_with("TypeError") && trace.raw().ends_with("1:1)"));
        assert_eq!(thrown(trace.raw()), Some("TypeError: Cannot read properties of null (reading 'a')"));
        assert_eq!(find("look at that\nat all\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(parts in proptest::collection::vec(prop_oneof![
            Just("Traceback (most recent call last):\n".to_owned()),
            Just("\nDuring handling of the above exception, another exception occurred:\n".to_owned()),
            Just("    at x\n".to_owned()),
            ".{0,20}\n",
        ], 0..30)) {
            if let Some(trace) = find(&parts.concat()) {
                let _ = thrown(trace.raw());
            }
        }
    }
}
