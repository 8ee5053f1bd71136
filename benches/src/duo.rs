//! Two channel machines that talk through frames: a round without disk and network.

use bitcoin::hashes::{Hash, sha256};
use strait_channel::{
    Answer, Channel, ChannelEffect, ChannelEvent, ContractPolicy, Decision, Moment, Offer,
    OpeningPolicy, Request, TipStanding,
};
use strait_contract::{ScriptedRuntime, Terms};
use strait_primitives::{
    BlockDelta, BlockHeight, Digest, FeeRate, KeySalt, MilliSats, NodeId, RequestKey, Sats,
    Timestamp,
};
use strait_signer::{ChannelSigner, Seed, SeedWords, Zeroizing};
use strait_wire::{
    Contribution, FundingInput, Message, Operation, Operations, Parameters, Reference, ScriptBytes,
};

/// Ten bitcoin: more than any bench pays.
const CAPACITY: Sats = Sats::from_const(1_000_000_000);
/// One satoshi, so that every round changes both outputs.
const PAYMENT: MilliSats = MilliSats::from_const(1_000);
/// Bytes of a payment's reference: an order number.
const REFERENCE_BYTES: usize = 16;
/// Where the chain stands, deep enough above the funding.
const TIP: BlockHeight = BlockHeight::new(200);
const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

/// What each side wrote into its log.
#[derive(Debug, Default)]
pub struct Log {
    /// The opener's events: it pays.
    pub payer: Vec<ChannelEvent>,
    /// The acceptor's events: it is paid.
    pub payee: Vec<ChannelEvent>,
}

/// A channel of which both ends are here.
#[derive(Debug)]
pub struct Duo {
    payer: Channel,
    payee: Channel,
    contracts: ScriptedRuntime,
    /// Requests made so far.
    requests: u64,
}

/// No bench offers a contract.
struct NoContracts;

impl ContractPolicy for NoContracts {
    fn judge(&self, _: &Terms, _: MilliSats) -> Result<(), String> {
        Err("no contracts here".to_owned())
    }
}

impl Duo {
    /// Opens a channel and mines its funding output; also gives what both logs hold of that.
    ///
    /// # Panics
    /// Never: both sides follow the protocol.
    #[must_use]
    pub fn open() -> (Self, Log) {
        let [payer, payee] = [1, 2].map(|byte| NodeId::from_bytes([byte; 33]));
        let mut log = Log::default();
        let mut out = Decision::default();
        let offered = Channel::offer(&payer, offer(payee), &policy(), signer(1), NOW, &mut out);
        let Message::OpenChannel(open) = sent(out, &mut log.payer) else {
            panic!("an offer sends a request")
        };
        let answer = Answer { peer: payer, open, salt: salt(2), wallet_script: wallet(2) };
        let mut out = Decision::default();
        let answered = Channel::answer(&payee, answer, &policy(), signer(2), NOW, &mut out)
            .expect("the policy allows it");
        let Message::AcceptChannel(accept) = sent(out, &mut log.payee) else {
            panic!("an answer sends an acceptance")
        };
        let contracts = ScriptedRuntime::new();
        let mut duo = Self { payer: offered, payee: answered, contracts, requests: 0 };
        let mut out = Decision::default();
        duo.payer.handle_accept_channel(accept, &policy(), &mut out).expect("as agreed");
        let Message::SignOpening(first) = sent(out, &mut log.payer) else {
            panic!("the opener signs")
        };
        let mut out = Decision::default();
        let unsigned = |tx: &strait_onchain::FundingTransaction| tx.unsigned().clone();
        duo.payee.handle_sign_opening(&first, TIP, unsigned, &mut out).expect("as agreed");
        let Message::SignOpening(second) = sent(out, &mut log.payee) else {
            panic!("the acceptor signs")
        };
        let mut out = Decision::default();
        duo.payer.handle_sign_opening(&second, TIP, unsigned, &mut out).expect("as agreed");
        duo.payer.handle_funding_mined(BlockHeight::new(100), &mut out);
        log.payer.append(&mut out.events);
        let mut out = Decision::default();
        duo.payee.handle_funding_mined(BlockHeight::new(100), &mut out);
        log.payee.append(&mut out.events);
        (duo, log)
    }

    /// `count` requests of one payment each, as callers queue them.
    ///
    /// # Panics
    /// Never: one payment fits a round.
    pub fn requests(&mut self, count: u64) -> Vec<Request> {
        (0..count).map(|_| self.request()).collect()
    }

    fn request(&mut self) -> Request {
        self.requests += 1;
        // Keys are hashes: neighbours in time are not neighbours in the book.
        let hash = sha256::Hash::hash(&self.requests.to_be_bytes()).to_byte_array();
        let half = |at: usize| {
            RequestKey::from_slice(hash.get(at..at + 16).expect("half of 32 bytes"))
                .expect("16 bytes")
        };
        let operations =
            Operations::new(vec![payment(self.requests)]).expect("one payment fits a round");
        Request { key: half(0), digest: half(16), operations }
    }

