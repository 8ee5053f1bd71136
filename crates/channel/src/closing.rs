//! The cooperative close (protocol section 8).
//!
//! Whoever wants it waits for the turn, with no round in flight and nothing live but balances, and says `Shutdown`. The
//! peer says the same; from then on no round runs on this channel, across restarts. The party with the larger balance
//! (the opener if equal) offers a closing transaction and pays its fee; the other completes it.
//!
//! Each half signature uses a nonce made for it alone, held in memory, and gone with the connection: after a
//! reconnection both say `Shutdown` again, with fresh ones (BIP-0327 forbids using one twice).

use bitcoin::Transaction;
use bitcoin::hashes::{Hash, HashEngine, sha256};
use strait_onchain::{ClosingTerms, ClosingTransaction};
use strait_primitives::{ChannelId, FeeRate, Party, Sats, Side};
use strait_signer::{
    Close, ClosingNonce, ClosingSession, ClosingSessionError, PartialSignature, PublicNonce,
};
use strait_wire::{CloseOffer, CloseSign, CloseTerms, ScriptBytes, Shutdown};
use zeroize::Zeroizing;

use crate::channel::{Channel, Link};
use crate::commitments::wallet_script;
use crate::decision::{ChannelEffect, Decision, Moment, Notice, Reaction, RequestError, Violation};
use crate::event::ChannelEvent;
use crate::ledger::{DUST_LIMIT, Ledger};
use crate::limits::CLOSE_OFFERS_MAX;
use crate::round::unexpected;
use crate::state::{Closing, Funded, Live, Phase};

/// What one connection holds of a close; nothing of it outlives the connection.
#[derive(Debug, Default)]
pub(crate) struct CloseSession {
    /// The nonce this node showed, to complete the peer's next offer with.
    pub(crate) nonce: Option<ClosingNonce>,
    /// The nonce the peer showed, to make the next offer with.
    peer_nonce: Option<PublicNonce>,
    /// The offer this node has made.
    offer: Option<Offered>,
    /// Offers on this connection, whoever made them.
    offers: u32,
    /// What a close brings by the peer's ledger, for a node that cannot trust its own.
    pub(crate) told: Option<CloseTerms>,
    /// The peer's offer that waits for the operator's approval.
    pub(crate) pending: Option<CloseOffer>,
}

/// A closing transaction that this node has offered.
#[derive(Debug)]
struct Offered {
    fee: Sats,
    transaction: ClosingTransaction,
    session: ClosingSession,
}

/// What both computed from one ledger: a side that pays less than it has is left with something.
const PAYABLE: &str = "the larger balance pays a fee that leaves it an output";

impl Channel {
    /// Wants a cooperative close. It begins when nothing is in flight; until then no new request is taken, unless a lock
    /// comes in between. Locks end some time, and the close waits for that; a contract may never, so one that a round opens
    /// in the meantime is the end of the wish, as it would have been before it: see [`Notice::CloseRefused`].
    ///
    /// # Errors
    /// [`RequestError`] if the channel cannot be closed so now.
    pub fn close(&mut self) -> Result<(), RequestError> {
        let Phase::Live(live) = &self.state.phase else {
            return Err(RequestError::NotOpen { state: self.state.phase.name() });
        };
        self.check_stores()?;
        match live.closing {
            Closing::Running | Closing::ShuttingDown { .. } | Closing::Agreed { .. } => {}
            Closing::Forced(_) => return Err(RequestError::NotOpen { state: "closing by force" }),
            Closing::Lost => return Err(RequestError::NotOpen { state: "lost" }),
        }
        if !live.rounds.ledger.is_plain() {
            return Err(still_live(&live.rounds.ledger));
        }
        self.volatile.close_wanted = true;
        Ok(())
    }

    /// After a round: a contract that it opened is in the way of a close that is wanted.
    pub(crate) fn yield_to_contracts(&mut self, out: &mut Decision) {
        let ledger = &self.live().rounds.ledger;
        if self.volatile.close_wanted && ledger.contracts().next().is_some() {
            let reason = still_live(ledger);
            self.volatile.close_wanted = false;
            out.notice(Notice::CloseRefused { reason });
        }
    }

    /// Says `Shutdown` if it is wanted and the moment has come.
    pub(crate) fn poll_close(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        let live = self.live();
        let ready = self.volatile.close_wanted
            && live.is_running()
            && live.is_deep(moment.tip)
            && live.rounds.turn == Side::Holder
            && self.may_shut_down(live)
            && self.volatile.queue.is_empty();
        if ready {
            self.say_shutdown(moment, out);
        }
    }

