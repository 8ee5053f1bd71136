//! `apply`: the fold. Total over events this node wrote; every promise the machine made when it wrote them is asserted
//! again here, so a log that breaks one stops the node instead of being believed.

use strait_primitives::{
    BlockHeight, CommitmentNumber, Digest, Party, RevocationHash, RevocationSecret, Sats,
    SchnorrSignature, Side,
};
use strait_signer::{SecretStore, SigningEvent, SigningState};
use strait_wire::{
    AcceptChannel, OpenChannel, Operation, Operations, ScriptBytes, TurnMove, TurnWish,
};

use super::{
    Answered, ChannelState, Closing, Ended, Funded, Live, LockHistory, Offered, OpeningSigned,
    Outstanding, Phase, Rounds,
};
use crate::Pair;
use crate::event::{AbandonReason, CarriedRequest, ChannelEvent, ForceReason, Signed, Spender};
use crate::ledger::{ContractChange, Contracts, Ledger, RoundContext};
use crate::setup::{FundingOutput, Setup};

impl ChannelState {
    /// The state after a channel's first event; `None` if this event cannot be the first.
    #[must_use]
    pub fn begin(event: &ChannelEvent) -> Option<Self> {
        if let ChannelEvent::Offered { peer, salt, open } = event {
            return Some(Self {
                id: open.channel,
                peer: *peer,
                party: Party::Opener,
                salt: *salt,
                phase: Phase::Offered(Box::new(Offered { open: open.clone() })),
                ended: None,
            });
        }
        let ChannelEvent::Answered { peer, salt, open, accept } = event else { return None };
        let answered = Answered { open: open.clone(), accept: accept.clone() };
        Some(Self {
            id: open.channel,
            peer: *peer,
            party: Party::Acceptor,
            salt: *salt,
            phase: Phase::Answered(Box::new(answered)),
            ended: None,
        })
    }

    fn abandon(&mut self, reason: AbandonReason) {
        let is_void = |live: &Live| match reason {
            AbandonReason::Conflicted => live.funded == Funded::Waiting,
            AbandonReason::Peer | AbandonReason::Expired | AbandonReason::Operator => {
                live.is_unfunded_guest()
            }
        };
        assert!(
            self.live().is_none_or(is_void),
            "a live channel with something in it cannot be abandoned"
        );
        let ended = Ended::abandoned(reason, &self.phase, self.party);
        self.ended = Some(Box::new(ended));
        self.phase = Phase::Abandoned;
    }

    fn settle(&mut self, by: Spender) {
        let live = self.live().expect("only a live channel is settled");
        let ended = Ended::settled(by, live, self.party);
        self.ended = Some(Box::new(ended));
        self.phase = Phase::Resolved;
    }

