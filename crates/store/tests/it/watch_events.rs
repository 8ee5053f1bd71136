//! Samples of every event of a watcher, with every kind of spend, output and path.

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Script, Txid};
use strait_onchain::{LockSpec, Role, WalletScript};
use strait_primitives::{CommitmentNumber, FeeRate, LockId, MilliSats, RevocationHash, Sats, Side};
use strait_watcher::{
    ClaimPlan, FundingSpend, OutputContent, OutputSpend, SpendKind, SpendPath, TrackedOutput,
    WatchEvent,
};

use crate::channel_events::{HEIGHT, PAYMENT_HASH, PREIMAGE};

fn txid() -> Txid {
    Txid::from_byte_array([17; 32])
}

fn outpoint() -> OutPoint {
    OutPoint { txid: txid(), vout: 1 }
}

const fn lock() -> OutputContent {
    OutputContent::Lock(LockSpec {
        id: LockId(5),
        offered_by: Role::Countersignatory,
        amount: MilliSats::from_const(70_000),
        payment_hash: PAYMENT_HASH,
        expiry: HEIGHT,
    })
}

fn spend(path: SpendPath) -> OutputSpend {
    OutputSpend { vout: 1, txid: txid(), height: HEIGHT, path }
}

fn funding_spent(kind: SpendKind) -> WatchEvent {
    let contents = [
        OutputContent::Broadcaster,
        OutputContent::Countersignatory,
        lock(),
        OutputContent::Anchor,
        OutputContent::LedgerHash,
        OutputContent::Unrecognized,
    ];
    let value = Sats::from_const(500);
    let outputs = contents.into_iter().zip(0..).map(|(content, vout)| TrackedOutput {
        vout,
        value,
        content,
        spend: (vout == 1).then(|| spend(SpendPath::Delayed)),
    });
    let capacity = Sats::from_const(1_000_000);
    let outputs = outputs.collect();
    WatchEvent::FundingSpent(FundingSpend { txid: txid(), height: HEIGHT, kind, capacity, outputs })
}

/// Events of every kind.
pub(crate) fn samples() -> Vec<WatchEvent> {
    let number = CommitmentNumber::new(42).unwrap();
    let revocation_hash = RevocationHash::from_bytes([1; 32]);
    let commitment =
        SpendKind::Commitment { broadcaster: Side::Counterparty, number, revocation_hash };
    let script = [&[0x51, 0x20][..], &[18; 32]].concat();
    let plan = ClaimPlan {
        txid: txid(),
        inputs: vec![outpoint()],
        destination: WalletScript::try_from(Script::from_bytes(&script)).unwrap(),
        fee_rate: FeeRate::from_sat_per_kvb(5_000),
        fee: None,
        tip: None,
    };
    let told = ClaimPlan { fee: Some(Sats::from_const(700)), tip: Some(HEIGHT), ..plan.clone() };
    let ended = |path| WatchEvent::OutputSpent { content: lock(), spend: spend(path) };
    vec![
        funding_spent(SpendKind::Cooperative),
        funding_spent(commitment),
        funding_spent(SpendKind::Unknown { number }),
        ended(SpendPath::Penalty),
        ended(SpendPath::Claimed(PREIMAGE)),
        ended(SpendPath::Refunded),
        WatchEvent::BlockDisconnected { height: HEIGHT },
        WatchEvent::ClaimPlanned(plan),
        WatchEvent::OutputLeft { outpoint: outpoint(), since: HEIGHT },
        WatchEvent::ClaimPlanned(told),
        WatchEvent::PreimageSeen { hash: PAYMENT_HASH, preimage: PREIMAGE },
        WatchEvent::ChildPlanned { tip: HEIGHT, fee_rate: FeeRate::from_sat_per_kvb(9_000) },
        WatchEvent::CloseLeft { since: HEIGHT },
    ]
}
