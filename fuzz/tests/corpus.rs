//! Every input that was kept, among them each that ever broke a promise, with an ordinary build.

use std::fs;
use std::path::Path;

use dirql_fuzz::TARGETS;

#[test]
fn what_was_kept_breaks_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, run) in TARGETS {
        let mut inputs: Vec<_> =
            fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name}");
        for input in inputs {
            eprintln!("{name} {}", input.display());
            run(&fs::read(&input).unwrap());
        }
    }
    dirql_fuzz::end();
}

#[test]
fn every_directory_is_a_targets() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in fs::read_dir(corpus).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(dirql_fuzz::target(&name).is_some(), "{name}");
    }
}
