//! Agreeing on a contract before a round opens it (protocol section 5).
//!
//! A round has no reject; what a side may refuse it refuses here. An agreement is durable on both sides before it is
//! spoken of, and stands until the number and the height it is valid to: whoever agreed must accept the round that opens
//! it until then, and for [`AGREEMENT_GRACE`] longer, because proposals wait for connections and tips differ. Later it is
//! forgotten. A round has no reject, so one that opens a contract and comes later than that costs the channel: this node
//! proposes none in the last blocks, and none while it does not know how many are left; and it closes rather than leave the
//! choice whether there is a contract to a peer that does not answer.
//!
//! The offerer queues `OpenContract` only after the peer has agreed; the peer records its agreement before it answers.
//! If that answer is lost with its connection the peer may open the contract before it can answer again: a round that
//! opens what this node offered is the peer's agreement, too.

use std::borrow::Cow;

use strait_contract::Terms;
use strait_primitives::{BlockHeight, ChannelId, CommitmentNumber, ContractId, MilliSats};
use strait_wire::{
    AgreeContract, ContractBytes, FaultCode, Note, OfferContract, Operation, Operations,
    RefuseContract,
};

use crate::channel::{Channel, Link};
use crate::decision::{
    ContractAnswer, Decision, Moment, Notice, Reaction, RequestError, TipStanding,
};
use crate::event::{ChannelEvent, ForceReason};
use crate::ledger::{Agreement, Agreements};
use crate::limits::{AGREEMENT_ANSWER, AGREEMENT_BLOCKS, AGREEMENT_GRACE, CONTRACTS_MAX};
use crate::party::contract_party;
use crate::state::{Funded, Live, Outstanding};

/// Rounds that an agreement outlives its offer by: enough for any queue, few enough that it does not bind for ever.
const VALID_ROUNDS: u64 = 100_000;

/// What this node's operator thinks of a contract that a peer offers.
pub trait ContractPolicy {
    /// Judges terms that are within the protocol's limits. `own_collateral` is what this node would have in contracts of
    /// this channel, with this one.
    ///
    /// # Errors
    /// Why not, in words for the peer's operator.
    fn judge(&self, terms: &Terms, own_collateral: MilliSats) -> Result<(), String>;
}

impl Channel {
    /// Offers a contract to the peer; a [`Notice::ContractAnswered`] tells what it says.
    ///
    /// # Errors
    /// [`RequestError`]: nothing was offered.
    pub fn offer_contract(
        &mut self,
        contract: ContractId,
        terms: Terms,
        tip: BlockHeight,
        out: &mut Decision,
    ) -> Result<(), RequestError> {
        let Some(live) = self.state.live() else {
            return Err(RequestError::NotOpen { state: self.state.phase.name() });
        };
        self.check_stores()?;
        if !live.is_running() {
            return Err(RequestError::NotOpen { state: "closing" });
        }
        if matches!(live.funded, Funded::Spent { .. }) {
            return Err(RequestError::NotOpen { state: "closed" });
        }
        if live.knows_contract(contract) {
            return Err(RequestError::KnownContract { contract });
        }
        if live.contract_count() >= CONTRACTS_MAX {
            let limit = CONTRACTS_MAX;
            return Err(RequestError::QueueFull { queued: live.contract_count(), limit });
        }
        let until = Some(tip.saturating_add(AGREEMENT_BLOCKS));
        let agreement = Agreement { terms, valid_to: valid_to(live.rounds.number), until };
        let message = offer_message(self.id(), contract, &agreement);
        self.record(ChannelEvent::ContractOffered { contract, agreement }, out);
        // Without a connection that is up it is said as soon as there is one: see `repeat_offers`.
        if self.volatile.link == Link::Up {
            out.send(message);
        }
        Ok(())
    }

    /// Says again what was offered and not answered, after a reconnection.
    pub(crate) fn repeat_offers(&self, out: &mut Decision) {
        for (contract, agreement) in &self.live().offers {
            out.send(offer_message(self.id(), *contract, agreement));
        }
    }

