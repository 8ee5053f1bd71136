//! Sealing and opening as a whole, and files that the standard tool wrote.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::{
    Identities, IdentityError, OpenError, OpenWith, Passphrase, PassphraseError, Recipient,
    RecipientError, SealError, SealTo, SecretFileError, is_sealed, open, open_bytes, seal,
    seal_bytes,
};

/// Bytes of a chunk of the format.
const CHUNK: usize = 64 * 1024;

/// A folder for the secrets of one test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, mode: u32, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn passphrase(&self, content: &str) -> Result<Passphrase, PassphraseError> {
        Passphrase::from_file(&self.file("passphrase", 0o600, content))
    }
}

/// Bytes that do not repeat where chunks do.
fn pattern(length: usize) -> Vec<u8> {
    (0_u32..).map(|at| (at % 251).to_le_bytes()[0]).take(length).collect()
}

#[test]
fn what_is_sealed_to_a_passphrase_is_opened_with_it_and_with_no_other() {
    let folder = Folder::new();
    let right = folder.passphrase("correct horse\n").unwrap();
    let wrong = folder.passphrase("correct  horse\n").unwrap();
    let sealed = seal_bytes(b"twelve words", SealTo::Passphrase(&right)).unwrap();
    assert!(is_sealed(&sealed));
    assert!(!sealed.windows(6).any(|bytes| bytes == b"twelve"));
    let opened = open_bytes(&sealed, OpenWith::Passphrase(&right)).unwrap();
    assert_eq!(opened.as_slice(), b"twelve words");
    let refused = open_bytes(&sealed, OpenWith::Passphrase(&wrong)).unwrap_err();
    assert!(matches!(refused, OpenError::WrongPassphrase));
    let refused = open_bytes(&sealed, OpenWith::Identities(&Identities::generate())).unwrap_err();
    assert!(matches!(refused, OpenError::NeedsPassphrase));
}

#[test]
fn each_of_several_recipients_opens_and_a_stranger_does_not() {
    let (alice, bob, carol) =
        (Identities::generate(), Identities::generate(), Identities::generate());
    let recipients = [alice.recipients(), bob.recipients()].concat();
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
        let plain = pattern(length);
        let sealed = seal_bytes(&plain, SealTo::Recipients(&recipients)).unwrap();
        for holder in [&alice, &bob] {
            let opened = open_bytes(&sealed, OpenWith::Identities(holder)).unwrap();
            assert!(*opened == plain, "{length} bytes");
        }
        let refused = open_bytes(&sealed, OpenWith::Identities(&carol)).unwrap_err();
        assert!(matches!(refused, OpenError::WrongIdentity));
    }
    let refused = seal_bytes(b"x", SealTo::Recipients(&[])).unwrap_err();
    assert!(matches!(refused, SealError::NoRecipient));
}

#[test]
fn a_file_that_is_cut_anywhere_or_changed_anywhere_is_never_taken_for_whole() {
    let holder = Identities::generate();
    let plain = pattern(2 * CHUNK + 100);
    let sealed = seal_bytes(&plain, SealTo::Recipients(&holder.recipients())).unwrap();
    let body = sealed.len() - plain.len() - 3 * 16;
    // Every place of the header, the borders of the chunks, and some places within.
    let chunks = [0, 1, CHUNK + 15, CHUNK + 16, CHUNK + 17, 2 * (CHUNK + 16), 2 * CHUNK + 60];
    let places = (0..body).chain(chunks.into_iter().map(|place| body + place));
    for place in places {
        let cut = open_bytes(&sealed[..place], OpenWith::Identities(&holder)).unwrap_err();
        assert!(
            matches!(cut, OpenError::Damaged | OpenError::NotSealed),
            "cut at {place}: {cut:?}"
        );
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        let error = open_bytes(&changed, OpenWith::Identities(&holder)).unwrap_err();
        assert!(!matches!(error, OpenError::Io(_)), "changed at {place}: {error:?}");
    }
    let longer = [sealed.as_slice(), b"x"].concat();
    let error = open_bytes(&longer, OpenWith::Identities(&holder)).unwrap_err();
    assert!(matches!(error, OpenError::Damaged));
}

/// Gives and counts bytes, and keeps none.
struct Endless {
    left: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.left).min(7777);
        buffer[..count].fill(0xa5);
        self.left -= count;
        Ok(count)
    }
}

#[test]
fn a_large_file_streams_through_a_pipe_that_holds_little_of_it() {
    let holder = Identities::generate();
    let recipients = holder.recipients();
    let length = 32 * 1024 * 1024;
    let (reader, writer) = io::pipe().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut sealing = seal(writer, SealTo::Recipients(&recipients)).unwrap();
            io::copy(&mut Endless { left: length }, &mut sealing).unwrap();
            sealing.finish().unwrap();
        });
        let mut opened = open(reader, OpenWith::Identities(&holder)).unwrap();
        let count = io::copy(&mut opened, &mut io::sink()).unwrap();
        assert_eq!(count, u64::try_from(length).unwrap());
    });
}

