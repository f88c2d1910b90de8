//! Configurations as people write them, right and wrong.

use crate::command::Place;

#[test]
fn init_writes_what_means_the_defaults() {
    let place = Place::new();
    let done = place.tsup(&["init"]);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{}", done.err);
    let text = std::fs::read_to_string(place.path().join("tsup.toml")).unwrap();
    let settings = tsup_core::settings::source::parse("tsup.toml", &text, &[]).unwrap();
    assert_eq!(settings, tsup_core::settings::Settings::default());

    let again = place.tsup(&["init"]);
    assert_eq!(again.code, 5);
    assert!(again.err.contains("--force"), "{}", again.err);
    place.configure("[log]\n");
    assert_eq!(place.tsup(&["init", "--force"]).code, 0);
    assert_eq!(std::fs::read_to_string(place.path().join("tsup.toml")).unwrap(), text);
    assert_eq!(place.tsup(&["init", "--config", "other.toml"]).code, 0);
    assert_eq!(std::fs::read_to_string(place.path().join("other.toml")).unwrap(), text);
    assert_eq!(place.tsup(&["init", "--config", "no/folder/t.toml"]).code, 1);
}

#[test]
fn the_doctor_reads_the_configuration_too() {
    let place = Place::new();
    place.configure("[relaunch]\nperiod_seconds = \"long\"\n");
    let done = place.tsup(&["doctor", "--json"]);
    assert_eq!(done.code, 1);
    let report = done.json();
    let finding =
        report["findings"].as_array().unwrap().iter().find(|f| f["name"] == "configuration").unwrap();
    assert_eq!(finding["level"], "fix");
    assert!(finding["says"].as_str().unwrap().starts_with("tsup.toml:2:18: `relaunch.period_seconds`"));
}
