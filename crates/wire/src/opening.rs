//! Opening a channel (protocol section 7). Version 1 is funded by the opener alone (ADR-0005).

use strait_primitives::{
    BlockDelta, ChannelId, Digest, FeeRate, MilliSats, PublicKeyBytes, RevocationHash, Sats,
    SchnorrSignature,
};

use crate::ScriptBytes;
use crate::bounded::decode_at_most;
use crate::limits::FUNDING_INPUTS_MAX;

/// What each side demands of the channel; the other refuses before anything is signed, or never.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Parameters {
    /// Blocks the sender has to punish the other: the delay on the **other's** outputs.
    #[n(0)]
    pub delay: BlockDelta,
    /// The most locks the sender accepts in each direction.
    #[n(1)]
    pub locks_max: u16,
    /// The smallest lock the sender accepts.
    #[n(2)]
    pub lock_min: MilliSats,
    /// The most value the sender accepts in trimmed outputs.
    #[n(3)]
    pub dust_exposure_max: MilliSats,
    /// Confirmations of the funding output before the sender takes part in a round.
    #[n(4)]
    pub depth: BlockDelta,
    /// The most locks in each direction that contracts' outcomes ask for, all together; among those above.
    #[cbor(n(5), default)]
    pub contract_locks_max: u16,
}

/// One side's static public keys (protocol section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ChannelKeys {
    /// Signs commitments and closes.
    #[n(0)]
    pub funding: PublicKeyBytes,
    /// Takes revoked outputs of the other side.
    #[n(1)]
    pub penalty: PublicKeyBytes,
    /// Takes this side's own outputs after the delay.
    #[n(2)]
    pub delayed: PublicKeyBytes,
    /// Takes locks on either side's commitment.
    #[n(3)]
    pub lock: PublicKeyBytes,
}

/// A coin brought to the funding transaction: taproot, key path.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct FundingInput {
    /// The transaction that made it, hash in its byte order on the wire.
    #[n(0)]
    pub txid: Digest,
    /// Which output of that transaction.
    #[n(1)]
    pub index: u32,
    /// What it is worth. A lie makes the owner's own signature invalid (BIP-0341 commits to it).
    #[n(2)]
    pub value: Sats,
    /// Its script.
    #[n(3)]
    pub script: ScriptBytes,
}

/// What the opener puts into the channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct Contribution {
    /// The capacity.
    #[n(0)]
    pub amount: Sats,
    /// The coins it spends.
    #[cbor(n(1), decode_with = "decode_inputs")]
    pub inputs: Vec<FundingInput>,
    /// Where the rest goes.
    #[n(2)]
    pub change: ScriptBytes,
}

fn decode_inputs<C>(
    d: &mut minicbor::Decoder<'_>,
    ctx: &mut C,
) -> Result<Vec<FundingInput>, minicbor::decode::Error> {
    decode_at_most::<C, FundingInput, FUNDING_INPUTS_MAX>(d, ctx)
}

/// Asks for a channel.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct OpenChannel {
    /// The channel to be: hash of both node ids and the opener's nonce.
    #[n(0)]
    pub channel: ChannelId,
    /// The nonce that makes it unique.
    #[n(1)]
    pub nonce: Digest,
    /// The chain, as in [`crate::Hello`].
    #[n(2)]
    pub chain: Digest,
    /// What the opener demands.
    #[n(3)]
    pub parameters: Parameters,
    /// The opener's keys.
    #[n(4)]
    pub keys: ChannelKeys,
    /// Hashes of the opener's secrets 0 and 1.
    #[n(5)]
    pub revocation: [RevocationHash; 2],
    /// Where the opener is paid when the acceptor closes.
    #[n(6)]
    pub wallet_script: ScriptBytes,
    /// What the opener brings; it pays the opening fee out of it.
    #[n(7)]
    pub contribution: Contribution,
    /// The rate that the opening fee was computed with.
    #[n(8)]
    pub fee_rate: FeeRate,
}

/// Agrees to a channel.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct AcceptChannel {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// What the acceptor demands.
    #[n(1)]
    pub parameters: Parameters,
    /// The acceptor's keys.
    #[n(2)]
    pub keys: ChannelKeys,
    /// Hashes of the acceptor's secrets 0 and 1.
    #[n(3)]
    pub revocation: [RevocationHash; 2],
    /// Where the acceptor is paid when the opener closes.
    #[n(4)]
    pub wallet_script: ScriptBytes,
}

/// Signs the receiver's commitment 0.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct SignOpening {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// The funding transaction the sender computed: a mismatch is seen before anything is signed further.
    #[n(1)]
    pub funding_txid: Digest,
    /// The signature on the receiver's commitment 0.
    #[n(2)]
    pub signature: SchnorrSignature,
}
