//! The octal escapes of `%output`.

/// Undoes tmux's escapes: a backslash and three octal digits stand for one byte, and tmux writes every
/// control byte and the backslash itself so. What is no such escape stays as it is.
pub fn unescape(escaped: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&first, tail)) = rest.split_first() {
        if let (b'\\', Some(byte)) = (first, octal(tail)) {
            out.push(byte);
            rest = &tail[3..];
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

fn octal(digits: &[u8]) -> Option<u8> {
    let &[a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] = digits else { return None };
    Some((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'))
}