    pub(crate) fn may_shut_down(&self, live: &Live) -> bool {
        live.rounds.outstanding.is_none() && live.rounds.ledger.is_plain()
    }

    /// Records this node's `Shutdown` unless it has, and says it with a fresh nonce.
    pub(crate) fn say_shutdown(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        let live = self.live();
        let script = match &live.closing {
            Closing::ShuttingDown { holder: Some(script), .. }
            | Closing::Agreed { holder: script, .. } => script.clone(),
            Closing::Running | Closing::ShuttingDown { holder: None, .. } => {
                let script = live.setup.wallet_scripts.get(live.setup.party).clone();
                self.record(ChannelEvent::ShutdownSent { script: script.clone() }, out);
                script
            }
            Closing::Forced(_) | Closing::Lost => return,
        };
        self.refuse_queue("closing", out);
        if self.live().owes() {
            self.wait_on(moment.now);
        } else {
            self.volatile.waiting_since = None;
        }
        let nonce = self.fresh_nonce(moment);
        out.send(Shutdown { channel: self.id(), script, nonce: nonce.public().0 });
        self.volatile.close.nonce = Some(nonce);
    }

    /// After a reconnection: goes on where both had said that they close.
    pub(crate) fn resume_close(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        match &self.live().closing {
            Closing::ShuttingDown { holder: Some(_), .. } | Closing::Agreed { .. }
                if !matches!(self.live().funded, Funded::Spent { .. }) =>
            {
                self.say_shutdown(moment, out);
            }
            Closing::ShuttingDown { .. } | Closing::Agreed { .. } => {}
            Closing::Running | Closing::Forced(_) | Closing::Lost => {}
        }
    }

    pub(crate) fn handle_shutdown(
        &mut self,
        shutdown: &Shutdown,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let live = self.expect_closing("Shutdown")?;
        wallet_script(&shutdown.script)?;
        let is_quarantined = live.is_quarantined();
        match &live.closing {
            Closing::Running | Closing::ShuttingDown { counterparty: None, .. } => {
                // A ledger that is not trusted says nothing about what is live now.
                if !is_quarantined && !self.may_shut_down(live) {
                    return Err(unexpected("Shutdown", live.round_name()));
                }
                let script = shutdown.script.clone();
                self.record(ChannelEvent::ShutdownReceived { script }, out);
            }
            Closing::ShuttingDown { counterparty: Some(script), .. }
            | Closing::Agreed { counterparty: script, .. } => {
                if *script != shutdown.script {
                    return Err(Violation::Changed { message: "Shutdown" }.into());
                }
            }
            Closing::Forced(_) | Closing::Lost => return Ok(()),
        }
        if is_quarantined {
            // The peer offers, and this node's nonce is shown once its operator approves.
            return Ok(());
        }
        self.volatile.close.peer_nonce = Some(PublicNonce(shutdown.nonce));
        if self.volatile.close.nonce.is_none() {
            self.say_shutdown(moment, out);
        }
        self.offer_close(moment, out)
    }

    /// Makes an offer if it is this node's to make and none is open.
    fn offer_close(&mut self, moment: &Moment<'_>, out: &mut Decision) -> Result<(), Reaction> {
        let live = self.live();
        let Some(payer) = live.close_payer() else { return Ok(()) };
        let is_restored = self.volatile.link == Link::Restoring;
        if (payer != live.setup.party && !is_restored) || self.volatile.close.offer.is_some() {
            return Ok(());
        }
        let fee = live.affordable_fee(payer, moment.close_fee_rate);
        let Some(peer_nonce) = self.volatile.close.peer_nonce.take() else { return Ok(()) };
        self.count_offer()?;
        if is_restored {
            self.tell_terms(moment, out);
        }
        let close = self.close_at(fee).expect(PAYABLE);
        let nonce = self.fresh_nonce(moment);
        let public = nonce.public().0;
        let session = self
            .close_session(nonce, &peer_nonce, &close)
            .map_err(|_| Violation::Close { what: "a nonce that is no point" })?;
        let partial = session.partial_signature().0;
        self.wait_on(moment.now);
        out.send(CloseOffer { channel: self.id(), fee, nonce: public, partial });
        let transaction = close.transaction;
        self.volatile.close.offer = Some(Offered { fee, transaction, session });
        Ok(())
    }

