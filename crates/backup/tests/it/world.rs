//! A log that a node could have written, in a folder of its own, and its fold at every place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use strait_backup::{Manifest, OpenKey, Order, SealKey, TakeError, Way, take};
use strait_engine::Event;
use strait_log::EventStore;
use strait_primitives::{EventSeq, ModuleHash, Timestamp};
use strait_signer::{Seed, SeedWords};
use strait_store::{Fold, StateHash, encode, encode_snapshot};
use strait_store_sqlite::{DirectoryLock, Options, Reader, SqliteStore};
use strait_wallet::{Account, AddressGap, BlockPoint, Wallet};
use tempfile::TempDir;

/// The words of a seed of zeros.
const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
    abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
    abandon art";
/// The words of another.
const OTHER_WORDS: &str = "legal winner thank year wave sausage worth useful legal winner thank year \
    wave sausage worth useful legal winner thank year wave sausage worth title";

/// A module that lies beside the log.
pub(crate) const MODULE: &[u8] = b"what a contract would run";

/// Now, whenever that is.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

/// The log, open for writing.
pub(crate) struct Log {
    folder: TempDir,
    store: SqliteStore,
    fold: Fold,
    /// The hash of the state after each event.
    pub(crate) hashes: BTreeMap<EventSeq, StateHash>,
}

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Alice,
    Bob,
}

impl Log {
    /// A log with its first event.
    pub(crate) fn new(owner: Owner) -> Self {
        Self::with_history(owner, None)
    }

    /// As [`Log::new`], which forgets its past beyond so many bytes.
    pub(crate) fn with_history(owner: Owner, history_bytes_max: Option<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let options = Options { history_bytes_max, ..Options::default() };
        let store = SqliteStore::open(&data_dir, options).unwrap();
        let fold = Fold::start();
        let mut log = Self { folder, store, fold, hashes: BTreeMap::new() };
        fs::create_dir(log.data_dir().join("modules")).unwrap();
        let name = format!("{}.wasm", "8e".repeat(32));
        fs::write(log.data_dir().join("modules").join(name), b"no module: another hash").unwrap();
        let name = format!("{}.wasm", bitcoin_hash(MODULE));
        fs::write(log.data_dir().join("modules").join(name), MODULE).unwrap();
        let words = match owner {
            Owner::Alice => WORDS,
            Owner::Bob => OTHER_WORDS,
        };
        log.append(vec![first_event(words)]);
        log
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A path beside the node's folder.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::new(&self.data_dir())
    }

    pub(crate) fn head(&self) -> EventSeq {
        self.store.head()
    }

    /// Appends so many events in one batch.
    pub(crate) fn grow(&mut self, events: u64) {
        let head = self.head().to_u64();
        let event = |number: u64| {
            let mut module = [0; 32];
            module[..8].copy_from_slice(&number.to_le_bytes());
            Event::ModuleAdded { module: ModuleHash::from_bytes(module), size_bytes: 9 }
        };
        self.append((head + 1..=head + events).map(event).collect());
    }

    /// Keeps a snapshot of where the log is.
    pub(crate) fn snapshot(&mut self) {
        self.store.put_snapshot(&encode_snapshot(self.fold.state(), self.fold.at())).unwrap();
    }

    fn append(&mut self, events: Vec<Event>) {
        let mut records = Vec::new();
        for event in events {
            let seq = self.fold.at().next();
            let record =
                encode(&event, seq, Timestamp::from_unix_ms(NOW.to_unix_ms() + seq.to_u64()));
            self.fold.apply(&record).unwrap();
            self.hashes.insert(seq, self.fold.hash());
            records.push(record);
        }
        self.store.append_batch(&records).unwrap();
    }

    /// Takes a backup.
    pub(crate) fn back_up(&self, name: &str, seal: &SealKey) -> Result<Manifest, TakeError> {
        self.back_up_after(name, seal, None)
    }

    /// Takes a backup that must continue another.
    pub(crate) fn back_up_after(
        &self,
        name: &str,
        seal: &SealKey,
        not_behind: Option<&Manifest>,
    ) -> Result<Manifest, TakeError> {
        take(&Order {
            data_dir: &self.data_dir(),
            file: &self.beside(name),
            seal,
            scratch: &self.data_dir(),
            free_bytes_min: 0,
            proof: Way::Whole,
            not_behind,
            now: NOW,
            version: "0.1.0",
        })
    }
}

/// A node's folder without a log.
pub(crate) fn empty_folder() -> (TempDir, DirectoryLock) {
    let folder = tempfile::tempdir().unwrap();
    let lock = DirectoryLock::take(folder.path()).unwrap();
    (folder, lock)
}

/// No key.
pub(crate) const OPEN: OpenKey = OpenKey::None;

/// The names in a folder that are no lock, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).filter(|name| name != "lock").collect();
    names.sort();
    names
}

fn bitcoin_hash(bytes: &[u8]) -> String {
    use bitcoin::hashes::{Hash, sha256};
    sha256::Hash::hash(bytes).to_string()
}

fn first_event(words: &str) -> Event {
    let network = bitcoin::Network::Regtest;
    let seed = Seed::new(&SeedWords::parse(words).unwrap(), network);
    let (fingerprint, xpub) = seed.wallet_account();
    let account = Account::new(network, fingerprint, xpub).unwrap();
    let genesis = account.genesis();
    let point = BlockPoint { height: genesis.height, hash: genesis.hash };
    Event::Wallet(Wallet::create(&account, point, AddressGap::DEFAULT).1)
}
