//! The book's page of settings, made from the table of settings and from what the node changes while it runs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use strait_node::config::{Key, Section};
use strait_node::live::LiveSettings;

/// How a setting changes while the node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renewal {
    Request,
    Hangup,
    Restart,
}

impl Renewal {
    fn of(key: &Key) -> Self {
        if LiveSettings::asked_keys().contains(&key.path()) {
            Self::Request
        } else if LiveSettings::hangup_keys().contains(&key.path()) {
            Self::Hangup
        } else {
            Self::Restart
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Request => "by request and by `SIGHUP`",
            Self::Hangup => "by `SIGHUP` alone",
            Self::Restart => "by a restart",
        }
    }
}

fn keys() -> impl Iterator<Item = &'static Key> {
    Section::all().iter().flat_map(Section::keys)
}

/// Keys as a list that links to what is said of each.
fn links(of: impl Fn(&Key) -> bool) -> String {
    let links = keys().filter(|key| of(key)).map(|key| {
        // The book drops all but letters, digits, underscores and hyphens from a heading's anchor.
        format!("[`{}`](#{})", key.path(), key.path().replace('.', ""))
    });
    links.collect::<Vec<_>>().join(", ")
}

fn page() -> String {
    let mut page = String::from(
        "# Settings\n\nMade from the code (`crates/config/src/raw.rs`). Where a node reads its settings, and what changing them does, is in \
         [configuration](configuration.md).\n\nNumbers are whole and carry their unit in the name; \"1000 to 60000\" includes both ends. A key without \
         a value is left out of the file. The variable goes before the file, the flag before both.\n",
    );
    write!(
        page,
        "\n- Changed by request and by `SIGHUP`: {}.\n- Changed by `SIGHUP` alone: {}.\n- Every other takes a restart.\n- Files that hold secrets: \
         {}.\n",
        links(|key| Renewal::of(key) == Renewal::Request),
        links(|key| Renewal::of(key) == Renewal::Hangup),
        links(Key::is_secret),
    )
    .unwrap();
    for section in Section::all() {
        let title = match section.name() {
            "" => "Top level".to_owned(),
            name => format!("`[{name}]`"),
        };
        write!(page, "\n## {title}\n\n{}\n", section.about()).unwrap();
        section.keys().iter().for_each(|key| describe(&mut page, key));
    }
    page
}

fn describe(page: &mut String, key: &Key) {
    let (takes, default) = (key.takes(), key.default());
    let (variable, flag, renewal) = (key.variable(), key.flag(), Renewal::of(key).words());
    write!(
        page,
        "\n### `{}`\n\n{}\n\n- Takes {}. Default: {default}.\n- Changes {renewal}. Variable `{variable}`, flag `{flag}`.\n",
        key.path(),
        key.meaning(),
        takes.trim_end_matches(','),
    )
    .unwrap();
}

/// `STRAIT_GOLDEN=write cargo test -p strait --test it settings_page` rewrites it.
#[test]
fn the_page_of_settings_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
    let made = page();
    if std::env::var("STRAIT_GOLDEN").is_ok_and(|value| value == "write") {
        fs::write(&path, &made).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == made,
        "docs/settings.md is not what the code makes: STRAIT_GOLDEN=write cargo test -p strait --test it settings_page rewrites it"
    );
}

#[test]
fn flags_that_the_page_names_exist() {
    let help = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/help.txt");
    let help = fs::read_to_string(help).unwrap();
    for key in keys() {
        let flag = key.flag();
        let name = flag.split(' ').next().unwrap();
        assert!(help.contains(&format!("{name} <")), "{name} of {} is not in the help", key.path());
    }
}

#[test]
fn what_a_setting_says_is_whole_sentences() {
    for key in keys() {
        let meaning = key.meaning();
        assert!(meaning.ends_with('.') && meaning.len() > 10, "{}: {meaning}", key.path());
        assert!(!key.takes().is_empty() && !key.default().is_empty(), "{}", key.path());
    }
}