    /// One round with these requests, from the queue to the payee's `Finalized`; gives what both wrote.
    ///
    /// # Panics
    /// Never: both sides follow the protocol.
    pub fn round(&mut self, requests: Vec<Request>) -> Log {
        let Self { payer, payee, contracts, .. } = self;
        let moment = Moment {
            now: NOW,
            tip: TIP,
            tip_standing: TipStanding::Current,
            contracts,
            policy: &NoContracts,
            settlements: &[],
            close_fee_rate: FeeRate::from_sat_per_kvb(1_000),
            entropy: [0; 32],
        };
        let mut log = Log::default();
        for request in requests {
            payer.request(request).expect("the queue has room for a round");
        }
        let mut out = Decision::default();
        payer.poll(&moment, &mut out);
        let propose = carried(&sent(out, &mut log.payer));
        let mut out = Decision::default();
        payee.handle_message(propose, &moment, &mut out).expect("a sound proposal");
        let accept = carried(&sent(out, &mut log.payee));
        let mut out = Decision::default();
        payer.handle_message(accept, &moment, &mut out).expect("a sound acceptance");
        let finalize = carried(&sent(out, &mut log.payer));
        let mut out = Decision::default();
        payee.handle_message(finalize, &moment, &mut out).expect("a sound end");
        log.payee.append(&mut out.events);
        log
    }

    /// The payer's machine and the payee's.
    pub(crate) const fn channels(&self) -> (&Channel, &Channel) {
        (&self.payer, &self.payee)
    }

    /// The channel's name.
    #[must_use]
    pub const fn id(&self) -> strait_primitives::ChannelId {
        self.payer.id()
    }
}

/// A payment with a reference of its own.
pub(crate) fn payment(number: u64) -> Operation {
    let mut reference = [0x5a; REFERENCE_BYTES];
    if let Some(tail) = reference.last_chunk_mut::<8>() {
        *tail = number.to_be_bytes();
    }
    let reference = Reference::new(reference).expect("16 bytes are below the limit");
    Operation::Pay { amount: PAYMENT, reference }
}

/// Keeps the events, gives the one message.
fn sent(mut out: Decision, events: &mut Vec<ChannelEvent>) -> Message {
    events.append(&mut out.events);
    out.effects
        .into_iter()
        .find_map(|effect| match effect {
            ChannelEffect::Send(message) => Some(message),
            ChannelEffect::Broadcast(_) | ChannelEffect::Disconnect | ChannelEffect::Notice(_) => {
                None
            }
        })
        .expect("each step of these sends one message")
}

/// The message as it arrives at the other end.
fn carried(message: &Message) -> Message {
    Message::from_frame(&message.to_frame()).expect("our own frame").expect("a known message")
}

fn offer(peer: NodeId) -> Offer {
    let input = FundingInput {
        txid: Digest::from_bytes([3; 32]),
        index: 0,
        value: Sats::from_const(1_100_000_000),
        script: script(&[&[0x51, 0x20], [3; 32].as_slice()]),
    };
    Offer {
        peer,
        nonce: Digest::from_bytes([5; 32]),
        salt: salt(1),
        contribution: Contribution { amount: CAPACITY, inputs: vec![input], change: wallet(3) },
        fee_rate: FeeRate::from_sat_per_kvb(2_000),
        wallet_script: wallet(1),
    }
}

fn policy() -> OpeningPolicy {
    OpeningPolicy {
        chain: Digest::from_bytes([6; 32]),
        parameters: Parameters {
            delay: BlockDelta::new(144),
            locks_max: 30,
            contract_locks_max: 0,
            lock_min: MilliSats::from_const(1_000),
            dust_exposure_max: MilliSats::from_const(5_000_000),
            depth: BlockDelta::new(1),
        },
        delay_max: BlockDelta::new(2_016),
        depth_max: BlockDelta::new(6),
        capacity_min: Sats::from_const(20_000),
        capacity_max: CAPACITY,
    }
}

fn signer(byte: u8) -> ChannelSigner {
    let words = SeedWords::generate(&Zeroizing::new([byte; 32]));
    Seed::new(&words, bitcoin::Network::Regtest).channel_signer(&salt(byte))
}

fn salt(byte: u8) -> KeySalt {
    KeySalt::from_bytes([byte; 32])
}

/// A pay-to-witness-key-hash script.
fn wallet(byte: u8) -> ScriptBytes {
    script(&[&[0, 20], [byte; 20].as_slice()])
}

fn script(parts: &[&[u8]]) -> ScriptBytes {
    ScriptBytes::new(parts.concat()).expect("as short as scripts may be")
}
