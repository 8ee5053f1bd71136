//! Opening a channel (protocol section 7): request, answer, and both signatures on commitment 0.
//!
//! ```text
//! opener                                      acceptor
//! offer ── Offered ──▶ OpenChannel ─────────▶ answer ── Answered
//! handle_accept_channel ◀── AcceptChannel ◀──┘
//!   └─ OpeningSigned ──▶ SignOpening ───────▶ handle_sign_opening ── Opened
//! handle_sign_opening ◀────── SignOpening ◀──┘
//!   └─ Opened, with the funding transaction signed: only now does a witness exist
//! ```
//!
//! Until its own `Opened` the opener can walk away: no witness of its coins has left. The acceptor brings no coins.
//! After a reconnection the opener repeats its last message, and gets the same answer.

use bitcoin::hashes::{Hash, HashEngine, sha256};
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use strait_onchain::{ChannelKeyBytes, FundingPlan, FundingTransaction, WalletCoin};
use strait_primitives::{
    BlockDelta, BlockHeight, ChannelId, CommitmentNumber, Digest, FeeRate, KeySalt, NodeId, Party,
    RevocationHash, Sats, SchnorrSignature, Timestamp,
};
use strait_signer::{ChannelSigner, SigningState};
use strait_wire::{
    AcceptChannel, ChannelKeys, Contribution, FaultCode, FundingInput, Note, OpenChannel,
    Parameters, ScriptBytes, SignOpening,
};

use crate::channel::{Channel, Link, Volatile};
use crate::commitments::{
    Commitments, Content, funding_script, public_keys, txid_digest, wallet_script,
};
use crate::decision::{Decision, Notice, Reaction, Violation};
use crate::event::{ChannelEvent, Signed};
use crate::ledger::{LOCKS_MAX, Ledger};
use crate::limits::{CAPACITY_MIN, DELAY_MAX, DELAY_MIN, DEPTH_MAX, DUST_EXPOSURE_MAX};
use crate::round::{out_of_place, unexpected};
use crate::setup::{FundingOutput, Setup};
use crate::state::{ChannelState, OpeningSigned, Phase, setup_of};

/// What this node's operator wants of channels that are being opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningPolicy {
    /// The chain, as the hash of its genesis block.
    pub chain: Digest,
    /// What this node demands of the other side.
    pub parameters: Parameters,
    /// The longest delay this node accepts for its own outputs.
    pub delay_max: BlockDelta,
    /// The deepest funding this node is willing to wait for.
    pub depth_max: BlockDelta,
    /// The smallest channel this node takes part in.
    pub capacity_min: Sats,
    /// The largest channel this node takes part in.
    pub capacity_max: Sats,
}

/// What an opener brings to a new channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The other node.
    pub peer: NodeId,
    /// Makes the channel's name unique.
    pub nonce: Digest,
    /// Makes the channel's keys unique.
    pub salt: KeySalt,
    /// The coins.
    pub contribution: Contribution,
    /// The rate of the opening fee.
    pub fee_rate: FeeRate,
    /// Where this node is paid when the peer closes.
    pub wallet_script: ScriptBytes,
}

/// What an acceptor answers a request with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The other node.
    pub peer: NodeId,
    /// Its request.
    pub open: OpenChannel,
    /// Makes the channel's keys unique.
    pub salt: KeySalt,
    /// Where this node is paid when the peer closes.
    pub wallet_script: ScriptBytes,
}

/// The peer's signature on commitment 0, and when it came.
#[derive(Clone, Copy)]
struct Heard<'a> {
    message: &'a SignOpening,
    tip: BlockHeight,
}

/// A channel's name: a hash of both nodes and the opener's nonce.
#[must_use]
pub fn channel_id(opener: &NodeId, acceptor: &NodeId, nonce: &Digest) -> ChannelId {
    let mut engine = sha256::Hash::engine();
    engine.input(b"strait/channel/1");
    engine.input(opener.as_bytes());
    engine.input(acceptor.as_bytes());
    engine.input(nonce.as_bytes());
    ChannelId::from_bytes(sha256::Hash::from_engine(engine).to_byte_array())
}

impl Channel {
    /// Asks a peer for a channel.
    #[must_use]
    pub fn offer(
        own: &NodeId,
        offer: Offer,
        policy: &OpeningPolicy,
        signer: ChannelSigner,
        now: Timestamp,
        out: &mut Decision,
    ) -> Self {
        let open = OpenChannel {
            channel: channel_id(own, &offer.peer, &offer.nonce),
            nonce: offer.nonce,
            chain: policy.chain,
            parameters: policy.parameters.clone(),
            keys: own_keys(&signer),
            revocation: first_hashes(&signer),
            wallet_script: offer.wallet_script,
            contribution: offer.contribution,
            fee_rate: offer.fee_rate,
        };
        out.send(open.clone());
        let event = ChannelEvent::Offered { peer: offer.peer, salt: offer.salt, open };
        Self::begin(event, signer, now, out)
    }

