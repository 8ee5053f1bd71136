//! A stream that begins late tells what one that begins early tells.

use strait_contract::{Collateral, Finality, Limits, Outcome, Params, State, Terms};
use strait_engine::{Event as Logged, NodeState};
use strait_log::EventStore;
use strait_primitives::{
    BlockDelta, BlockHeight, Digest, FeeRate, KeySalt, ModuleHash, NodeId, PublicKeyBytes,
    RevocationHash, RevocationSecret, Sats, SchnorrSignature, Timestamp,
};
use strait_store::{encode, encode_snapshot};
use strait_store_sqlite::{Options, SqliteStore};
use strait_wire::{
    AcceptChannel, ChannelKeys, Contribution, OpenChannel, Parameters, ScriptBytes, TurnMove,
    TurnWish,
};

use super::*;

const CHANNEL: ChannelId = ChannelId::from_bytes([7; 32]);
const CONTRACT: ContractId = ContractId::from_bytes([8; 32]);
const MODULE: ModuleHash = ModuleHash::from_bytes([10; 32]);
const DIGEST: Digest = Digest::from_bytes([3; 32]);
const HASH: RevocationHash = RevocationHash::from_bytes([1; 32]);
const SIGNATURE: SchnorrSignature = SchnorrSignature::from_bytes([9; 64]);
const SIGNED: strait_channel::Signed =
    strait_channel::Signed { signature: SIGNATURE, digest: DIGEST };
const OURS: MilliSats = MilliSats::from_const(20_000);
const THEIRS: MilliSats = MilliSats::from_const(50_000);
/// The event that agrees on the contract: what a snapshot after it knows stands for all of the log before.
const AGREED: u64 = 3;

fn script() -> ScriptBytes {
    ScriptBytes::new([13; 34]).unwrap()
}

fn parameters() -> Parameters {
    Parameters {
        delay: BlockDelta::new(144),
        locks_max: 30,
        contract_locks_max: 0,
        lock_min: MilliSats::from_const(1_000_000),
        dust_exposure_max: MilliSats::from_const(5_000_000),
        depth: BlockDelta::new(3),
    }
}

fn keys() -> ChannelKeys {
    let key = PublicKeyBytes::from_bytes([2; 33]);
    ChannelKeys { funding: key, penalty: key, delayed: key, lock: key }
}

/// The peer opens a channel.
fn answered() -> ChannelEvent {
    let (keys, parameters, wallet_script) = (keys(), parameters(), script());
    let contribution =
        Contribution { amount: Sats::from_const(1_000_000), inputs: Vec::new(), change: script() };
    let open = OpenChannel {
        channel: CHANNEL,
        nonce: DIGEST,
        chain: DIGEST,
        parameters: parameters.clone(),
        keys,
        revocation: [HASH; 2],
        wallet_script: wallet_script.clone(),
        contribution,
        fee_rate: FeeRate::from_sat_per_kvb(5_000),
    };
    let accept =
        AcceptChannel { channel: CHANNEL, parameters, keys, revocation: [HASH; 2], wallet_script };
    let (peer, salt) = (NodeId::from_bytes([2; 33]), KeySalt::from_bytes([5; 32]));
    ChannelEvent::Answered { peer, salt, open, accept }
}

fn opened() -> ChannelEvent {
    let value = Sats::from_const(1_000_000);
    ChannelEvent::Opened {
        funding: strait_channel::FundingOutput { txid: DIGEST, index: 1, value },
        holder_signature: SIGNATURE,
        counterparty_signature: SIGNED,
        tip: BlockHeight::new(100),
    }
}

fn agreed() -> ChannelEvent {
    let terms = Terms {
        module: MODULE,
        params: Params::new(&[]).unwrap(),
        collateral: Collateral::new(MilliSats::from_const(70_000), MilliSats::ZERO).unwrap(),
        limits: Limits::default(),
    };
    let agreement = strait_channel::Agreement {
        terms,
        valid_to: CommitmentNumber::new(42).unwrap(),
        until: Some(BlockHeight::new(170)),
    };
    ChannelEvent::ContractAgreed { contract: CONTRACT, agreement }
}

/// A round of the peer's with this operation, from its beginning to its end.
fn round(number: u64, operation: Operation) -> [ChannelEvent; 2] {
    let number = CommitmentNumber::new(number).unwrap();
    let change = ContractChange {
        contract: CONTRACT,
        state: State::new(&[]).unwrap(),
        outcome: Outcome {
            first: THEIRS,
            second: OURS,
            locks: Vec::new(),
            finality: Finality::Final,
        },
    };
    let accepted = ChannelEvent::Accepted {
        number,
        operations: Operations::new(vec![operation]).unwrap(),
        contracts: vec![change],
        holder_signature: SIGNATURE,
        counterparty_signature: SIGNED,
        turn: TurnWish::Content,
    };
    let secret = RevocationSecret::from_bytes([6; 32]);
    let turn = TurnMove::Keep;
    [accepted, ChannelEvent::Finalized { number, secret, next_hash: HASH, turn }]
}

