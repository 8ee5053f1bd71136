//! Each rule on the smallest tree that breaks it and on one that does not.

use super::*;

/// The rules that `tree` breaks, in order.
fn check(tree: &[(&str, &str)], expect: &[Rule]) {
    let files: Vec<_> = tree
        .iter()
        .map(|(path, text)| TextFile { path: (*path).into(), text: (*text).into() })
        .collect();
    let findings = find(&files);
    let rules: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, expect, "{findings:?}");
}

/// As [`check`], of a crate with this one file.
fn check_lib(text: &str, expect: &[Rule]) {
    check(&[("crates/a/src/lib.rs", text)], expect);
}

#[test]
fn a_file_opens_with_a_header() {
    check_lib("//! What lives here.\n", &[]);
    check_lib("\n//! What lives here.\n", &[]);
    check_lib("fn f() {}\n", &[Rule::Header]);
    check_lib("// A note.\n", &[Rule::Header]);
}

#[test]
fn a_file_stops_at_600_lines_without_its_tests() {
    let header = "//! Header.\n";
    let tests = "#[cfg(test)]\nmod tests {\n}\n";
    check_lib(&format!("{header}{}", "\n".repeat(599)), &[]);
    check_lib(&format!("{header}{}", "\n".repeat(600)), &[Rule::FileLength]);
    check_lib(&format!("{header}{}{tests}", "\n".repeat(599)), &[]);
    check_lib(&format!("{header}{tests}{}", "\n".repeat(600)), &[]);
    let long = format!("{header}{}", "\n".repeat(600));
    check(&[("crates/a/tests/it/main.rs", &long)], &[]);
}

#[test]
fn file_names_say_what_is_inside() {
    let declares = "//! Header.\nmod utils;\nmod penalty;\n";
    check(
        &[("crates/a/src/lib.rs", declares), ("crates/a/src/utils.rs", "//! Header.\n")],
        &[Rule::FileName],
    );
    check(&[("crates/a/src/lib.rs", declares), ("crates/a/src/penalty.rs", "//! Header.\n")], &[]);
    // The name of a crate is not inside it.
    check(&[("crates/types/src/lib.rs", "//! Header.\n")], &[]);
}

#[test]
fn every_file_belongs_to_a_module() {
    let child = ("crates/a/src/b/c.rs", "//! Header.\n");
    check(&[("crates/a/src/b.rs", "//! H.\nmod c;\n"), child], &[Rule::DeadFile]);
    let lib = ("crates/a/src/lib.rs", "//! H.\npub mod b;\n");
    check(&[("crates/a/src/b.rs", "//! H.\nmod c;\n"), child, lib], &[]);
    check(&[("crates/a/src/b.rs", "//! H.\n// mod c;\n"), child, lib], &[Rule::DeadFile]);
    check(&[("crates/a/benches/round.rs", "//! H.\n")], &[]);
}

#[test]
fn code_is_judged_and_strings_are_not() {
    for (code, expect) in [
        ("fn get_fee() {}", vec![Rule::Getter]),
        ("fn fee() -> &str { \"fn get_fee\" }", vec![]),
        ("#[ignore = \"slow\"]", vec![Rule::IgnoredTest]),
        ("pub use amount::*;", vec![Rule::Glob]),
        ("pub use amount::Sats;", vec![]),
        ("#[error(\"it broke\")]\nBroken(String),", vec![Rule::StringError]),
        ("#[error(\"it broke\")]\nBroken { at: u64 },", vec![]),
        ("Named(String),", vec![]),
    ] {
        check_lib(&format!("//! Header.\n{code}\n"), &expect);
    }
}

#[test]
fn work_left_to_do_has_a_class_and_a_number() {
    for (comment, expect) in [
        ("// TODO-security(#12): check the bound", vec![]),
        ("// TODO: check the bound", vec![Rule::Marker]),
        ("// TODO-(#12)", vec![Rule::Marker]),
        ("// TODO-security(#)", vec![Rule::Marker]),
        ("// TODO-security(#12), TODO", vec![Rule::Marker]),
        ("/* FIXME */", vec![Rule::Marker]),
        ("// the word `FIXME` is talked about", vec![]),
    ] {
        check_lib(&format!("//! Header.\n{comment}\n"), &expect);
    }
}

#[test]
fn shell_scripts_stop_at_the_first_error() {
    check(&[("a.sh", "#!/bin/sh\n# About.\n\nset -euo pipefail\n")], &[]);
    check(&[("a.sh", "cd /\nset -euo pipefail\n")], &[Rule::ShellOptions]);
    check(&[(".ci/run", "#!/usr/bin/env bash\nset -e\n")], &[Rule::ShellOptions]);
    check(&[(".ci/run", "not a script\n")], &[]);
}

#[test]
fn links_lead_somewhere() {
    let page = ("docs/a.md", "[b](../README.md) [c](#here) [d](https://example.org/x)\n# Here\n");
    let summary = ("docs/SUMMARY.md", "[a](a.md)");
    check(&[page, summary, ("README.md", "[docs](docs/)")], &[]);
    check(&[page, summary], &[Rule::Link]);
    let lost = ("docs/a.md", "[c](#gone) [d](SUMMARY.md#gone)\n# Here\n");
    check(&[lost, summary], &[Rule::Link, Rule::Link]);
    check(&[("README.md", "`[a](b.md)`\n```\n[a](b.md)\n```\n")], &[]);
}

#[test]
fn the_book_lists_every_page() {
    let page = ("docs/a.md", "A page.");
    check(&[page, ("docs/SUMMARY.md", "[a](./a.md)")], &[]);
    check(&[page, ("docs/SUMMARY.md", "Nothing.")], &[Rule::Summary]);
}

#[test]
fn an_exception_excuses_one_rule_of_one_file_and_must_be_needed() {
    let files = [TextFile { path: "crates/a/src/lib.rs".into(), text: "fn get_a() {}\n".into() }];
    let exceptions = |text: &str| toml::from_str::<Exceptions>(text).unwrap();
    let header = "[[exception]]\npath = 'crates/a/src/lib.rs'\nrule = 'header'\n";

    let needed = exceptions(&format!("{header}reason = 'generated'\n"));
    let left: Vec<_> = except(find(&files), &needed).iter().map(|finding| finding.rule).collect();
    assert_eq!(left, [Rule::Getter]);

    let unexplained = exceptions(&format!("{header}reason = ' '\n"));
    let left: Vec<_> = except(find(&files), &unexplained).iter().map(|found| found.rule).collect();
    assert_eq!(left, [Rule::Getter, Rule::Exception]);

    let unneeded = except(Vec::new(), &needed);
    assert_eq!(unneeded.len(), 1);
    assert!(toml::from_str::<Exceptions>("[[exception]]\nrule = 'beauty'\n").is_err());
}

#[test]
fn a_tree_on_disk_is_read_without_what_is_not_ours() {
    let root = tempfile::tempdir().unwrap();
    for path in ["src", "target", ".git"] {
        fs::create_dir(root.path().join(path)).unwrap();
        fs::write(root.path().join(path).join("a.rs"), "fn f() {}\n").unwrap();
    }
    fs::write(root.path().join("module.wasm"), [0xff, 0xfe]).unwrap();
    let paths: Vec<_> = read_tree(root.path()).unwrap().into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["module.wasm", "src/a.rs"], "what is no text can be linked to");
}
