//! Every input that is checked in under `fuzz/corpus` runs here, and every target is whole: a binary, a corpus, a floor.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use strait_fuzz::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The names in a folder of `fuzz/`, without the ending.
fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).expect("a folder");
    let names =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    names.map(|name| name.strip_suffix(ending).unwrap_or(&name).to_owned()).collect()
}

/// The inputs of one target, in the order of their names.
fn inputs(target: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(fuzz().join("corpus").join(target)).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

#[test]
fn no_input_of_any_corpus_breaks_a_promise() {
    for target in TARGETS {
        for path in inputs(target.name) {
            let bytes = fs::read(&path).unwrap();
            let kept = catch_unwind(|| (target.run)(&bytes));
            assert!(kept.is_ok(), "{} of {} breaks a promise", path.display(), target.name);
        }
    }
}

#[test]
fn every_target_has_a_binary_a_corpus_and_a_floor() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names("fuzz_targets", ".rs"), targets, "fuzz/fuzz_targets");
    assert_eq!(names("corpus", ""), targets, "fuzz/corpus");
    let floors: toml::Table =
        fs::read_to_string(fuzz().join("floors.toml")).unwrap().parse().unwrap();
    let floors: BTreeSet<String> = floors.keys().cloned().collect();
    assert_eq!(floors, targets, "fuzz/floors.toml");
}
