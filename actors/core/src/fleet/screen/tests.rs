use super::*;

fn any() -> Profile {
    let text = "version = 1\nname = \"x\"\n[[composer]]\nid = \"c\"\nshape = \"bare\"\nprompts = [\">\"]\n";
    let (profiles, errors) = Profiles::parse([("x.toml", text)]);
    assert!(errors.is_empty(), "{errors:?}");
    profiles.get("x").unwrap().clone()
}

#[test]
fn an_empty_screen_says_nothing() {
    let reading = read(&any(), &Shot::default());
    assert_eq!(reading, Reading::default());
}
