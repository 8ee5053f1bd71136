//! A channel whose own account may be old: restored from a backup, or proved outdated by the peer (protocol section 9).
//!
//! Nobody here knows what was signed after the backup. So such a channel signs no commitment, and publishes none: the
//! rules of signing refuse it (`strait-signer`), and the paths to it end in [`Live::is_quarantined`]. It still says where
//! it stands, and hears where the peer does; nothing that the peer says lifts it. It ends as the operator chooses:
//!
//! | choice | then |
//! |---|---|
//! | [`Recovery::AskPeer`] | the peer is asked to close by force, on each connection |
//! | [`Recovery::ApproveClose`] | the peer offers a close by its ledger; it is signed if it brings as much as approved |
//! | [`Recovery::AcceptLoss`] | the commitment in the backup is published, and lost with all in it if it was revoked |
//!
//! A peer that hears of it runs no round, waits, and tells what a close would bring ([`CloseTerms`]).

use strait_onchain::{ClosingShare, ClosingTerms, ClosingTransaction};
use strait_primitives::{CommitmentNumber, MilliSats, Party, Sats, Timestamp};
use strait_signer::{SigningEvent, Standing};
use strait_wire::{CloseOffer, CloseTerms, Fault, FaultCode, Note, Reestablish, StoreState};
use thiserror::Error;

use crate::channel::{Channel, Link, fault};
use crate::commitments::wallet_script;
use crate::decision::{Decision, Moment, Reaction, RequestError, Violation};
use crate::event::{ChannelEvent, ForceReason};
use crate::state::{ChannelState, Closing, Funded, Live, Phase};

/// What the operator chooses for a quarantined channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Recovery {
    /// The peer is to close by force.
    #[n(0)]
    AskPeer,
    /// A close together is signed if it brings this node so much.
    #[n(1)]
    ApproveClose {
        /// The least that this node's output holds.
        #[n(0)]
        at_least: Sats,
    },
    /// This node's commitment is published, whatever comes of it.
    #[n(2)]
    AcceptLoss,
}

/// Why a choice is not taken. Nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// The channel's state is trusted: it needs no recovery.
    #[error("the channel is not quarantined")]
    NotQuarantined,
    /// A block holds a transaction that closes the channel.
    #[error("the channel is closed on chain already")]
    Spent,
    /// Both sides have signed a close.
    #[error("a close is signed already, and on its way")]
    CloseAgreed,
    /// This node's commitment is on its way.
    #[error("this node's commitment is published already")]
    Published,
    /// The peer has proved that this node's commitment is revoked: to publish it is to lose everything.
    #[error("the peer has proved that this node's commitment {number} is revoked")]
    Revoked {
        /// The commitment in this store.
        number: CommitmentNumber,
    },
    /// The peer was asked to close by force when it proved the loss.
    #[error("the peer was asked to close by force already")]
    PeerAsked,
}

impl ChannelState {
    /// Folds in that this store was restored from a backup.
    pub fn quarantine(&mut self, taken: Timestamp) {
        let Phase::Live(live) = &mut self.phase else { return };
        live.signing.apply(SigningEvent::Restored);
        if live.is_quarantined() {
            live.backup_taken = Some(taken);
        }
    }
}

impl Live {
    /// True if a later state may exist: nothing of this one is signed or published but what the operator approves.
    #[must_use]
    pub const fn is_quarantined(&self) -> bool {
        matches!(self.signing.standing(), Standing::Quarantined | Standing::DataLost)
    }

    /// True if the peer is to be asked for a close, now and on each new connection.
    fn asks_peer(&self) -> bool {
        let is_wanted = self.closing == Closing::Lost || self.recovery == Some(Recovery::AskPeer);
        let is_over = matches!(self.closing, Closing::Agreed { .. } | Closing::Forced(_));
        is_wanted && !is_over && !matches!(self.funded, Funded::Spent { .. })
    }

    /// Folds the operator's choice in.
    pub(crate) fn choose(&mut self, choice: Recovery) {
        self.recovery = Some(choice);
        match choice {
            Recovery::AskPeer => {}
            Recovery::ApproveClose { at_least } => {
                self.signing.apply(SigningEvent::CloseApproved { at_least });
            }
            Recovery::AcceptLoss => self.signing.apply(SigningEvent::LossAccepted),
        }
    }

