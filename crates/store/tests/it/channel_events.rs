//! One sample of every event of a channel.

use strait_channel::{
    AbandonReason, Agreement, CarriedRequest, ChannelEvent, ContractChange, ForceReason,
    FundingOutput, Recovery, Signed, Spender,
};
use strait_contract::{
    Collateral, Finality, Limits, Outcome, OutcomeLock, Params, Party, State, Terms,
};
use strait_primitives::{
    BlockDelta, BlockHeight, ChannelId, CommitmentNumber, ContractId, Digest, FeeRate, KeySalt,
    LockId, MilliSats, ModuleHash, NodeId, PaymentHash, Preimage, PublicKeyBytes, RequestKey,
    RevocationHash, RevocationSecret, Sats, SchnorrSignature,
};
use strait_wire::{
    AcceptChannel, CancelReason, ChannelKeys, ContractBytes, Contribution, FundingInput, Hop,
    OpenChannel, Operation, Operations, Parameters, Reference, Route, ScriptBytes, TurnMove,
    TurnWish,
};

pub(crate) const CHANNEL: ChannelId = ChannelId::from_bytes([7; 32]);
pub(crate) const PEER: NodeId = NodeId::from_bytes([2; 33]);
pub(crate) const DIGEST: Digest = Digest::from_bytes([3; 32]);
pub(crate) const KEY: RequestKey = RequestKey::from_bytes([4; 16]);
pub(crate) const CONTRACT: ContractId = ContractId::from_bytes([8; 32]);
pub(crate) const MODULE: ModuleHash = ModuleHash::from_bytes([10; 32]);
pub(crate) const HEIGHT: BlockHeight = BlockHeight::new(800_000);
pub(crate) const PAYMENT_HASH: PaymentHash = PaymentHash::from_bytes([11; 32]);
pub(crate) const PREIMAGE: Preimage = Preimage::from_bytes([12; 32]);
const SALT: KeySalt = KeySalt::from_bytes([5; 32]);
const SECRET: RevocationSecret = RevocationSecret::from_bytes([6; 32]);
const HASH: RevocationHash = RevocationHash::from_bytes([1; 32]);
const SIGNATURE: SchnorrSignature = SchnorrSignature::from_bytes([9; 64]);
const SIGNED: Signed = Signed { signature: SIGNATURE, digest: DIGEST };
const FUNDING: FundingOutput =
    FundingOutput { txid: DIGEST, index: 1, value: Sats::from_const(1_000_000) };

fn script() -> ScriptBytes {
    ScriptBytes::new([13; 34]).unwrap()
}

fn parameters() -> Parameters {
    Parameters {
        delay: BlockDelta::new(144),
        locks_max: 30,
        contract_locks_max: 7,
        lock_min: MilliSats::from_const(1_000_000),
        dust_exposure_max: MilliSats::from_const(5_000_000),
        depth: BlockDelta::new(3),
    }
}

const fn keys() -> ChannelKeys {
    let key = PublicKeyBytes::from_bytes([2; 33]);
    ChannelKeys { funding: key, penalty: key, delayed: key, lock: key }
}

fn open() -> OpenChannel {
    let value = Sats::from_const(2_000_000);
    let input = FundingInput { txid: DIGEST, index: 1, value, script: script() };
    let amount = Sats::from_const(1_000_000);
    OpenChannel {
        channel: CHANNEL,
        nonce: DIGEST,
        chain: DIGEST,
        parameters: parameters(),
        keys: keys(),
        revocation: [HASH; 2],
        wallet_script: script(),
        contribution: Contribution { amount, inputs: vec![input], change: script() },
        fee_rate: FeeRate::from_sat_per_kvb(5_000),
    }
}

fn accept() -> AcceptChannel {
    AcceptChannel {
        channel: CHANNEL,
        parameters: parameters(),
        keys: keys(),
        revocation: [HASH; 2],
        wallet_script: script(),
    }
}

/// A way with one more stop.
fn route() -> Route {
    Route::new([Hop { node: PEER, amount: MilliSats::from_const(60_000), expiry: HEIGHT }]).unwrap()
}