#[test]
fn a_writer_that_fails_fails_the_sealing() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let recipients = Identities::generate().recipients();
    let error = seal(Full, SealTo::Recipients(&recipients)).unwrap_err();
    assert!(matches!(error, SealError::Io(_)));
}

#[test]
fn what_is_no_sealed_file_is_said_to_be_none() {
    let folder = Folder::new();
    let passphrase = folder.passphrase("x").unwrap();
    for content in [&b""[..], b"age", b"SQLite format 3\0", b"abandon abandon ability"] {
        let error = open_bytes(content, OpenWith::Passphrase(&passphrase)).unwrap_err();
        assert!(matches!(error, OpenError::NotSealed), "{content:?}");
    }
    let sealed = seal_bytes(b"x", SealTo::Recipients(&Identities::generate().recipients()));
    let error = open_bytes(&sealed.unwrap(), OpenWith::Passphrase(&passphrase)).unwrap_err();
    assert!(matches!(error, OpenError::NeedsIdentity));
}

#[test]
fn a_passphrase_is_one_line_that_others_cannot_read() {
    let folder = Folder::new();
    for (content, right) in [("a b", true), ("a b\n", true), ("a b\r\n", true), (" \n", false)] {
        assert_eq!(folder.passphrase(content).is_ok(), right, "{content:?}");
    }
    assert!(matches!(folder.passphrase("").unwrap_err(), PassphraseError::Empty { .. }));
    assert!(matches!(folder.passphrase("a\nb\n").unwrap_err(), PassphraseError::Lines { .. }));
    let long = folder.passphrase(&"x".repeat(1025)).unwrap_err();
    assert!(matches!(long, PassphraseError::TooLong { limit: 1024, actual: 1025, .. }));
    let large = folder.passphrase(&"x".repeat(20_000)).unwrap_err();
    assert!(matches!(large, PassphraseError::File(SecretFileError::TooLarge { .. })));
    let readable = Passphrase::from_file(&folder.file("open", 0o644, "secret")).unwrap_err();
    assert!(matches!(
        readable,
        PassphraseError::File(SecretFileError::Readable { mode: 0o644, .. })
    ));
}

#[test]
fn identities_are_files_as_the_standard_tool_writes_them() {
    let folder = Folder::new();
    let made = Identities::generate();
    let text = format!("# created: 2026-11-21T00:00:00Z\n{}\n", made.expose_text().as_str());
    let read = Identities::from_file(&folder.file("keys", 0o600, &text)).unwrap();
    assert_eq!(read.recipients(), made.recipients());
    let error = Identities::from_file(&folder.file("none", 0o600, "# nothing\n")).unwrap_err();
    assert!(matches!(error, IdentityError::Empty { .. }));
    let error = Identities::from_file(&folder.file("odd", 0o600, "\nage1xyz\n")).unwrap_err();
    assert!(matches!(error, IdentityError::Syntax { line: 2, .. }));
    let sealed = "age-encryption.org/v1\n-> scrypt";
    let error = Identities::from_file(&folder.file("sealed", 0o600, sealed)).unwrap_err();
    assert!(matches!(error, IdentityError::Sealed { .. }));
    let error = Identities::from_file(&folder.file("shown", 0o640, &text));
    // Whoever runs the tests as root owns a file that its group may read, which is how one is mounted.
    assert!(error.is_ok() || matches!(error, Err(IdentityError::File(_))));
}

#[test]
fn a_recipient_is_told_from_a_secret_and_from_noise() {
    let holder = Identities::generate();
    let [recipient]: [Recipient; 1] = holder.recipients().try_into().unwrap();
    assert_eq!(recipient.to_string().parse::<Recipient>().unwrap(), recipient);
    let text = holder.expose_text();
    let secret = text.lines().nth(1).unwrap();
    assert_eq!(secret.parse::<Recipient>().unwrap_err(), RecipientError::Secret);
    assert!(matches!("age1".parse::<Recipient>(), Err(RecipientError::Syntax { .. })));
}

#[test]
fn nothing_secret_is_printed() {
    let folder = Folder::new();
    let passphrase = folder.passphrase("correct horse").unwrap();
    let holder = Identities::generate();
    let text = holder.expose_text();
    let secret = text.lines().nth(1).unwrap();
    let printed = format!("{passphrase:?} {holder:?} {:?}", OpenWith::Passphrase(&passphrase));
    assert!(!printed.contains("horse") && !printed.contains(secret));
}