    fn check_choice(&self, choice: Recovery) -> Result<(), RecoveryError> {
        match (&self.closing, choice) {
            (Closing::Forced(_), Recovery::AcceptLoss) => return Ok(()),
            (Closing::Forced(_), Recovery::AskPeer | Recovery::ApproveClose { .. }) => {
                return Err(RecoveryError::Published);
            }
            (Closing::Agreed { .. }, _) => return Err(RecoveryError::CloseAgreed),
            (Closing::Lost, Recovery::ApproveClose { .. }) => return Err(RecoveryError::PeerAsked),
            (Closing::Running | Closing::ShuttingDown { .. } | Closing::Lost, _) => {}
        }
        if choice == Recovery::AcceptLoss && self.signing.standing() == Standing::DataLost {
            return Err(RecoveryError::Revoked { number: self.rounds.number });
        }
        Ok(())
    }

    /// What a close brings each side, by ledgers that the peer names and scripts that both have named.
    pub(crate) fn closing_terms(
        &self,
        told: &CloseTerms,
        fee: Sats,
    ) -> Result<ClosingTerms, Violation> {
        let own = self.setup.party;
        let scripts = self.closing.scripts();
        let share = |party: Party, balance: MilliSats| -> Result<ClosingShare, Violation> {
            let script = match scripts {
                Some((holder, _)) if party == own => holder,
                Some((_, counterparty)) => counterparty,
                None => self.setup.wallet_scripts.get(party),
            };
            Ok(ClosingShare { wallet: wallet_script(script)?, balance })
        };
        Ok(ClosingTerms {
            funding_outpoint: self.setup.funding.outpoint(),
            capacity: self.setup.funding.value,
            opener: share(Party::Opener, told.opener)?,
            acceptor: share(Party::Acceptor, told.acceptor)?,
            payer: if told.opener >= told.acceptor { Party::Opener } else { Party::Acceptor },
            fee,
        })
    }
}

impl Channel {
    /// Quarantines the channel: its store was restored from a backup made at this time.
    pub fn quarantine(&mut self, taken: Timestamp) {
        self.state.quarantine(taken);
    }

    /// How far the peer said it is, on a connection since the last start.
    #[must_use]
    pub const fn told_number(&self) -> Option<CommitmentNumber> {
        self.volatile.told_number
    }

    /// What a close would bring this node, as the peer reckons on this connection; `None` if it has not said.
    #[must_use]
    pub fn told_output(&self) -> Option<Sats> {
        let (live, told) = (self.state.live()?, self.volatile.close.told.as_ref()?);
        live.closing_terms(told, told.fee).ok()?.output_of(live.setup.party).ok()
    }