    /// Answers a peer that asks for a channel.
    ///
    /// # Errors
    /// [`Reaction::Refuse`] says what the peer would have to change.
    pub fn answer(
        own: &NodeId,
        answer: Answer,
        policy: &OpeningPolicy,
        signer: ChannelSigner,
        now: Timestamp,
        out: &mut Decision,
    ) -> Result<Self, Reaction> {
        let Answer { peer, open, salt, wallet_script: script } = answer;
        if open.channel != channel_id(&peer, own, &open.nonce) {
            return Err(refuse("the channel's name does not follow from its nonce"));
        }
        policy.check_open(&open).map_err(to_refusal)?;
        let accept = AcceptChannel {
            channel: open.channel,
            parameters: policy.parameters.clone(),
            keys: own_keys(&signer),
            revocation: first_hashes(&signer),
            wallet_script: script,
        };
        // Building everything now shows unusable keys before anything is promised.
        let funding = funding_transaction(&open, &accept).map_err(to_refusal)?.1;
        Commitments::new(&setup_of(Party::Acceptor, &open, &accept, funding))
            .map_err(|violation| refuse(&violation.to_string()))?;
        out.send(accept.clone());
        let event = ChannelEvent::Answered { peer, salt, open, accept };
        Ok(Self::begin(event, signer, now, out))
    }

    fn begin(
        event: ChannelEvent,
        signer: ChannelSigner,
        now: Timestamp,
        out: &mut Decision,
    ) -> Self {
        let state = ChannelState::begin(&event).expect("offers and answers begin channels");
        out.events.push(event);
        let mut volatile = Volatile::new();
        volatile.opening_since = Some(now);
        Self { state, signer, commitments: None, volatile }
    }

    /// The opener asks again, after a reconnection: the answer is the same.
    ///
    /// # Errors
    /// [`Reaction`] if it asks for something else under the same name.
    pub fn handle_open_again(
        &self,
        open: &OpenChannel,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        match &self.state.phase {
            Phase::Answered(answered) if answered.open == *open => {
                out.send(answered.accept.clone());
                Ok(())
            }
            Phase::Answered(_) => Err(Violation::Changed { message: "OpenChannel" }.into()),
            Phase::Offered(_)
            | Phase::OpeningSigned(_)
            | Phase::Live(_)
            | Phase::Abandoned
            | Phase::Resolved => Err(refuse("a channel of this name exists already")),
        }
    }

    /// The acceptor's answer has come: signs its commitment 0.
    ///
    /// # Errors
    /// [`Reaction`] if the answer is not acceptable.
    pub fn handle_accept_channel(
        &mut self,
        accept: AcceptChannel,
        policy: &OpeningPolicy,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let offered = match &self.state.phase {
            Phase::Offered(offered) => offered,
            Phase::OpeningSigned(signed) if signed.accept == accept => {
                let message = signed.message(self.id());
                out.send(message);
                return Ok(());
            }
            Phase::OpeningSigned(_) => {
                return Err(Violation::Changed { message: "AcceptChannel" }.into());
            }
            Phase::Answered(_) | Phase::Live(_) | Phase::Abandoned | Phase::Resolved => {
                return Err(out_of_place("AcceptChannel"));
            }
        };
        policy.check_parameters(&accept.parameters)?;
        wallet_script(&accept.wallet_script)?;
        let (_, funding) = funding_transaction(&offered.open, &accept)?;
        let setup = setup_of(Party::Opener, &offered.open, &accept, funding);
        let commitments = Commitments::new(&setup)?;
        let [first, _] = accept.revocation;
        let signature = self.sign_first(&commitments, &setup, first);
        self.commitments = Some(commitments);
        self.record(ChannelEvent::OpeningSigned { accept, funding, signature }, out);
        let Phase::OpeningSigned(signed) = &self.state.phase else {
            panic!("the event just recorded leads here");
        };
        let message = signed.message(self.id());
        out.send(message);
        Ok(())
    }

