//! The commands of the book do what the book says.
//!
//! Goal: who follows getting started, the guide to locks, the contract and the tutorial sees what is written there. Method: the
//! `sh` blocks of those pages become one script, in the order in which a reader would type them. Paths and ports are replaced; what
//! never ends goes on in the background; where a reader would look before going on, the script waits. Commands of the other pages,
//! which need a machine, a cluster or a fault, are at least ones that the program takes.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser as _;
use clap::error::ErrorKind;
use strait_node::cli::Cli;

/// The pages' parts in reading order: page, the heading to begin at (none: the top), the heading to stop at (none: the end).
const COURSE: [(&str, &str, &str); 5] = [
    ("getting-started.md", "", "## The end"),
    ("locks.md", "## One channel", "## Names and states"),
    ("contracts.md", "## Running one", ""),
    ("tutorial.md", "", ""),
    ("getting-started.md", "## The end", ""),
];

/// The ports that the pages name.
const PORTS: [&str; 8] = ["18443", "9736", "9737", "9738", "9746", "9747", "9748", "8080"];

/// Ports that programs take by themselves, spelled out so that they can be replaced.
const SPELLED_OUT: [(&str, &str); 3] = [
    ("strait devnet ", "strait devnet --listen 127.0.0.1:18443 "),
    ("--example pay_per_call -- ", "--example pay_per_call -- --listen 127.0.0.1:8080 "),
    (
        "--example pay_and_call -- ",
        "--example pay_and_call -- --service 127.0.0.1:8080 --node http://127.0.0.1:9737 ",
    ),
];

/// What a reader sees before going on, as functions of the script.
const WAITS: &str = r#"
set -euo pipefail
PIDS=
trap 'kill $PIDS 2>/dev/null; wait' EXIT
until_true() { for _ in $(seq 600); do if "$@" >/dev/null 2>&1; then return; fi; sleep 0.1; done; echo "never true: $*"; exit 1; }
is_ready() { curl -sf "http://127.0.0.1:9738/health/ready" && curl -sf "http://127.0.0.1:9748/health/ready"; }
answers() { curl -s "http://127.0.0.1:8080/"; }
has_mempool() { rpc '{"method":"getrawmempool","params":[],"id":1}' | jq -e '.result != []'; }
is_connected() { alice --json peer list | jq -e '.peers[0].connection == "connected"'; }
has_followed() {
  local tip; tip=$(rpc '{"method":"getblockcount","params":[],"id":1}' | jq .result)
  [ "$(alice --json status | jq .chain.tip_height)" = "$tip" ] && [ "$(bob --json status | jq .chain.tip_height)" = "$tip" ] &&
    alice --json channel list | jq -e 'all(.channels[]; .phase != "awaiting_funding")' &&
    bob --json channel list | jq -e 'all(.channels[]; .phase != "awaiting_funding")'
}
is_held() { bob --json lock list --state held | jq -e '.locks[0].lock_id'; }
is_paid() { jq -e '[.accounts[].paid_msat] | add > 1000' /tmp/strait/book.json; }
"#;

/// The commands of `sh` blocks, continued lines joined.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut is_shell = false;
    let mut open = String::new();
    for line in page.lines() {
        if line.starts_with("```") {
            is_shell = !is_shell && line == "```sh";
        } else if is_shell && !line.trim().is_empty() {
            open.push_str(line);
            if line.ends_with('\\') {
                open.push('\n');
            } else {
                commands.push(std::mem::take(&mut open));
            }
        }
    }
    assert!(open.is_empty(), "a block ends within a command: {open}");
    commands
}

/// The part of a page between two headings.
fn part<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let start = page.find(from).unwrap_or_else(|| panic!("no heading {from}"));
    let rest = &page[start..];
    if to.is_empty() {
        rest
    } else {
        &rest[..rest.find(to).unwrap_or_else(|| panic!("no heading {to}"))]
    }
}

