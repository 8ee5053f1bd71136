//! Could the node settle now? Its commitment, put together from what its disk holds and judged by Bitcoin Core's code.
//!
//! Asked after every write for each channel that the write speaks of. The answer does not come from the engine: the state
//! is the fold of the disk, and the scripts are judged as a block would.

use std::collections::BTreeMap;

use bitcoin::{Amount, TxOut};
use strait_channel::{ChannelState, Closing, Commitments, DUST_LIMIT, Funded, Live};
use strait_devnet::Regtest;
use strait_onchain::CommitmentSignatures;
use strait_primitives::{ChannelId, Sats, Side};
use strait_signer::{ChannelSigner, Seed};

use crate::oracle::Violation;
use crate::place::Place;

/// What stays the same from one commitment of a channel to the next.
#[derive(Debug)]
struct Fixed {
    commitments: Commitments,
    signer: ChannelSigner,
}

/// Puts commitments of one node together.
#[derive(Debug, Default)]
pub(crate) struct Settler {
    channels: BTreeMap<ChannelId, Fixed>,
}

impl Settler {
    /// A channel is over.
    pub(crate) fn forget(&mut self, channel: &ChannelId) {
        self.channels.remove(channel);
    }

    /// Fails unless the node could bring its latest commitment on chain, and it pays the node what is the node's.
    pub(crate) fn check(
        &mut self,
        place: Place,
        state: &ChannelState,
        seed: &Seed,
    ) -> Result<(), Violation> {
        let Some(live) = state.live() else { return Ok(()) };
        if matches!(live.funded, Funded::Spent { .. }) || live.closing == Closing::Lost {
            return Ok(());
        }
        let fixed = self.channels.entry(state.id).or_insert_with(|| Fixed {
            commitments: Commitments::new(&live.setup).expect("a live channel's keys are good"),
            signer: seed.channel_signer(&state.salt),
        });
        fixed.check(live).map_err(|why| Violation::Settlement {
            node: place.to_string(),
            channel: state.id,
            number: live.rounds.number,
            why,
        })
    }
}

impl Fixed {
    fn check(&self, live: &Live) -> Result<(), String> {
        let (rounds, setup) = (&live.rounds, &live.setup);
        let hash = self.signer.revocation_hash(rounds.number);
        let commitment =
            self.commitments.build(Side::Holder, setup, rounds.number, hash, &rounds.ledger);
        let context = self.commitments.of(Side::Holder);
        let own = self
            .signer
            .sign_holder_commitment(&live.signing, context, &commitment)
            .map_err(|refusal| refusal.to_string())?;
        let signatures =
            CommitmentSignatures { broadcaster: own, countersignatory: rounds.holder_signature };
        let transaction = context.finalize(&commitment, &signatures);
        let funding = TxOut {
            value: Amount::from_sat(setup.funding.value.to_sat()),
            script_pubkey: self.commitments.funding().script_pubkey(),
        };
        Regtest::check_scripts(&transaction, &[funding])?;
        let due = rounds.ledger.settled_balance(setup.party).floor_sats();
        let pays = |sats: Sats| {
            transaction.output.iter().any(|output| output.value.to_sat() == sats.to_sat())
        };
        if due >= DUST_LIMIT && !pays(due) {
            return Err(format!("no output pays the {due} that are the node's"));
        }
        let paid: u64 = transaction.output.iter().map(|output| output.value.to_sat()).sum();
        if paid > setup.funding.value.to_sat() {
            return Err(format!("it pays {paid} sat out of {}", setup.funding.value));
        }
        Ok(())
    }
}