    /// Each offer costs a signature and an event: a peer gets so many on one connection.
    fn count_offer(&mut self) -> Result<(), Violation> {
        self.volatile.close.offers += 1;
        if self.volatile.close.offers > CLOSE_OFFERS_MAX {
            return Err(Violation::Close { what: "too many offers" });
        }
        Ok(())
    }

    /// The peer offers a closing transaction at its own cost: completes it.
    pub(crate) fn handle_close_offer(
        &mut self,
        offer: &CloseOffer,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let live = self.expect_closing("CloseOffer")?;
        if live.is_past_agreeing() {
            return Ok(());
        }
        if live.is_quarantined() {
            return self.keep_offer(offer, moment, out);
        }
        let Some(payer) = live.close_payer() else {
            return Err(unexpected("CloseOffer", "not shut down"));
        };
        if payer == live.setup.party {
            return Err(Violation::Close { what: "the other side pays and offers" }.into());
        }
        let Some(close) = self.close_at(offer.fee) else {
            return Err(Violation::Close { what: "a fee that cannot be paid" }.into());
        };
        self.complete_offer(offer, close, moment, out)
    }

    /// Signs the close that the peer offered, and has it brought on chain.
    pub(crate) fn complete_offer(
        &mut self,
        offer: &CloseOffer,
        close: Close,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        if offer.fee < ClosingTransaction::fee_at(FeeRate::RELAY_FLOOR) {
            return Err(Violation::Close { what: "a fee that no node relays at" }.into());
        }
        self.count_offer()?;
        let Some(nonce) = self.volatile.close.nonce.take() else {
            return Err(Violation::Close { what: "an offer before a nonce was shown" }.into());
        };
        let wrong = || Reaction::Close(Violation::Close { what: "a wrong half signature" });
        let session =
            self.close_session(nonce, &PublicNonce(offer.nonce), &close).map_err(|_| wrong())?;
        let partial = session.partial_signature().0;
        let theirs = PartialSignature(offer.partial);
        let signature = session.complete(&theirs).map_err(|_| wrong())?;
        let next = self.fresh_nonce(moment);
        self.answered();
        self.agree_close(&close.transaction.finalize(&signature), out);
        out.send(CloseSign { channel: self.id(), fee: offer.fee, partial, nonce: next.public().0 });
        self.volatile.close.nonce = Some(next);
        Ok(())
    }

    /// The peer completes this node's offer.
    pub(crate) fn handle_close_sign(
        &mut self,
        sign: &CloseSign,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        if self.expect_closing("CloseSign")?.is_past_agreeing() {
            return Ok(());
        }
        let Some(Offered { fee, transaction, session }) = self.volatile.close.offer.take() else {
            return Err(unexpected("CloseSign", "not offered"));
        };
        if sign.fee != fee {
            return Err(Violation::Close { what: "the fee of another offer" }.into());
        }
        let signature = session
            .complete(&PartialSignature(sign.partial))
            .map_err(|_| Violation::Close { what: "a wrong half signature" })?;
        self.volatile.close.peer_nonce = Some(PublicNonce(sign.nonce));
        self.answered();
        self.agree_close(&transaction.finalize(&signature), out);
        Ok(())
    }

    /// The close by this node's ledger, once both have named their scripts.
    fn close_at(&self, fee: Sats) -> Option<Close> {
        let live = self.live();
        live.closing.scripts()?;
        let own = live.own_terms(self.id(), FeeRate::RELAY_FLOOR);
        self.close_of(&live.closing_terms(&own, fee).ok()?)
    }

    /// The close on these terms.
    pub(crate) fn close_of(&self, terms: &ClosingTerms) -> Option<Close> {
        let holder_output = terms.output_of(self.live().setup.party).ok()?;
        let commitments = self.commitments.as_ref()?;
        let transaction = ClosingTransaction::new(terms, commitments.funding()).ok()?;
        Some(Close { transaction, holder_output })
    }

    /// A nonce that was never used: the entropy is new after each start, the count within one run. A nonce that signs
    /// two transactions gives the funding key away.
    fn fresh_nonce(&mut self, moment: &Moment<'_>) -> ClosingNonce {
        self.volatile.nonces += 1;
        let mut engine = sha256::Hash::engine();
        engine.input(b"strait/closing-nonce/1");
        engine.input(&moment.entropy);
        engine.input(&self.volatile.nonces.to_be_bytes());
        let entropy = Zeroizing::new(sha256::Hash::from_engine(engine).to_byte_array());
        let commitments = self.commitments.as_ref().expect("a live channel builds commitments");
        self.signer.closing_nonce(entropy, commitments.funding())
    }