    /// Folds one later event in.
    ///
    /// # Panics
    /// If the event cannot follow this state: this node did not write this log.
    pub fn apply(&mut self, event: &ChannelEvent) {
        use ChannelEvent as E;
        match event {
            E::Offered { .. } | E::Answered { .. } => panic!("a channel begins once"),
            E::OpeningSigned { accept, funding, signature } => {
                self.sign_opening(accept, *funding, *signature);
            }
            E::Opened { funding, holder_signature, counterparty_signature, tip } => {
                self.open(*funding, *holder_signature, counterparty_signature.digest, *tip);
            }
            E::Abandoned { reason } => self.abandon(*reason),
            E::Resolved { by } => self.settle(*by),
            E::Proposed { number, operations, contracts, requests, signature } => {
                let round = Round { number: *number, operations, contracts };
                self.live_mut().propose(round, requests, *signature);
            }
            E::Accepted {
                number,
                operations,
                contracts,
                holder_signature,
                counterparty_signature,
                turn,
            } => {
                let round = Round { number: *number, operations, contracts };
                self.live_mut().accept(round, *holder_signature, *counterparty_signature, *turn);
            }
            E::Revoked { number, holder_signature, secret, next_hash, turn } => {
                let live = self.live_mut();
                live.end_own_round(*number, *holder_signature, *turn);
                live.signing.apply(SigningEvent::HolderVerified { number: *number });
                live.learn_secret(*number, *secret, *next_hash);
                live.signing.apply(SigningEvent::HolderRevoked { number: before(*number) });
            }
            E::Finalized { number, secret, next_hash, turn } => {
                let live = self.live_mut();
                live.end_their_round(*number, *turn);
                live.learn_secret(*number, *secret, *next_hash);
            }
            E::ContractOffered { contract, agreement } => {
                self.live_mut().offers.insert(*contract, agreement.clone());
            }
            E::ContractAgreed { contract, agreement } => {
                self.live_mut().offers.remove(contract);
                self.live_mut().agreements.insert(*contract, agreement.clone());
            }
            E::ContractRefused { contract } => {
                self.live_mut().offers.remove(contract);
                self.live_mut().agreements.remove(contract);
            }
            E::ShutdownSent { script } => self.live_mut().shut_down(Side::Holder, script),
            E::ShutdownReceived { script } => {
                self.live_mut().shut_down(Side::Counterparty, script);
            }
            E::CloseAgreed { transaction } => self.live_mut().agree_close(transaction),
            E::ForceClosed { reason } => self.live_mut().force_close(*reason),
            E::DataLost { proven: _ } => self.live_mut().lose(),
            E::FundingConfirmed { height } => self.live_mut().funded = Funded::Mined(*height),
            E::FundingUnconfirmed => self.live_mut().funded = Funded::Waiting,
            E::RecoveryChosen { choice } => self.live_mut().choose(*choice),
            E::Spent { txid, height, by } => self.live_mut().spend(*txid, *height, *by),
            E::Unspent => self.live_mut().unspend(),
        }
    }

    fn sign_opening(&mut self, accept: &AcceptChannel, funding: FundingOutput, signature: Signed) {
        let Phase::Offered(offered) = &self.phase else { panic!("only an offer can be signed") };
        self.phase = Phase::OpeningSigned(Box::new(OpeningSigned {
            open: offered.open.clone(),
            accept: accept.clone(),
            funding,
            signature,
        }));
    }

    fn open(
        &mut self,
        funding: FundingOutput,
        holder_signature: SchnorrSignature,
        digest: Digest,
        tip: BlockHeight,
    ) {
        let (open, accept) = match &self.phase {
            Phase::Answered(answered) => (&answered.open, &answered.accept),
            Phase::OpeningSigned(signed) => (&signed.open, &signed.accept),
            Phase::Offered(_) | Phase::Live(_) | Phase::Abandoned | Phase::Resolved => {
                panic!("only a signed opening can open")
            }
        };
        let setup = setup_of(self.party, open, accept, funding);
        let ledger = Ledger::open(setup.contribution, BlockHeight::new(0), &setup.rules());
        let theirs = match self.party {
            Party::Opener => accept.revocation,
            Party::Acceptor => open.revocation,
        };
        let turn = match self.party {
            Party::Opener => Side::Holder,
            Party::Acceptor => Side::Counterparty,
        };
        let number = CommitmentNumber::FIRST;
        let mut signing = SigningState::new();
        signing.apply(SigningEvent::CounterpartySigned { number, digest });
        signing.apply(SigningEvent::HolderVerified { number });
        self.phase = Phase::Live(Box::new(Live {
            setup,
            funded: Funded::Waiting,
            rounds: Rounds {
                number: CommitmentNumber::FIRST,
                ledger,
                holder_signature,
                turn,
                outstanding: None,
                last_finalize: None,
                secrets: SecretStore::default(),
                counterparty_hashes: theirs,
            },
            offers: Default::default(),
            agreements: Default::default(),
            history: LockHistory::default(),
            closing: Closing::Running,
            signing,
            signed_at: tip,
            backup_taken: None,
            recovery: None,
        }));
    }

    fn live_mut(&mut self) -> &mut Live {
        let Phase::Live(live) = &mut self.phase else { panic!("this event needs a live channel") };
        live
    }
}

