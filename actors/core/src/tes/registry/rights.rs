//! What a script may do, and what it is shut in with.

use super::fields::{Fields, Found};
use crate::tes::script::{Level, Permissions, Security};
use crate::tes::value::shown;

/// What it may do.
pub(super) fn permissions(x: &mut Fields<'_>, found: &mut Found) -> Permissions {
    let mut p = Permissions::default();
    for (n, word) in x.texts("permissions", found).iter().enumerate() {
        match word.as_str() {
            "read_file" => p.read = true,
            // The original's validator calls it `file`.
            "write_file" | "file" => (p.read, p.write) = (true, true),
            "network" => p.network = true,
            "env_vars" => p.env = true,
            "none" => {}
            "execute" | "system" => {
                let what = format!("execution.permissions[{n}]: `{word}` grants nothing here");
                found.push((what, false));
            }
            other => {
                let what = format!(
                    "execution.permissions[{n}]: there is no permission `{}`: use read_file, write_file, network or env_vars",
                    other.escape_default()
                );
                found.push((what, true));
            }
        }
    }
    p
}

/// What it is shut in with.
pub(super) fn security(f: &mut Fields<'_>, permissions: &mut Permissions, found: &mut Found) -> Security {
    let mut s = Fields::of(f.value("security"), "security", found);
    let level = match s.text("sandbox", found) {
        None | Some("standard") => Level::Standard,
        Some("minimal" | "none") => Level::Minimal,
        Some("strict") => Level::Strict,
        Some("network") => Level::Network,
        Some(other) => {
            let what = format!(
                "security.sandbox: there is no level `{}`: use minimal, standard, strict or network",
                other.escape_default()
            );
            found.push((what, true));
            Level::Strict
        }
    };
    let open = s.flag("network_access", found).unwrap_or(false) || level == Level::Network;
    permissions.network |= open;
    let max_memory_bytes = match s.value("max_memory") {
        None => None,
        Some(value) => {
            let bytes = value.as_u64().filter(|n| *n > 0).or_else(|| value.as_str().and_then(bytes));
            if bytes.is_none() {
                let what =
                    format!("security.max_memory: expected a size as in \"512MB\", found {}", shown(value));
                found.push((what, true));
            }
            bytes
        }
    };
    let security = Security {
        level,
        max_memory_bytes,
        max_processes: s.whole("max_processes", 1..=u32::MAX.into(), found).map(|n| n as u32),
        allowed_hosts: s.texts("allowed_hosts", found),
        outside_root: s.flag("outside_root", found).unwrap_or(false),
    };
    s.unknown(found);
    security
}

/// A size with its unit; the original's MB and GB are powers of 1,024.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit: f64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = number * unit;
    (bytes >= 1.0 && bytes <= 2f64.powi(53)).then_some(bytes as u64)
}
