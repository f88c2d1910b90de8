//! The fuzzers' corpus, replayed: what once was a hostile input stays harmless.

#[path = "corpus/properties.rs"]
mod properties;

fn each(folder: &str, check: impl Fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder);
    let mut files = 0;
    for file in std::fs::read_dir(&folder).expect("the corpus is there") {
        let path = file.expect("an entry").path();
        check(&std::fs::read(&path).expect("a readable file"));
        files += 1;
    }
    assert!(files >= 8, "{files} files in {}", folder.display());
}

#[test]
fn the_corpus_of_control_mode_is_harmless() {
    each("protocol", properties::protocol);
}

#[test]
fn the_corpus_of_listings_is_harmless() {
    each("listing", properties::listing);
}

#[test]
fn the_corpus_of_screens_is_harmless() {
    each("screen", properties::screen);
}

#[test]
fn the_corpus_of_profiles_is_harmless() {
    each("profile", properties::profile);
}

#[test]
fn the_corpus_of_transcripts_is_harmless() {
    each("transcript", properties::transcript);
}