    /// Forgets agreements that nobody may open any more, and tells of offers that were not answered in time.
    pub(crate) fn lapse_agreements(&mut self, tip: BlockHeight, out: &mut Decision) {
        let live = self.live();
        if live.rounds.outstanding.is_some() {
            return;
        }
        let height = tip.saturating_sub(AGREEMENT_GRACE);
        let all = live.offers.iter().chain(&live.agreements);
        let over = all.filter(|(_, agreement)| !agreement.holds_at(height));
        for contract in over.map(|(contract, _)| *contract).collect::<Vec<_>>() {
            let is_offer = self.live().offers.contains_key(&contract);
            self.record(ChannelEvent::ContractRefused { contract }, out);
            if is_offer {
                let answer = ContractAnswer::Refused(Note::cut("it was not answered in time"));
                out.notice(Notice::ContractAnswered { contract, answer });
            }
        }
    }

    /// Closes without a peer that neither accepts nor can refuse what this node has proposed: to open a contract whose time
    /// is over. As long as the proposal stands, the peer alone chooses whether there is a contract, and prices move.
    pub(crate) fn close_unanswered(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        match moment.tip_standing {
            // Blocks that come all at once are no time for an answer.
            TipStanding::Stale => return,
            TipStanding::Current => {}
        }
        let height = moment.tip.saturating_sub(AGREEMENT_GRACE);
        let live = self.live();
        if !live.is_running() || !live.proposes_what_lapsed(height) {
            self.volatile.overdue_since = None;
            return;
        }
        let since = *self.volatile.overdue_since.get_or_insert(moment.tip);
        if moment.tip >= since.saturating_add(AGREEMENT_ANSWER) {
            self.force_close(ForceReason::Deadline, out);
        }
    }

    pub(crate) fn handle_offer_contract(
        &mut self,
        offer: &OfferContract,
        tip: BlockHeight,
        policy: &dyn ContractPolicy,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let live = self.expect_up("OfferContract")?;
        let contract = offer.contract;
        let refuse =
            |note: &str| RefuseContract { channel: offer.channel, contract, note: Note::cut(note) };
        let Ok(terms) = minicbor::decode::<Terms>(offer.terms.as_bytes()) else {
            out.send(refuse("the terms cannot be read"));
            return Ok(());
        };
        let agreement = Agreement { terms, valid_to: offer.valid_to, until: offer.until };
        if live.agreements.get(&contract) == Some(&agreement) {
            // Our answer was lost.
            out.send(AgreeContract { channel: offer.channel, contract });
            return Ok(());
        }
        if let Err(note) = live.judge(contract, &agreement, tip, policy) {
            out.send(refuse(&note));
            return Ok(());
        }
        self.record(ChannelEvent::ContractAgreed { contract, agreement }, out);
        out.send(AgreeContract { channel: offer.channel, contract });
        Ok(())
    }

    pub(crate) fn handle_agree_contract(
        &mut self,
        agree: &AgreeContract,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let live = self.expect_up("AgreeContract")?;
        let contract = agree.contract;
        let Some(agreement) = live.offers.get(&contract).cloned() else {
            return if live.knows_contract(contract) {
                Ok(())
            } else {
                // The offer may have run out while the answer was on its way.
                Err(moot("a contract was agreed to that is not offered"))
            };
        };
        self.record(ChannelEvent::ContractAgreed { contract, agreement }, out);
        out.notice(Notice::ContractAnswered { contract, answer: ContractAnswer::Agreed });
        Ok(())
    }

    pub(crate) fn handle_refuse_contract(
        &mut self,
        refuse: RefuseContract,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let live = self.expect_up("RefuseContract")?;
        let contract = refuse.contract;
        if !live.offers.contains_key(&contract) {
            return Err(moot("a contract was refused that is not offered"));
        }
        self.record(ChannelEvent::ContractRefused { contract }, out);
        let answer = ContractAnswer::Refused(refuse.note);
        out.notice(Notice::ContractAnswered { contract, answer });
        Ok(())
    }

    /// Records the agreements that the peer gives by opening contracts which this node offered.
    pub(crate) fn agree_by_round(&mut self, operations: &Operations, out: &mut Decision) {
        for contract in opened(operations) {
            if let Some(agreement) = self.live().offers.get(&contract).cloned() {
                self.record(ChannelEvent::ContractAgreed { contract, agreement }, out);
                out.notice(Notice::ContractAnswered { contract, answer: ContractAnswer::Agreed });
            }
        }
    }
}

