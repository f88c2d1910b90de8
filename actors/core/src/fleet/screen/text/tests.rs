use super::*;

fn texts(text: &str) -> Vec<String> {
    lines(text).iter().map(|l| l.text.to_string()).collect()
}

#[test]
fn blank_ends_are_taken_off() {
    assert_eq!(texts("a  \n\nb\n  \n\n"), ["a", "", "b"]);
    assert_eq!(texts(""), Vec::<String>::new());
}
