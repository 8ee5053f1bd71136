//! Two signers with a channel between them.

use bitcoin::hashes::Hash as _;
use bitcoin::{Network, OutPoint, Script, Txid};
use strait_onchain::{
    CommitmentContext, CommitmentSpec, CommitmentTerms, FundingScript, Role, WalletScript,
};
use strait_primitives::{BlockDelta, CommitmentNumber, KeySalt, MilliSats, RevocationHash, Sats};
use zeroize::Zeroizing;

use crate::{ChannelSigner, Seed, SeedWords};

pub(crate) const CAPACITY: Sats = Sats::from_const(1_000_000);

pub(crate) fn signer(seed: u8) -> ChannelSigner {
    let words = SeedWords::generate(&Zeroizing::new([seed; 32]));
    Seed::new(&words, Network::Regtest).channel_signer(&KeySalt::from_bytes([seed; 32]))
}

pub(crate) fn wallet(seed: u8) -> WalletScript {
    let script = [&[0, 20], [seed; 20].as_slice()].concat();
    WalletScript::try_from(Script::from_bytes(&script)).unwrap()
}

pub(crate) fn funding(signers: [&ChannelSigner; 2]) -> FundingScript {
    FundingScript::new(signers.map(|signer| signer.public_keys().funding)).unwrap()
}

pub(crate) fn funding_outpoint() -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 0 }
}

/// The commitments that `broadcaster` may publish.
pub(crate) fn context(broadcaster: &ChannelSigner, other: &ChannelSigner) -> CommitmentContext {
    let terms = CommitmentTerms {
        broadcaster: broadcaster.public_keys(),
        countersignatory: other.public_keys(),
        opener: Role::Broadcaster,
        delay: BlockDelta::new(144),
        countersignatory_wallet: wallet(2),
        funding_outpoint: funding_outpoint(),
        capacity: CAPACITY,
    };
    CommitmentContext::new(terms, funding([broadcaster, other])).unwrap()
}

/// A ledger without locks.
pub(crate) fn spec(number: u64, hash: RevocationHash, theirs: u64) -> CommitmentSpec<'static> {
    let theirs = MilliSats::from_const(theirs);
    CommitmentSpec {
        number: CommitmentNumber::new(number).unwrap(),
        revocation_hash: hash,
        broadcaster_balance: CAPACITY.to_millisats().checked_sub(theirs).unwrap(),
        countersignatory_balance: theirs,
        locks: &[],
        ledger_hash: None,
    }
}