/// A command, and what its reader waits for before and after it.
fn with_waits(command: &str, examples: &Path) -> String {
    let ends_never = ["strait devnet", "strait node", "cargo run --example pay_per_call"]
        .iter()
        .any(|start| command.starts_with(start))
        || command.ends_with("--follow");
    let line = if ends_never {
        format!("{command} >> /tmp/strait.log 2>&1 & PIDS=\"$PIDS $!\"")
    } else {
        command.to_owned()
    };
    let (before, after) = match command {
        it if it.starts_with("strait devnet") => {
            ("", "until_true test -s /tmp/strait/devnet.cookie")
        }
        it if it.starts_with("alice status") => ("until_true is_ready", ""),
        it if it.starts_with("cargo run --example pay_per_call") => ("", "until_true answers"),
        it if it.starts_with("alice peer connect") => ("", "until_true is_connected"),
        it if it.starts_with("alice channel open") || it.starts_with("alice channel close") => {
            ("", "until_true has_mempool")
        }
        it if it.starts_with("mine ") || it.starts_with("reward ") => {
            ("", "until_true has_followed")
        }
        it if it.starts_with("LOCK=") => ("until_true is_held", ""),
        it if it.contains("/v1/payments") => ("", "until_true is_paid"),
        _ => ("", ""),
    };
    let line = SPELLED_OUT.iter().fold(line, |line, (short, long)| line.replace(short, long));
    let line = line.replace("cargo run --example ", &format!("{}/", examples.display()));
    let line =
        line.replace("pay_per_call --", "pay_per_call").replace("pay_and_call --", "pay_and_call");
    format!("{before}\nprintf '\\n$ %s\\n' {quoted}\n{line}\n{after}\n", quoted = quote(command))
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Replaces what the pages name by what this run has.
struct Place {
    folder: PathBuf,
    ports: Vec<u16>,
}

impl Place {
    fn new(folder: &Path) -> Self {
        // All are held until all are chosen: otherwise two could be one.
        let held = PORTS.map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let ports = held.map(|listener| listener.local_addr().unwrap().port()).to_vec();
        Self { folder: folder.to_owned(), ports }
    }

    fn put(&self, text: &str) -> String {
        let folder = self.folder.display().to_string();
        let mut text = text.replace("deploy/config/devnet.toml", "/tmp/strait.toml");
        // Marks in between: a port that was found may contain another's digits.
        for (index, port) in PORTS.iter().enumerate() {
            text = text.replace(port, &format!("@{index}@"));
        }
        for (index, port) in self.ports.iter().enumerate() {
            text = text.replace(&format!("@{index}@"), &port.to_string());
        }
        text.replace("/tmp/strait", &format!("{folder}/strait"))
    }
}

/// Runs the whole course in a folder; returns what it printed.
fn take_the_course(folder: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let strait = Path::new(env!("CARGO_BIN_EXE_strait"));
    let examples = strait.parent().unwrap().join("examples");
    let place = Place::new(folder);
    let config = fs::read_to_string(root.join("deploy/config/devnet.toml")).unwrap();
    fs::write(folder.join("strait.toml"), place.put(&config)).unwrap();
    let mut script = WAITS.to_owned();
    for (page, from, to) in COURSE {
        let text = fs::read_to_string(root.join("docs").join(page)).unwrap();
        for command in commands(part(&text, from, to)) {
            script.push_str(&with_waits(&command, &examples));
        }
    }
    let script = place.put(&script);
    let file = folder.join("course.sh");
    fs::write(&file, script).unwrap();
    let path = format!("{}:{}", strait.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .arg(&file)
        .current_dir(&root)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = String::from_utf8_lossy(&output.stderr);
    let log = fs::read_to_string(folder.join("strait.log")).unwrap_or_default();
    assert!(output.status.success(), "{said}\n{words}\n{log}");
    said
}

/// What the commands that begin so printed, one after the other.
fn answers<'a>(said: &'a str, command: &str) -> Vec<&'a str> {
    let answers = said.split("\n$ ").filter(|block| block.starts_with(command));
    answers.map(|block| block.split_once('\n').map_or("", |(_, answer)| answer.trim())).collect()
}

#[test]
fn who_follows_the_book_sees_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let said = take_the_course(folder.path());
    for (command, nth, expect) in [
        ("alice wallet balance", 0, "10000000000"),
        ("bob channel show", 0, "4000000"),
        ("alice lock list", 0, "claimed"),
        ("bob contract show", 0, "250"),
        ("cargo run --example pay_and_call", 0, "144"),
        ("curl -s -H \"X-Channel", 0, "{\"credit_msat\":0,\"price_msat\":1000}"),
        ("curl -s -H \"X-Channel", 1, "169"),
        ("alice channel show", 0, "closed"),
    ] {
        let answers = answers(&said, command);
        let answer = answers.get(nth).unwrap_or_else(|| panic!("{command} was not run: {said}"));
        assert!(answer.contains(expect), "{command} said {answer}, not {expect}");
    }
    let paid = answers(&said, "curl -s -H \"Authorization: Bearer $TOKEN\"");
    assert_eq!(paid[0], paid[1], "a payment that is asked for twice is one payment");
}

/// Every command of the program on a page, in blocks and in lines, as words.
fn commands_named(page: &str) -> Vec<Vec<String>> {
    let blocks = commands(page);
    let outside = page.split("```").step_by(2).collect::<String>();
    let lines = outside.split('`').skip(1).step_by(2).map(str::to_owned);
    let mut named = Vec::new();
    for text in blocks.into_iter().chain(lines) {
        // A command may stand within another, or behind one.
        for part in text.replace("\\\n", " ").split(['|', ';', '(', ')', '>', '<', '&', '#']) {
            let words: Vec<String> = part.split_whitespace().map(str::to_owned).collect();
            let program =
                words.iter().position(|word| ["strait", "alice", "bob"].contains(&&**word));
            let Some(program) = program else { continue };
            let runs_it = words[..program].iter().all(|word| {
                ["sudo", "-u", "exec", "docker", "--", "kubectl"].contains(&&**word)
                    || word == "strait"
                    || word.starts_with("NAME")
            });
            // `docker exec strait backup.sh …`: the script within a container of that name.
            let runs_script = words.get(program + 1).is_some_and(|word| word.ends_with(".sh"));
            if runs_it && !runs_script && words.len() > program + 1 {
                named.push(words[program..].to_vec());
            }
        }
    }
    named
}

/// All pages of the book, and the one before it.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "docs/runbooks", "docs/protocol", "docs/adr"] {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    pages
}

#[test]
fn every_command_of_the_book_is_one_that_the_program_has() {
    let mut seen = 0;
    for page in pages() {
        for words in commands_named(&fs::read_to_string(&page).unwrap()) {
            // `strait strait …`: the program within a container of that name.
            let words = if words[1] == "strait" { &words[1..] } else { &words[..] };
            let words: Vec<&str> =
                words.iter().map(|word| word.trim_matches(['"', '\''])).collect();
            seen += 1;
            let Err(error) = Cli::try_parse_from(&words) else { continue };
            // What stands for a value, or is left out, is for the reader to fill in.
            let is_wrong =
                matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand);
            assert!(!is_wrong, "{}: {}: {error}", page.display(), words.join(" "));
        }
    }
    assert!(seen > 100, "only {seen} commands were found");
}
