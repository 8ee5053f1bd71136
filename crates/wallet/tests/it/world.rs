//! A chain of blocks without work, a wallet that follows it, and the log that the wallet writes.

use std::str::FromStr;

use bitcoin::absolute::LockTime;
use bitcoin::bip32::{DerivationPath, Xpriv, Xpub};
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Transaction,
    TxIn, TxMerkleNode, TxOut, Txid, Witness, script, transaction,
};
use strait_primitives::{BlockHeight, Sats, Timestamp};
use strait_wallet::{Account, AddressGap, Wallet, WalletChange, WalletState};

/// Few addresses ahead: every restart derives them anew.
pub(crate) const GAP: AddressGap = AddressGap(8);

/// The wallet, its log and its chain. The block at height `h` is `blocks[h - 1]`.
pub(crate) struct World {
    pub(crate) root: Xpriv,
    pub(crate) account: Account,
    pub(crate) wallet: Wallet,
    pub(crate) log: WalletState,
    pub(crate) blocks: Vec<Block>,
    pub(crate) now: Timestamp,
    unique: u32,
}

/// The private root key that belongs to a seed byte.
pub(crate) fn root(seed: u8) -> Xpriv {
    Xpriv::new_master(Network::Regtest, &[seed; 32]).unwrap()
}

/// The taproot account of a root key.
pub(crate) fn account(root: &Xpriv) -> Account {
    let secp = Secp256k1::new();
    let path = DerivationPath::from_str("m/86'/1'/0'").unwrap();
    let xpub = Xpub::from_priv(&secp, &root.derive_priv(&secp, &path).unwrap());
    Account::new(Network::Regtest, root.fingerprint(&secp), xpub).unwrap()
}

pub(crate) fn sats(sat: u64) -> Sats {
    Sats::new(sat).unwrap()
}

/// An output of this value to this script.
pub(crate) fn output(sat: u64, script_pubkey: ScriptBuf) -> TxOut {
    TxOut { value: Amount::from_sat(sat), script_pubkey }
}

/// A script of somebody else.
pub(crate) fn foreign_script() -> ScriptBuf {
    ScriptBuf::from_hex("0014751e76e8199196d454941c45d1b3a323f1433bd6").unwrap()
}