/// The constants that follow from a request and its answer.
pub(crate) fn setup_of(
    party: Party,
    open: &OpenChannel,
    accept: &AcceptChannel,
    funding: FundingOutput,
) -> Setup {
    Setup {
        party,
        nonce: open.nonce,
        keys: Pair { opener: open.keys, acceptor: accept.keys },
        parameters: Pair { opener: open.parameters.clone(), acceptor: accept.parameters.clone() },
        wallet_scripts: Pair {
            opener: open.wallet_script.clone(),
            acceptor: accept.wallet_script.clone(),
        },
        contribution: Pair { opener: open.contribution.amount, acceptor: Sats::ZERO },
        funding,
    }
}

/// What two nodes compute a ledger from: the same for the proposer and the receiver.
#[derive(Clone, Copy)]
struct Round<'a> {
    number: CommitmentNumber,
    operations: &'a Operations,
    contracts: &'a [ContractChange],
}

impl Live {
    fn propose(&mut self, round: Round<'_>, requests: &[CarriedRequest], signed: Signed) {
        let Round { number, operations, .. } = round;
        assert_eq!(self.rounds.turn, Side::Holder, "only the holder of the turn proposes");
        let ledger = self.replay(self.setup.party, round);
        self.history.note(number, &ledger);
        self.note_signed(number, signed.digest);
        self.rounds.outstanding = Some(Outstanding::Proposed {
            number,
            operations: operations.clone(),
            signature: signed.signature,
            ledger,
            requests: requests.to_vec(),
        });
    }

    fn accept(
        &mut self,
        round: Round<'_>,
        holder_signature: SchnorrSignature,
        counterparty_signature: Signed,
        turn: TurnWish,
    ) {
        let Round { number, operations, .. } = round;
        assert_eq!(self.rounds.turn, Side::Counterparty, "only the other proposes to us");
        let ledger = self.replay(!self.setup.party, round);
        self.history.note(number, &ledger);
        self.signing.apply(SigningEvent::HolderVerified { number });
        self.note_signed(number, counterparty_signature.digest);
        self.signing.apply(SigningEvent::HolderRevoked { number: before(number) });
        let previous = core::mem::replace(&mut self.rounds.ledger, ledger);
        self.rounds.number = number;
        self.rounds.holder_signature = holder_signature;
        self.rounds.outstanding = Some(Outstanding::Accepted {
            previous,
            operations: operations.clone(),
            signature: counterparty_signature.signature,
            turn,
        });
    }

    fn replay(&self, proposer: Party, round: Round<'_>) -> Ledger {
        let Round { number, operations, contracts } = round;
        assert!(self.is_running(), "a closing channel has no more rounds");
        assert!(self.rounds.outstanding.is_none(), "one round at a time");
        assert_eq!(self.rounds.number.next(), Some(number), "numbers have no gaps");
        let rules = self.setup.rules();
        let contracts = Contracts::Replay(contracts);
        let mut ctx = RoundContext::new(&rules, proposer, number, &self.agreements, contracts);
        let mut ledger = self.rounds.ledger.clone();
        ledger
            .apply_all(operations.as_slice(), &mut ctx)
            .expect("a recorded round was allowed when it was recorded");
        ledger
    }

    fn end_own_round(
        &mut self,
        number: CommitmentNumber,
        signature: SchnorrSignature,
        turn: TurnMove,
    ) {
        let Some(Outstanding::Proposed { number: proposed, ledger, operations, .. }) =
            self.rounds.outstanding.take()
        else {
            panic!("only a proposal can be accepted")
        };
        assert_eq!(proposed, number, "the accepted number is the proposed one");
        self.drop_agreements(number, &operations);
        self.rounds.number = number;
        self.rounds.ledger = ledger;
        self.rounds.holder_signature = signature;
        self.rounds.last_finalize = Some((number, turn));
        self.rounds.turn = match turn {
            TurnMove::Keep => Side::Holder,
            TurnMove::Yield => Side::Counterparty,
        };
    }