fn log() -> Vec<Logged> {
    let mut all = vec![answered(), opened(), agreed()];
    all.extend(round(1, Operation::OpenContract { contract: CONTRACT }));
    all.extend(round(2, Operation::SettleContract { contract: CONTRACT }));
    let logged = |event| Logged::Channel { channel: CHANNEL, event };
    all.into_iter().map(logged).collect()
}

/// All that is told from a place on.
fn told(reader: &Reader, from: u64) -> Vec<Event> {
    told_with(&Arc::default(), reader, from)
}

/// As [`told`], by one of the streams that share what they look up.
fn told_with(past: &Arc<Past>, reader: &Reader, from: u64) -> Vec<Event> {
    let mut story = Story::new(reader.clone(), Arc::clone(past));
    let records = reader.read_from(EventSeq::new(from), 100).unwrap();
    records.iter().filter_map(|record| story.tell(record).unwrap()).collect()
}

/// Writes the log, with a snapshot of what its first events lead to wherever one is asked for.
fn written(options: Options, snapshots: &[(u64, u64)]) -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(folder.path(), options).unwrap();
    for (event, seq) in log().iter().zip(1..) {
        let record = encode(event, EventSeq::new(seq), Timestamp::from_unix_ms(seq));
        store.append_batch(&[record]).unwrap();
        for (_, folded) in snapshots.iter().filter(|(at, _)| *at == seq) {
            let mut state = NodeState::default();
            let first = log().into_iter().zip(1..).filter(|(_, seq)| seq <= folded);
            first.for_each(|(event, _)| state.apply(&event));
            store.put_snapshot(&encode_snapshot(&state, EventSeq::new(seq))).unwrap();
        }
    }
    (folder, store)
}

#[test]
fn what_is_told_does_not_depend_on_where_a_stream_begins() {
    for snapshots in [&[][..], &[(2, 2)], &[(AGREED, AGREED)], &[(2, 2), (7, AGREED)]] {
        let (_folder, store) = written(Options::default(), snapshots);
        let whole = told(&store.reader(), 1);
        let [.., opened, settled] = whole.as_slice() else { panic!("{whole:?}") };
        let EventKind::ContractOpened { module_hash, .. } = &opened.kind else {
            panic!("{opened:?}")
        };
        assert_eq!(*module_hash, MODULE.to_string());
        let EventKind::ContractSettled { holder_msat, counterparty_msat, .. } = settled.kind else {
            panic!("{settled:?}")
        };
        assert_eq!((holder_msat, counterparty_msat), (OURS.to_msat(), THEIRS.to_msat()));
        for from in 1..=7 {
            let late: Vec<_> = whole.iter().filter(|event| event.seq >= from).cloned().collect();
            assert_eq!(told(&store.reader(), from), late, "from {from}, snapshots {snapshots:?}");
        }
    }
}

/// What snapshots cover may be removed, and then they alone know it.
#[test]
fn what_began_before_the_log_does_is_known_from_a_snapshot() {
    let keep_none = Options { size_bytes_max: None, history_bytes_max: Some(0) };
    let (_folder, store) = written(keep_none, &[(AGREED, AGREED), (5, AGREED)]);
    let reader = store.reader();
    let oldest = reader.oldest().unwrap().to_u64();
    assert_eq!(oldest, AGREED + 1);
    let kinds: Vec<_> = told(&reader, oldest).into_iter().map(|event| event.kind).collect();
    let [
        EventKind::ContractOpened { module_hash, .. },
        EventKind::ContractSettled { holder_msat, .. },
    ] = kinds.as_slice()
    else {
        panic!("{kinds:?}")
    };
    assert_eq!((module_hash.as_str(), *holder_msat), (MODULE.to_string().as_str(), OURS.to_msat()));
}

/// Each page that began at such a round decoded both snapshots: many at once filled the memory and kept the processor.
#[test]
fn however_many_streams_begin_late_each_snapshot_is_decoded_once() {
    for (snapshots, decoded) in [(&[(AGREED, AGREED)][..], 1), (&[(2, 2), (7, AGREED)], 2)] {
        let (_folder, store) = written(Options::default(), snapshots);
        let (reader, past) = (store.reader(), Arc::default());
        let whole = told(&reader, 1);
        std::thread::scope(|scope| {
            for number in 0..32 {
                let (from, reader, past, whole) = (7 - number % 4, &reader, &past, &whole);
                scope.spawn(move || {
                    let late: Vec<_> = whole.iter().filter(|event| event.seq >= from).collect();
                    let told = told_with(past, reader, from);
                    assert_eq!(told.iter().collect::<Vec<_>>(), late, "from {from}");
                });
            }
        });
        let (snapshots_decoded, pieces) = past.work();
        assert_eq!(snapshots_decoded, decoded, "{snapshots:?}");
        assert!(pieces <= 1, "no event is read twice");
    }
}
