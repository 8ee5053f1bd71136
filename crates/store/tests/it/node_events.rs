//! Samples of every event that is neither a channel's nor a watcher's. The wallet's changes are made by a wallet: nobody
//! else can.

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Transaction,
    TxIn, TxMerkleNode, TxOut, Witness, transaction,
};
use strait_engine::{
    Event, LockKey, LockOutcome, PaymentEvent, RequestSubject, TokenEvent, TokenGrant, TokenScope,
};
use strait_primitives::{BlockHeight, LockId, MilliSats, Sats, Side, Timestamp, TokenId};
use strait_signer::{Seed, SeedWords};
use strait_wallet::{Account, AddressGap, BlockPoint, Purpose, Wallet, WalletChange};

use strait_wire::CancelReason;

use crate::channel_events::{CHANNEL, DIGEST, HEIGHT, KEY, MODULE, PEER, PREIMAGE};

/// The words of a seed of zeros.
const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
    abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
    abandon art";

/// Events of every kind.
pub(crate) fn samples() -> Vec<Event> {
    let hash = BlockHash::from_byte_array([19; 32]);
    let address = Some("/ip4/192.0.2.1/tcp/9736".to_owned());
    let sent = RequestSubject::SendCoins(DIGEST, Sats::from_const(5), Sats::from_const(6));
    let mut all = vec![
        Event::BlockConnected { height: HEIGHT, hash },
        Event::BlockDisconnected { height: HEIGHT, hash },
        Event::PeerKnown { node: PEER, address },
        Event::PeerKnown { node: PEER, address: None },
        Event::ModuleAdded { module: MODULE, size_bytes: 22_815 },
        Event::RequestsFailed { channel: CHANNEL, keys: vec![KEY, KEY] },
        Event::ClockNoted { now: Timestamp::from_unix_ms(29) },
        Event::Restored {
            backup_taken: Some(Timestamp::from_unix_ms(31)),
            now: Timestamp::from_unix_ms(32),
        },
        Event::Restored { backup_taken: None, now: Timestamp::from_unix_ms(33) },
    ];
    let subjects = [RequestSubject::OpenChannel(CHANNEL), sent];
    all.extend(subjects.map(|subject| Event::RequestBegun { key: KEY, digest: KEY, subject }));
    all.extend(payment_events().into_iter().map(Event::Payment));
    all.extend(token_events().into_iter().map(Event::Token));
    all.extend(wallet_changes().into_iter().map(Event::Wallet));
    all
}

/// Every decision about a lock, and what was learned of one.
fn payment_events() -> [PaymentEvent; 7] {
    let lock = LockKey { channel: CHANNEL, offerer: Side::Counterparty, id: LockId(5) };
    [
        PaymentEvent::Held { lock },
        PaymentEvent::Forwarding { lock, channel: CHANNEL },
        PaymentEvent::Claiming { lock, preimage: PREIMAGE },
        PaymentEvent::Cancelling { lock, reason: CancelReason::Declined },
        PaymentEvent::PreimageLearned { preimage: PREIMAGE },
        PaymentEvent::OutgoingGone { lock },
        PaymentEvent::EndedOnChain { lock, outcome: LockOutcome::Claimed },
    ]
}

/// A token of each scope, what it is charged and given back, and its end.
fn token_events() -> [TokenEvent; 6] {
    let token = TokenId::from_bytes([24; 8]);
    let amount = MilliSats::from_const(35);
    let grant = |scope, expires| TokenGrant {
        id: token,
        label: "shop".to_owned(),
        secret_hash: DIGEST,
        scope,
        issued: Timestamp::from_unix_ms(36),
        expires,
    };
    let pay = TokenScope::Pay { budget: amount, payment_max: Some(amount) };
    [
        TokenEvent::Issued(grant(TokenScope::Read, None)),
        TokenEvent::Issued(grant(pay, Some(Timestamp::from_unix_ms(37)))),
        TokenEvent::Issued(grant(TokenScope::Operate, None)),
        TokenEvent::Revoked(token),
        TokenEvent::Charged { token, key: KEY, amount },
        TokenEvent::Credited { keys: vec![KEY] },
    ]
}

/// A wallet that is made, hands out an address, is paid in a block and outside of one, sets a coin aside, loses the block.
fn wallet_changes() -> Vec<WalletChange> {
    let seed = Seed::new(&SeedWords::parse(WORDS).unwrap(), Network::Regtest);
    let (fingerprint, xpub) = seed.wallet_account();
    let account = Account::new(Network::Regtest, fingerprint, xpub).unwrap();
    let genesis = account.genesis();
    let point = BlockPoint { height: genesis.height, hash: genesis.hash };
    let (mut wallet, created) = Wallet::create(&account, point, AddressGap::DEFAULT);
    let (address, revealed) = wallet.next_address();
    let script = address.script_pubkey();
    let [mined, unmined] = [20, 21].map(|from| paying(from, &script));
    let coin = OutPoint { txid: mined.compute_txid(), vout: 0 };
    let height = BlockHeight::new(1);
    let connected = wallet.connect_block(&block(genesis.hash, mined), height).unwrap();
    let seen = wallet.note_unconfirmed(&unmined, Timestamp::from_unix_ms(5_000)).unwrap();
    let held = wallet.reserve(&[coin], Purpose::Opening(CHANNEL)).unwrap().unwrap();
    let freed = wallet.release(Purpose::Opening(CHANNEL)).unwrap();
    let bumping = wallet.reserve(&[coin], Purpose::Bump(CHANNEL)).unwrap().unwrap();
    let later = Timestamp::from_unix_ms(6_000);
    let forgotten = wallet.forget_unconfirmed(unmined.compute_txid(), later).unwrap();
    let disconnected = wallet.disconnect_block(height).unwrap();
    vec![created, revealed, connected, seen, held, freed, bumping, forgotten, disconnected]
}

fn paying(from: u8, script: &ScriptBuf) -> Transaction {
    let spent = OutPoint { txid: bitcoin::Txid::from_byte_array([from; 32]), vout: 0 };
    let input = TxIn {
        previous_output: spent,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![TxOut { value: Amount::from_sat(50_000), script_pubkey: script.clone() }],
    }
}

fn block(before: BlockHash, holds: Transaction) -> Block {
    let header = Header {
        version: Version::TWO,
        prev_blockhash: before,
        merkle_root: TxMerkleNode::from_byte_array([22; 32]),
        time: 1_700_000_000,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    Block { header, txdata: vec![holds] }
}