    fn end_their_round(&mut self, number: CommitmentNumber, turn: TurnMove) {
        let Some(Outstanding::Accepted { operations, .. }) = self.rounds.outstanding.take() else {
            panic!("only an acceptance can be finalized")
        };
        assert_eq!(self.rounds.number, number, "the finalized number is the accepted one");
        self.drop_agreements(number, &operations);
        self.rounds.last_finalize = None;
        self.rounds.turn = match turn {
            TurnMove::Keep => Side::Counterparty,
            TurnMove::Yield => Side::Holder,
        };
    }

    /// An agreement is used up by the round that opens its contract, and over when no later round may open it.
    fn drop_agreements(&mut self, number: CommitmentNumber, operations: &Operations) {
        if self.agreements.is_empty() && self.offers.is_empty() {
            return;
        }
        for operation in operations.as_slice() {
            if let Operation::OpenContract { contract } = operation {
                self.agreements.remove(contract);
            }
        }
        self.agreements.retain(|_, agreement| agreement.valid_to > number);
        self.offers.retain(|_, offer| offer.valid_to > number);
    }

    fn learn_secret(
        &mut self,
        number: CommitmentNumber,
        secret: RevocationSecret,
        next_hash: RevocationHash,
    ) {
        let revoked = before(number);
        let [shown, next] = self.rounds.counterparty_hashes;
        self.rounds
            .secrets
            .insert(revoked, secret, &shown)
            .expect("a recorded secret fitted when it was recorded");
        self.signing.apply(SigningEvent::CounterpartyRevoked { number: revoked });
        self.rounds.counterparty_hashes = [next, next_hash];
    }

    fn note_signed(&mut self, number: CommitmentNumber, digest: Digest) {
        self.signing.apply(SigningEvent::CounterpartySigned { number, digest });
    }

    fn shut_down(&mut self, side: Side, script: &ScriptBytes) {
        self.signing.apply(SigningEvent::Shutdown);
        let (mut holder, mut counterparty) = match &self.closing {
            Closing::Running => (None, None),
            Closing::ShuttingDown { holder, counterparty } => {
                (holder.clone(), counterparty.clone())
            }
            Closing::Agreed { .. } | Closing::Forced(_) | Closing::Lost => return,
        };
        match side {
            Side::Holder => holder = Some(script.clone()),
            Side::Counterparty => counterparty = Some(script.clone()),
        }
        self.closing = Closing::ShuttingDown { holder, counterparty };
    }

    fn agree_close(&mut self, transaction: &[u8]) {
        let (holder, counterparty) = match &self.closing {
            Closing::ShuttingDown { holder: Some(ours), counterparty: Some(theirs) }
            | Closing::Agreed { holder: ours, counterparty: theirs, .. } => {
                (ours.clone(), theirs.clone())
            }
            Closing::Running
            | Closing::ShuttingDown { .. }
            | Closing::Forced(_)
            | Closing::Lost => panic!("a close needs both shutdowns"),
        };
        self.closing = Closing::Agreed { transaction: transaction.to_vec(), holder, counterparty };
    }

    fn force_close(&mut self, reason: ForceReason) {
        let number = self.rounds.number;
        self.signing.apply(SigningEvent::HolderPublished { number });
        self.closing = Closing::Forced(reason);
    }

    /// A channel that was quarantined already waits for its operator; any other asks for its close by itself.
    fn lose(&mut self) {
        let is_awaited = self.is_quarantined();
        self.signing.apply(SigningEvent::DataLost);
        if !is_awaited {
            self.closing = Closing::Lost;
        }
    }

    fn spend(&mut self, txid: Digest, height: BlockHeight, by: Spender) {
        let mined = match self.funded {
            Funded::Mined(mined) | Funded::Spent { mined, .. } => mined,
            Funded::Waiting => height,
        };
        self.funded = Funded::Spent { mined, txid, height, by };
    }

    fn unspend(&mut self) {
        let Funded::Spent { mined, .. } = self.funded else { panic!("only a spend can be undone") };
        self.funded = Funded::Mined(mined);
    }
}

fn before(number: CommitmentNumber) -> CommitmentNumber {
    number.previous().expect("a round leads to at least one")
}
