//! Filling packets with lines.

use super::feed::Item;

/// A packet: whole lines, and what they say.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// The lines, separated by line feeds.
    pub text: String,
    /// What stands in them.
    pub items: Vec<Item>,
}

impl Packet {
    /// How many lines it holds.
    pub fn lines(&self) -> u64 {
        count_lines(&self.text)
    }

    /// Sum of the counter increments in it.
    pub fn increments(&self) -> u64 {
        self.items.iter().map(Item::increments).sum()
    }
}

/// Lines in a text that does not end with a line feed.
pub fn count_lines(text: &str) -> u64 {
    if text.is_empty() { 0 } else { 1 + text.bytes().filter(|b| *b == b'\n').count() as u64 }
}

/// Packs written items in their order, each whole, into packets of at most `max_bytes`.
///
/// What is longer by itself comes back as the second value: it can never be sent.
pub fn pack(
    written: impl IntoIterator<Item = (Item, String)>,
    max_bytes: usize,
) -> (Vec<Packet>, Vec<(Item, String)>) {
    let (mut packets, mut too_long) = (Vec::<Packet>::new(), Vec::new());
    for (item, text) in written {
        if text.len() > max_bytes {
            too_long.push((item, text));
            continue;
        }
        match packets.last_mut() {
            Some(p) if p.text.len() + 1 + text.len() <= max_bytes => {
                p.text.push('\n');
                p.text.push_str(&text);
                p.items.push(item);
            }
            _ => {
                let mut whole = String::with_capacity(max_bytes);
                whole.push_str(&text);
                packets.push(Packet { text: whole, items: vec![item] });
            }
        }
    }
    (packets, too_long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_lost_split_or_too_long(lens in prop::collection::vec(1_usize..200, 0..200)) {
            let texts: Vec<String> = lens.iter().enumerate().map(|(i, n)| format!("{i}").repeat(*n)).collect();
            let written = texts.iter().enumerate().map(|(i, t)| (Item::count(i, 1), t.clone()));
            let (packets, refused) = pack(written, 150);
            prop_assert!(packets.iter().all(|p| p.text.len() <= 150 && p.lines() == p.items.len() as u64));
            let back: Vec<&str> = packets.iter().flat_map(|p| p.text.split('\n')).collect();
            let fitting: Vec<&str> = texts.iter().map(String::as_str).filter(|t| t.len() <= 150).collect();
            prop_assert_eq!(back, fitting);
            prop_assert_eq!(refused.len(), texts.iter().filter(|t| t.len() > 150).count());
            // Two neighbours that would fit into one packet never stand in two.
            let first_line = |p: &Packet| p.text.split('\n').next().map_or(0, str::len);
            let tight = packets.windows(2).all(|w| w[0].text.len() + 1 + first_line(&w[1]) > 150);
            prop_assert!(tight, "two neighbours that would fit into one packet never stand in two");
        }
    }
}