    /// The peer has signed this node's commitment 0. The acceptor answers with its own signature; the opener has the
    /// funding transaction signed by `sign_funding`, and the channel is on its way to the chain.
    ///
    /// # Errors
    /// [`Reaction`] if the signature or the funding transaction is not the expected one.
    pub fn handle_sign_opening(
        &mut self,
        message: &SignOpening,
        tip: BlockHeight,
        sign_funding: impl FnOnce(&FundingTransaction) -> Transaction,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let heard = Heard { message, tip };
        match &self.state.phase {
            Phase::Answered(answered) => {
                let (open, accept) = (answered.open.clone(), answered.accept.clone());
                let (_, funding) = funding_transaction(&open, &accept)?;
                let setup = setup_of(Party::Acceptor, &open, &accept, funding);
                let commitments = Commitments::new(&setup)?;
                let [first, _] = open.revocation;
                let own = self.sign_first(&commitments, &setup, first);
                self.open(heard, commitments, &setup, own, None::<fn() -> Transaction>, out)?;
                out.send(opening_message(self.id(), funding.txid, own.signature));
                Ok(())
            }
            Phase::OpeningSigned(signed) => {
                let (open, accept, own) =
                    (signed.open.clone(), signed.accept.clone(), signed.signature);
                let (unsigned, funding) = funding_transaction(&open, &accept)?;
                let setup = setup_of(Party::Opener, &open, &accept, funding);
                let commitments = Commitments::new(&setup)?;
                let sign = move || sign_funding(&unsigned);
                self.open(heard, commitments, &setup, own, Some(sign), out)
            }
            // One that closes, or that has lost data, gives no signature away any more: its opener is told to give up.
            Phase::Live(live)
                if live.rounds.number == CommitmentNumber::FIRST && live.is_running() =>
            {
                // Once on each connection: it costs this node a signature, and its opener nothing.
                if self.volatile.link != Link::Up {
                    self.repeat_signature(out);
                }
                Ok(())
            }
            Phase::Live(_) => Err(out_of_place("SignOpening")),
            Phase::Offered(_) | Phase::Abandoned | Phase::Resolved => {
                Err(unexpected("SignOpening", self.state.phase.name()))
            }
        }
    }

    fn open(
        &mut self,
        heard: Heard<'_>,
        commitments: Commitments,
        setup: &Setup,
        own: Signed,
        sign_funding: Option<impl FnOnce() -> Transaction>,
        out: &mut Decision,
    ) -> Result<(), Reaction> {
        let Heard { message, tip } = heard;
        let expected = setup.funding.txid;
        if message.funding_txid != expected {
            return Err(Violation::Funding { actual: message.funding_txid, expected }.into());
        }
        let number = CommitmentNumber::FIRST;
        let hash = self.signer.revocation_hash(number);
        let content = Content { number, hash, ledger: &first_ledger(setup), contracts: None };
        if !commitments.verify_holder(setup, content, &message.signature) {
            return Err(Violation::Signature { number }.into());
        }
        let transaction = sign_funding.map(|sign| sign());
        if let Some(signed) = &transaction {
            assert_eq!(txid_digest(signed.compute_txid()), expected, "signing changes no txid");
        }
        self.commitments = Some(commitments);
        let event = ChannelEvent::Opened {
            funding: setup.funding,
            holder_signature: message.signature,
            counterparty_signature: own,
            tip,
        };
        self.record(event, out);
        self.volatile.link = Link::Up;
        self.volatile.opening_since = None;
        if let Some(transaction) = transaction {
            out.effects.push(crate::ChannelEffect::Broadcast(transaction));
        }
        out.notice(Notice::Opened);
        Ok(())
    }

    /// The opener has lost this node's signature: says it again, and both go on.
    fn repeat_signature(&mut self, out: &mut Decision) {
        let setup = self.live().setup.clone();
        if setup.party == Party::Opener {
            return;
        }
        let [first, _] = self.live().rounds.counterparty_hashes;
        let commitments = self.commitments.as_ref().expect("a live channel builds commitments");
        let own = self.sign_first(commitments, &setup, first);
        out.send(opening_message(self.id(), setup.funding.txid, own.signature));
        self.volatile.link = Link::Up;
        self.repeat_offers(out);
    }

    fn sign_first(&self, commitments: &Commitments, setup: &Setup, hash: RevocationHash) -> Signed {
        let number = CommitmentNumber::FIRST;
        let content = Content { number, hash, ledger: &first_ledger(setup), contracts: None };
        let unsigned = SigningState::new();
        let signing = self.state.live().map_or(&unsigned, |live| &live.signing);
        commitments.sign_counterparty(setup, signing, &self.signer, content)
    }
}

impl OpeningSigned {
    /// What the opener says once it has signed.
    pub(crate) const fn message(&self, channel: ChannelId) -> SignOpening {
        opening_message(channel, self.funding.txid, self.signature.signature)
    }
}

const fn opening_message(
    channel: ChannelId,
    funding_txid: Digest,
    signature: SchnorrSignature,
) -> SignOpening {
    SignOpening { channel, funding_txid, signature }
}

