//! What two nodes signed up to when the channel opened. Fixed for its life.

use bitcoin::OutPoint;
use strait_primitives::{BlockDelta, Digest, MilliSats, Party, Sats};
use strait_wire::{ChannelKeys, Parameters, ScriptBytes};

use crate::Pair;
use crate::commitments::txid_of;
use crate::ledger::{LOCKS_MAX, Rules};

/// The funding output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct FundingOutput {
    /// The transaction, hash in its byte order on the wire.
    #[n(0)]
    pub txid: Digest,
    /// Which of its outputs.
    #[n(1)]
    pub index: u32,
    /// What it is worth.
    #[n(2)]
    pub value: Sats,
}

impl FundingOutput {
    /// Its place.
    #[must_use]
    pub fn outpoint(&self) -> OutPoint {
        OutPoint { txid: txid_of(self.txid), vout: self.index }
    }
}

/// The channel's constants.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Setup {
    /// Which party this node is.
    #[n(0)]
    pub party: Party,
    /// The opener's nonce: known to the two parties alone.
    #[n(1)]
    pub nonce: Digest,
    /// Static public keys.
    #[n(2)]
    pub keys: Pair<ChannelKeys>,
    /// What each demanded of the other.
    #[n(3)]
    pub parameters: Pair<Parameters>,
    /// Where each is paid when the other closes.
    #[n(4)]
    pub wallet_scripts: Pair<ScriptBytes>,
    /// What each put in.
    #[n(5)]
    pub contribution: Pair<Sats>,
    /// The output that holds it all.
    #[n(6)]
    pub funding: FundingOutput,
}

impl Setup {
    /// Blocks that `party` waits for its own outputs on its own commitment: what the other demanded.
    #[must_use]
    pub fn delay_of(&self, party: Party) -> BlockDelta {
        self.parameters.get(!party).delay
    }

    /// Confirmations before rounds begin: the deeper demand, so that neither side's clock runs while the other waits
    /// for blocks.
    #[must_use]
    pub fn depth(&self) -> BlockDelta {
        let Pair { opener, acceptor } = &self.parameters;
        opener.depth.max(acceptor.depth)
    }

    /// The ledger's rules: the stricter demand of each pair.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let Pair { opener, acceptor } = &self.parameters;
        Rules {
            reserve: Rules::reserve_of(self.funding.value),
            locks_max: opener.locks_max.min(acceptor.locks_max).min(LOCKS_MAX),
            lock_min: opener.lock_min.max(acceptor.lock_min).max(MilliSats::from_const(1)),
            dust_exposure_max: opener.dust_exposure_max.min(acceptor.dust_exposure_max),
            contract_locks_max: opener.contract_locks_max.min(acceptor.contract_locks_max),
        }
    }
}