    /// The operator has chosen. Chosen again it goes on.
    ///
    /// # Errors
    /// [`RecoveryError`]: nothing was done.
    pub fn recover(
        &mut self,
        choice: Recovery,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> Result<(), RecoveryError> {
        let live = self.state.live().ok_or(RecoveryError::NotQuarantined)?;
        if live.signing.standing() == Standing::Current {
            return Err(RecoveryError::NotQuarantined);
        }
        if matches!(live.funded, Funded::Spent { .. }) {
            return Err(RecoveryError::Spent);
        }
        live.check_choice(choice)?;
        if live.recovery != Some(choice) {
            self.record(ChannelEvent::RecoveryChosen { choice }, out);
        }
        match choice {
            Recovery::AskPeer => self.ask_peer(out),
            Recovery::ApproveClose { .. } if self.volatile.close.pending.is_some() => {
                if let Err(reaction) = self.complete_approved(moment, out) {
                    out.send(fault(self.id(), &reaction));
                }
            }
            Recovery::ApproveClose { .. } => self.begin_approved(moment, out),
            Recovery::AcceptLoss => self.force_close(ForceReason::Operator, out),
        }
        Ok(())
    }

    /// What this node says about its own account.
    pub(crate) fn store_state(&self) -> StoreState {
        match self.live().signing.standing() {
            Standing::Current => StoreState::Whole,
            Standing::Quarantined | Standing::LossAccepted | Standing::DataLost => {
                StoreState::Restored
            }
        }
    }

    /// Asks the peer to close by force, if that is wanted and it can hear.
    pub(crate) fn ask_peer(&self, out: &mut Decision) {
        if self.volatile.link != Link::Down && self.live().asks_peer() {
            let note = Note::cut("this side has lost data here, and asks for a close by force");
            let code = FaultCode::DataLost;
            out.send(Fault { channel: Some(self.id()), code, note });
        }
    }

    /// The peer's account, heard by a node that cannot trust its own.
    pub(crate) fn note_account(
        &mut self,
        theirs: &Reestablish,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) {
        self.volatile.link = Link::Restoring;
        self.volatile.waiting_since = None;
        self.volatile.told_number = Some(theirs.agreed);
        if self.live().signing.standing() == Standing::Quarantined
            && let Some(proven) = self.proof_of_loss(theirs)
        {
            self.record(ChannelEvent::DataLost { proven }, out);
        }
        self.begin_approved(moment, out);
    }

    /// The peer cannot trust its account: no round runs, and it hears what a close would bring.
    pub(crate) fn await_restored(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        self.volatile.link = Link::Restoring;
        self.volatile.waiting_since = None;
        self.refuse_queue("waiting for its close: the peer's store was restored", out);
        if self.live().is_running() {
            self.tell_terms(moment, out);
        } else {
            self.resume_close(moment, out);
        }
    }

    /// Tells a restored peer what a close would bring now, if one can be agreed. Returns the fee it told.
    pub(crate) fn tell_terms(&mut self, moment: &Moment<'_>, out: &mut Decision) -> Option<Sats> {
        let live = self.live();
        let is_spent = matches!(live.funded, Funded::Spent { .. });
        if is_spent || !self.may_shut_down(live) {
            return None;
        }
        let terms = live.own_terms(self.id(), moment.close_fee_rate);
        let fee = terms.fee;
        out.send(terms);
        Some(fee)
    }

    /// What the peer's ledger says of a close.
    pub(crate) fn handle_close_terms(&mut self, told: CloseTerms) -> Result<(), Reaction> {
        let live = self.expect_closing("CloseTerms")?;
        if !live.is_quarantined() {
            // Of no use to a node that has a ledger of its own.
            return Ok(());
        }
        let terms = live.closing_terms(&told, told.fee)?;
        let commitments = self.commitments.as_ref().expect("a live channel builds commitments");
        ClosingTransaction::new(&terms, commitments.funding())
            .map_err(|_| Violation::Close { what: "terms that make no close" })?;
        self.volatile.close.told = Some(told);
        Ok(())
    }

    /// Begins the close that the operator approved, once on each connection: the peer offers with the nonce that it was
    /// shown first.
    fn begin_approved(&mut self, moment: &Moment<'_>, out: &mut Decision) {
        let live = self.live();
        let is_settled = live.is_past_agreeing() || matches!(live.funded, Funded::Spent { .. });
        let is_wanted = live.is_quarantined() && live.signing.approved().is_some();
        let is_begun = self.volatile.close.nonce.is_some();
        if self.volatile.link == Link::Restoring && is_wanted && !is_settled && !is_begun {
            self.say_shutdown(moment, out);
        }
    }

    /// An offer of the peer to a node that cannot trust its ledger: kept until the operator approves what it brings.
    pub(crate) fn keep_offer(
        &mut self,
        offer: &CloseOffer,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        self.volatile.close.pending = Some(offer.clone());
        self.complete_approved(moment, out)
    }

    /// Signs the offer that is kept, if it brings what the operator approved.
    fn complete_approved(
        &mut self,
        moment: &Moment<'_>,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let (live, close) = (self.live(), &self.volatile.close);
        let (Some(offer), Some(told)) = (close.pending.clone(), &close.told) else { return Ok(()) };
        if live.closing.scripts().is_none() {
            return Ok(());
        }
        let terms = live.closing_terms(told, offer.fee)?;
        let close = self.close_of(&terms).ok_or(Violation::Close { what: "an unpayable fee" })?;
        if live.signing.approved().is_none_or(|least| close.holder_output < least) {
            return Ok(());
        }
        self.volatile.close.pending = None;
        self.complete_offer(&offer, close, moment, out)
    }

    /// Refuses what a user asks for while one of the two stores is not whole.
    pub(crate) fn check_stores(&self) -> Result<(), RequestError> {
        if self.state.live().is_some_and(Live::is_quarantined) {
            return Err(RequestError::Quarantined);
        }
        if self.volatile.link == Link::Restoring {
            let state = "waiting for its close: the peer's store was restored";
            return Err(RequestError::NotOpen { state });
        }
        Ok(())
    }
}