    fn close_session(
        &self,
        nonce: ClosingNonce,
        theirs: &PublicNonce,
        close: &Close,
    ) -> Result<ClosingSession, ClosingSessionError> {
        let commitments = self.commitments.as_ref().expect("a live channel builds commitments");
        let signing = &self.live().signing;
        self.signer.sign_closing(signing, nonce, commitments.funding(), theirs, close)
    }

    /// A closing transaction is complete: saves it, broadcasts it, tells. One that pays no more than the one before it
    /// changes nothing: what is on its way is to be mined, and whoever pays for it may make it dearer only.
    fn agree_close(&mut self, signed: &Transaction, out: &mut Decision) {
        assert!(self.live().closing.scripts().is_some(), "both have said where their money goes");
        if self.live().closing.brings().is_some_and(|before| outputs_of(signed) >= before) {
            out.notice(Notice::CloseAgreed);
            return;
        }
        let transaction = bitcoin::consensus::serialize(signed);
        self.record(ChannelEvent::CloseAgreed { transaction }, out);
        out.effects.push(ChannelEffect::Broadcast(signed.clone()));
        out.notice(Notice::CloseAgreed);
    }
}

/// What a close would have to wait for.
fn still_live(ledger: &Ledger) -> RequestError {
    RequestError::StillLive { locks: ledger.locks().count(), contracts: ledger.contracts().count() }
}

impl Closing {
    /// Where both balances go, once both have said so.
    #[must_use]
    pub const fn scripts(&self) -> Option<(&ScriptBytes, &ScriptBytes)> {
        match self {
            Self::ShuttingDown { holder: Some(ours), counterparty: Some(theirs) }
            | Self::Agreed { holder: ours, counterparty: theirs, .. } => Some((ours, theirs)),
            Self::Running | Self::ShuttingDown { .. } | Self::Forced(_) | Self::Lost => None,
        }
    }

    /// What the outputs of the agreed close hold, if there is one: the less, the dearer it is.
    fn brings(&self) -> Option<u64> {
        match self {
            Self::Agreed { transaction, .. } => {
                let close: Transaction = bitcoin::consensus::deserialize(transaction)
                    .expect("a recorded close was encoded by this node");
                Some(outputs_of(&close))
            }
            Self::Running | Self::ShuttingDown { .. } | Self::Forced(_) | Self::Lost => None,
        }
    }
}

/// What a transaction's outputs hold.
fn outputs_of(transaction: &Transaction) -> u64 {
    transaction.output.iter().map(|output| output.value.to_sat()).sum()
}

impl Live {
    /// True once this node goes its own way: what the peer says about a close was under way before it knew.
    pub(crate) const fn is_past_agreeing(&self) -> bool {
        matches!(self.closing, Closing::Forced(_) | Closing::Lost)
    }

    /// Who offers the closing transaction and pays for it, once both have said `Shutdown`.
    fn close_payer(&self) -> Option<Party> {
        self.closing.scripts()?;
        let ledger = &self.rounds.ledger;
        let opener = ledger.balance(Party::Opener) >= ledger.balance(Party::Acceptor);
        Some(if opener { Party::Opener } else { Party::Acceptor })
    }

    /// What a close brings by this node's ledger, at this rate.
    pub(crate) fn own_terms(&self, channel: ChannelId, rate: FeeRate) -> CloseTerms {
        let ledger = &self.rounds.ledger;
        let (opener, acceptor) = (ledger.balance(Party::Opener), ledger.balance(Party::Acceptor));
        let payer = if opener >= acceptor { Party::Opener } else { Party::Acceptor };
        CloseTerms { channel, opener, acceptor, fee: self.affordable_fee(payer, rate) }
    }

    /// The fee at this rate, never below what nodes relay at, or what leaves the payer the smallest output.
    fn affordable_fee(&self, payer: Party, rate: FeeRate) -> Sats {
        let most = self.rounds.ledger.balance(payer).floor_sats().saturating_sub(DUST_LIMIT);
        ClosingTransaction::fee_at(rate.max(FeeRate::RELAY_FLOOR)).min(most)
    }
}