impl OpeningPolicy {
    fn check_open(&self, open: &OpenChannel) -> Result<(), Reaction> {
        if open.chain != self.chain {
            return Err(refuse("another chain"));
        }
        self.check_parameters(&open.parameters)?;
        wallet_script(&open.wallet_script)?;
        let capacity = open.contribution.amount;
        let smallest = self.capacity_min.max(CAPACITY_MIN);
        if capacity < smallest || capacity > self.capacity_max {
            return Err(refuse(&format!(
                "a capacity of {capacity}, allowed is {smallest} to {}",
                self.capacity_max
            )));
        }
        Ok(())
    }

    fn check_parameters(&self, theirs: &Parameters) -> Result<(), Reaction> {
        if theirs.delay < DELAY_MIN || theirs.delay > DELAY_MAX.min(self.delay_max) {
            let most = DELAY_MAX.min(self.delay_max);
            return Err(refuse(&format!(
                "a delay of {}, allowed is {DELAY_MIN} to {most}",
                theirs.delay
            )));
        }
        if theirs.depth > DEPTH_MAX.min(self.depth_max) {
            return Err(refuse(&format!("a funding depth of {}", theirs.depth)));
        }
        if theirs.locks_max > LOCKS_MAX {
            return Err(refuse(&format!(
                "{} locks each way, a commitment holds {LOCKS_MAX}",
                theirs.locks_max
            )));
        }
        if theirs.dust_exposure_max > DUST_EXPOSURE_MAX {
            return Err(refuse("a dust exposure above the protocol's cap"));
        }
        Ok(())
    }
}

/// The funding transaction that both sides build, without witnesses, and its funding output.
fn funding_transaction(
    open: &OpenChannel,
    accept: &AcceptChannel,
) -> Result<(FundingTransaction, FundingOutput), Reaction> {
    let script = funding_script(&public_keys(&open.keys)?, &public_keys(&accept.keys)?)?;
    let contribution = &open.contribution;
    let value = contribution.amount;
    let plan = FundingPlan {
        opener: strait_onchain::Contribution {
            amount: value,
            coins: contribution.inputs.iter().map(coin).collect(),
            change: wallet_script(&contribution.change)?,
        },
        acceptor: strait_onchain::Contribution {
            amount: Sats::ZERO,
            coins: Vec::new(),
            change: wallet_script(&accept.wallet_script)?,
        },
        outputs: vec![strait_onchain::FundingOutput { script, value }],
        fee_rate: open.fee_rate,
    };
    let transaction = FundingTransaction::new(&plan).map_err(|e| refuse(&e.to_string()))?;
    let pays = |output: &TxOut| output.script_pubkey == script.script_pubkey();
    if transaction.unsigned().output.iter().filter(|output| pays(output)).count() != 1 {
        return Err(refuse("the change goes to the funding output's own script"));
    }
    let place = transaction.outpoint_of(&script).expect("the plan has this output");
    let funding = FundingOutput { txid: txid_digest(place.txid), index: place.vout, value };
    Ok((transaction, funding))
}

fn coin(input: &FundingInput) -> WalletCoin {
    WalletCoin {
        outpoint: OutPoint {
            txid: Txid::from_byte_array(input.txid.to_bytes()),
            vout: input.index,
        },
        output: TxOut {
            value: Amount::from_sat(input.value.to_sat()),
            script_pubkey: ScriptBuf::from_bytes(input.script.as_bytes().to_vec()),
        },
    }
}

fn own_keys(signer: &ChannelSigner) -> ChannelKeys {
    let ChannelKeyBytes { funding, penalty, delayed, lock } = signer.public_keys().to_key_bytes();
    ChannelKeys { funding, penalty, delayed, lock }
}

fn first_hashes(signer: &ChannelSigner) -> [RevocationHash; 2] {
    let second = CommitmentNumber::FIRST.next().expect("there are many numbers");
    [signer.revocation_hash(CommitmentNumber::FIRST), signer.revocation_hash(second)]
}

fn first_ledger(setup: &Setup) -> Ledger {
    Ledger::open(setup.contribution, BlockHeight::new(0), &setup.rules())
}

/// Before anything exists a violation is nothing but a reason to refuse.
fn to_refusal(reaction: Reaction) -> Reaction {
    match reaction {
        Reaction::Close(violation) => refuse(&violation.to_string()),
        Reaction::Refuse { .. } | Reaction::Retry(_) => reaction,
    }
}

fn refuse(note: &str) -> Reaction {
    Reaction::Refuse { code: FaultCode::Refused, note: Note::cut(note) }
}