impl Live {
    /// What the peer may open by these operations: what both agreed to, and what this node offered.
    pub(crate) fn agreements_named(&self, operations: &Operations) -> Cow<'_, Agreements> {
        let mut all = Cow::Borrowed(&self.agreements);
        if self.offers.is_empty() {
            return all;
        }
        for contract in opened(operations) {
            if let Some(offer) = self.offers.get(&contract) {
                all.to_mut().insert(contract, offer.clone());
            }
        }
        all
    }

    /// True if a round that this node has proposed opens a contract whose agreement does not hold at this height.
    fn proposes_what_lapsed(&self, height: BlockHeight) -> bool {
        let Some(Outstanding::Proposed { operations, .. }) = &self.rounds.outstanding else {
            return false;
        };
        let mut agreements = opened(operations).filter_map(|id| self.agreements.get(&id));
        !matches!(self.funded, Funded::Spent { .. })
            && agreements.any(|agreement| !agreement.holds_at(height))
    }

    fn knows_contract(&self, contract: ContractId) -> bool {
        self.offers.contains_key(&contract)
            || self.agreements.contains_key(&contract)
            || self.rounds.ledger.contract(&contract).is_some()
    }

    fn contract_count(&self) -> usize {
        self.offers.len() + self.agreements.len() + self.rounds.ledger.contracts().count()
    }

    fn judge(
        &self,
        contract: ContractId,
        agreement: &Agreement,
        tip: BlockHeight,
        policy: &dyn ContractPolicy,
    ) -> Result<(), String> {
        if !self.is_running() {
            return Err("the channel is closing".into());
        }
        if self.knows_contract(contract) {
            return Err("a contract of this name exists already".into());
        }
        if self.contract_count() >= CONTRACTS_MAX {
            return Err(format!("{CONTRACTS_MAX} contracts exist already"));
        }
        if agreement.valid_to <= self.rounds.number {
            return Err("the agreement would be valid for no round to come".into());
        }
        if agreement.valid_to > valid_to(self.rounds.number) {
            return Err(format!("an agreement may be valid for {VALID_ROUNDS} rounds at most"));
        }
        match agreement.until {
            None => return Err("the offer names no height after which it is over".into()),
            Some(until) if until < tip => return Err("the offer is over".into()),
            // The tips of two nodes differ.
            Some(until)
                if until > tip.saturating_add(AGREEMENT_BLOCKS).saturating_add(AGREEMENT_GRACE) =>
            {
                return Err(format!("an offer may stand for {AGREEMENT_BLOCKS} at most"));
            }
            Some(_) => {}
        }
        agreement.terms.limits.check().map_err(|e| e.to_string())?;
        policy.judge(&agreement.terms, self.own_collateral_with(&agreement.terms))
    }

    /// What this node has in contracts of this channel, open or agreed to, with one more.
    fn own_collateral_with(&self, terms: &Terms) -> MilliSats {
        let open = self.rounds.ledger.contracts().map(|(_, contract)| &contract.terms);
        let agreed = self.agreements.values().map(|agreement| &agreement.terms);
        let own = contract_party(self.setup.party);
        let all = open.chain(agreed).chain([terms]).map(|terms| terms.collateral.of(own));
        MilliSats::checked_sum(all).unwrap_or(MilliSats::MAX)
    }
}

/// The contracts that a round opens.
pub(crate) fn opened(operations: &Operations) -> impl Iterator<Item = ContractId> {
    operations.as_slice().iter().filter_map(|operation| match operation {
        Operation::OpenContract { contract } => Some(*contract),
        Operation::Pay { .. }
        | Operation::AddLock { .. }
        | Operation::ClaimLock { .. }
        | Operation::CancelLock { .. }
        | Operation::RaiseHeight { .. }
        | Operation::Act { .. }
        | Operation::SettleContract { .. } => None,
    })
}

/// An answer to nothing moves nothing.
fn moot(note: &str) -> Reaction {
    Reaction::Refuse { code: FaultCode::Violation, note: Note::cut(note) }
}

fn valid_to(number: CommitmentNumber) -> CommitmentNumber {
    CommitmentNumber::new(number.to_u64().saturating_add(VALID_ROUNDS)).unwrap_or(number)
}

fn offer_message(channel: ChannelId, contract: ContractId, agreement: &Agreement) -> OfferContract {
    let terms = minicbor::to_vec(&agreement.terms).expect("writing to memory cannot fail");
    OfferContract {
        channel,
        contract,
        terms: ContractBytes::new(terms).expect("terms are bounded below this"),
        valid_to: agreement.valid_to,
        until: agreement.until,
    }
}