/// A transaction from these outpoints to these outputs.
pub(crate) fn spend(
    from: impl IntoIterator<Item = OutPoint>,
    to: impl IntoIterator<Item = TxOut>,
) -> Transaction {
    let input = |previous_output| TxIn {
        previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: from.into_iter().map(input).collect(),
        output: to.into_iter().collect(),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let root = root(7);
        let account = account(&root);
        let (wallet, first) = Wallet::create(&account, account.genesis(), GAP);
        let now = Timestamp::from_unix_ms(1_700_000_000_000);
        let mut log = WalletState::default();
        log.apply(&first);
        Self { root, account, wallet, log, blocks: Vec::new(), now, unique: 0 }
    }

    /// A wallet with mined coins of these values.
    pub(crate) fn with_coins(values: &[u64]) -> Self {
        let mut world = Self::new();
        let txs: Vec<_> = values.iter().map(|value| world.payment(*value)).collect();
        world.mine(txs);
        world
    }

    /// Writes a change to the log, through its bytes.
    pub(crate) fn keep(&mut self, change: impl Into<Option<WalletChange>>) {
        if let Some(change) = change.into() {
            assert!(!change.is_empty(), "a change that changes nothing is no event");
            let stored = WalletChange::from_bytes(&change.to_bytes()).unwrap();
            assert_eq!(stored, change);
            self.log.apply(&stored);
        }
        self.now = Timestamp::from_unix_ms(self.now.to_unix_ms() + 1);
    }

    /// An address of the wallet that was not handed out before.
    pub(crate) fn script(&mut self) -> ScriptBuf {
        let (address, change) = self.wallet.next_address();
        self.keep(change);
        address.script_pubkey()
    }

    /// A transaction of somebody else that pays the wallet.
    pub(crate) fn payment(&mut self, sat: u64) -> Transaction {
        let script = self.script();
        let source = self.foreign_outpoint();
        spend([source], [output(sat, script)])
    }

    /// An output that the wallet never heard of.
    pub(crate) fn foreign_outpoint(&mut self) -> OutPoint {
        self.unique += 1;
        OutPoint::new(Txid::from_byte_array([0xee; 32]), self.unique)
    }

    /// A coinbase that pays the wallet.
    pub(crate) fn coinbase(&mut self, sat: u64) -> Transaction {
        let script = self.script();
        let mut tx = spend([OutPoint::null()], [output(sat, script)]);
        tx.input[0].script_sig = script::Builder::new()
            .push_int(i64::try_from(self.blocks.len()).unwrap())
            .into_script();
        tx
    }

    /// The block above the tip with these transactions, unlike every other block.
    pub(crate) fn block(&mut self, txdata: Vec<Transaction>) -> Block {
        self.unique += 1;
        let height = u32::try_from(self.blocks.len()).unwrap();
        let header = Header {
            version: Version::TWO,
            prev_blockhash: self.wallet.tip().hash,
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000 + height * 600,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: self.unique,
        };
        let mut block = Block { header, txdata };
        if let Some(root) = block.compute_merkle_root() {
            block.header.merkle_root = root;
        }
        block
    }

    /// Mines a block with these transactions.
    pub(crate) fn mine(&mut self, txs: Vec<Transaction>) -> BlockHash {
        let block = self.block(txs);
        let hash = block.block_hash();
        let height = BlockHeight::new(self.wallet.tip().height.to_u32() + 1);
        let change = self.wallet.connect_block(&block, height).unwrap();
        self.keep(change);
        self.blocks.push(block);
        hash
    }

    /// Takes the last blocks away.
    pub(crate) fn rewind(&mut self, depth: u32) -> Vec<Block> {
        let height = BlockHeight::new(self.wallet.tip().height.to_u32() + 1 - depth);
        let change = self.wallet.disconnect_block(height).unwrap();
        self.keep(change);
        self.blocks.split_off(usize::try_from(height.to_u32()).unwrap() - 1)
    }

    /// Broadcasts a transaction of our own.
    pub(crate) fn broadcast(&mut self, tx: &Transaction) {
        let change = self.wallet.note_unconfirmed(tx, self.now);
        self.keep(change);
    }

    /// Stops the node and starts it from its log.
    pub(crate) fn restart(&mut self) {
        let log = WalletState::from_bytes(&self.log.to_bytes()).unwrap();
        self.wallet = Wallet::load(&self.account, &log, GAP).unwrap();
    }

    /// The law: the log is the wallet, and a wallet from the log answers as the live one.
    pub(crate) fn check_law(&self) {
        assert_eq!(self.log, self.wallet.state(), "fold(log) = state");
        let loaded = Wallet::load(&self.account, &self.log, GAP).unwrap();
        assert_eq!(loaded.state(), self.log);
        assert_eq!(loaded.tip(), self.wallet.tip());
        assert_eq!(loaded.balance(), self.wallet.balance());
        assert_eq!(loaded.confirmed_coins(), self.wallet.confirmed_coins());
        assert_eq!(loaded.purposes(), self.wallet.purposes());
        let on_their_way = |wallet: &Wallet| {
            let mut txids: Vec<Txid> =
                wallet.unconfirmed().iter().map(|tx| tx.compute_txid()).collect();
            txids.sort_unstable();
            txids
        };
        assert_eq!(on_their_way(&loaded), on_their_way(&self.wallet));
    }

    /// The balance as confirmed, pending, reserved and immature satoshis.
    pub(crate) fn sums(&self) -> [u64; 4] {
        let balance = self.wallet.balance();
        [balance.confirmed, balance.pending, balance.reserved, balance.immature].map(Sats::to_sat)
    }
}