/// One operation of every kind.
fn operations() -> Operations {
    let (lock, amount) = (LockId(5), MilliSats::from_const(70_000));
    let all = vec![
        Operation::Pay { amount, reference: Reference::new(b"order 1").unwrap() },
        Operation::AddLock {
            lock,
            amount,
            payment_hash: PAYMENT_HASH,
            expiry: HEIGHT,
            route: Route::default(),
        },
        Operation::AddLock {
            lock,
            amount,
            payment_hash: PAYMENT_HASH,
            expiry: HEIGHT,
            route: route(),
        },
        Operation::ClaimLock { lock, preimage: PREIMAGE },
        Operation::CancelLock { lock, reason: CancelReason::Downstream },
        Operation::RaiseHeight { height: HEIGHT },
        Operation::OpenContract { contract: CONTRACT },
        Operation::Act { contract: CONTRACT, action: ContractBytes::new(vec![1, 2, 3]).unwrap() },
        Operation::SettleContract { contract: CONTRACT },
    ];
    Operations::new(all).unwrap()
}

fn change() -> ContractChange {
    let amount = MilliSats::from_const(10_000);
    let lock = OutcomeLock {
        offered_by: Party::Second,
        amount,
        payment_hash: PAYMENT_HASH,
        expiry: HEIGHT,
    };
    ContractChange {
        contract: CONTRACT,
        state: State::new(&[14; 20]).unwrap(),
        outcome: Outcome {
            first: MilliSats::from_const(40_000),
            second: MilliSats::from_const(20_000),
            locks: vec![lock],
            finality: Finality::Final,
        },
    }
}

fn agreement() -> Agreement {
    let terms = Terms {
        module: MODULE,
        params: Params::new(&[15; 10]).unwrap(),
        collateral: Collateral::new(MilliSats::from_const(70_000), MilliSats::ZERO).unwrap(),
        limits: Limits::default(),
    };
    Agreement { terms, valid_to: number(), until: Some(HEIGHT) }
}

fn number() -> CommitmentNumber {
    CommitmentNumber::new(42).unwrap()
}

/// One event of every kind.
pub(crate) fn samples() -> Vec<ChannelEvent> {
    let mut all = openings();
    all.extend(rounds());
    all.extend(ends());
    all
}

fn openings() -> Vec<ChannelEvent> {
    vec![
        ChannelEvent::Offered { peer: PEER, salt: SALT, open: open() },
        ChannelEvent::Answered { peer: PEER, salt: SALT, open: open(), accept: accept() },
        ChannelEvent::OpeningSigned { accept: accept(), funding: FUNDING, signature: SIGNED },
        ChannelEvent::Opened {
            funding: FUNDING,
            holder_signature: SIGNATURE,
            counterparty_signature: SIGNED,
            tip: HEIGHT,
        },
        ChannelEvent::Abandoned { reason: AbandonReason::Operator },
        ChannelEvent::FundingConfirmed { height: HEIGHT },
        ChannelEvent::FundingUnconfirmed,
    ]
}

fn rounds() -> Vec<ChannelEvent> {
    let request = CarriedRequest { key: KEY, digest: KEY, operations: 3 };
    vec![
        ChannelEvent::Proposed {
            number: number(),
            operations: operations(),
            contracts: vec![change()],
            requests: vec![request],
            signature: SIGNED,
        },
        ChannelEvent::Accepted {
            number: number(),
            operations: operations(),
            contracts: vec![change()],
            holder_signature: SIGNATURE,
            counterparty_signature: SIGNED,
            turn: TurnWish::Wanted,
        },
        ChannelEvent::Revoked {
            number: number(),
            holder_signature: SIGNATURE,
            secret: SECRET,
            next_hash: HASH,
            turn: TurnMove::Yield,
        },
        ChannelEvent::Finalized {
            number: number(),
            secret: SECRET,
            next_hash: HASH,
            turn: TurnMove::Keep,
        },
        ChannelEvent::ContractOffered { contract: CONTRACT, agreement: agreement() },
        ChannelEvent::ContractAgreed { contract: CONTRACT, agreement: agreement() },
        ChannelEvent::ContractRefused { contract: CONTRACT },
    ]
}

fn ends() -> Vec<ChannelEvent> {
    vec![
        ChannelEvent::ShutdownSent { script: script() },
        ChannelEvent::ShutdownReceived { script: script() },
        ChannelEvent::CloseAgreed { transaction: vec![16; 40] },
        ChannelEvent::ForceClosed { reason: ForceReason::PeerLost },
        ChannelEvent::DataLost { proven: number() },
        ChannelEvent::Spent { txid: DIGEST, height: HEIGHT, by: Spender::Cheater },
        ChannelEvent::Unspent,
        ChannelEvent::Resolved { by: Spender::Both },
        ChannelEvent::RecoveryChosen { choice: Recovery::AskPeer },
        ChannelEvent::RecoveryChosen {
            choice: Recovery::ApproveClose { at_least: Sats::from_const(30) },
        },
        ChannelEvent::RecoveryChosen { choice: Recovery::AcceptLoss },
    ]
}
