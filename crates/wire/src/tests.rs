//! What decodes, what does not, and that decoding undoes encoding.

use proptest::prelude::*;
use strait_primitives::{
    BlockDelta, BlockHeight, ChannelId, CommitmentNumber, ContractId, Digest, FeeRate, LockId,
    MilliSats, NodeId, PaymentHash, Preimage, PublicKeyBytes, RevocationHash, RevocationSecret,
    Sats, SchnorrSignature,
};

use crate::limits::{FRAME_BYTES_MAX, FUNDING_INPUTS_MAX, OPERATIONS_MAX};
use crate::{
    Accept, AcceptChannel, AgreeContract, CancelReason, ChannelKeys, CloseOffer, CloseSign,
    CloseTerms, ContractBytes, Contribution, Fault, FaultCode, Finalize, FrameError, FundingInput,
    Hello, Hop, Message, Note, OfferContract, OpenChannel, Operation, Operations, OutstandingRound,
    Parameters, Propose, Reestablish, Reference, RefuseContract, RequestTurn, RoundRole, Route,
    ScriptBytes, Shutdown, SignOpening, StoreState, TurnMove, TurnWish,
};

fn pay(reference: &[u8]) -> Operation {
    Operation::Pay {
        amount: MilliSats::from_const(1_000),
        reference: Reference::new(reference).unwrap(),
    }
}

fn propose(operations: Vec<Operation>) -> Message {
    Propose {
        channel: ChannelId::from_bytes([7; 32]),
        number: CommitmentNumber::FIRST.next().unwrap(),
        operations: Operations::new(operations).unwrap(),
        signature: SchnorrSignature::from_bytes([9; 64]),
    }
    .into()
}

#[test]
fn the_largest_proposal_of_payments_fits_a_frame_and_comes_back() {
    let message = propose(vec![pay(&[5; 64]); OPERATIONS_MAX]);
    let frame = message.to_frame();
    assert!(frame.len() <= FRAME_BYTES_MAX);
    assert_eq!(Message::from_frame(&frame).unwrap(), Some(message));
}

#[test]
fn the_bound_on_an_operations_length_holds() {
    for operation in [pay(&[1; 64]), pay(&[])] {
        let encoded = minicbor::to_vec(&operation).unwrap();
        assert!(encoded.len() <= operation.encoded_len_max(), "{operation:?}");
    }
}

#[test]
fn a_list_above_the_limit_is_refused_by_constructor_and_decoder() {
    let too_many = vec![pay(&[]); OPERATIONS_MAX + 1];
    assert!(Operations::new(too_many.clone()).is_err());
    let bytes = minicbor::to_vec(&too_many).unwrap();
    assert!(minicbor::decode::<Operations>(&bytes).is_err());
}

#[test]
fn every_shortened_frame_is_refused() {
    let frame = propose(vec![pay(b"order 1")]).to_frame();
    for length in 0..frame.len() {
        assert!(Message::from_frame(&frame[..length]).is_err(), "{length} bytes passed");
    }
}

#[test]
fn unknown_types_are_an_error_below_8000_and_ignored_from_there() {
    let check = |bytes: &[u8]| Message::from_frame(bytes);
    assert!(matches!(check(&[0x7f, 0xff, 0x80]), Err(FrameError::UnknownType { kind: 0x7fff })));
    assert!(matches!(check(&[0x80, 0x00, 0x80]), Ok(None)));
}

#[test]
fn an_unknown_field_of_a_later_version_is_skipped() {
    let mut frame = 0x0023_u16.to_be_bytes().to_vec();
    let mut e = minicbor::Encoder::new(&mut frame);
    e.array(3).unwrap().bytes(&[7; 32]).unwrap().u64(1).unwrap().str("later").unwrap();
    assert!(matches!(Message::from_frame(&frame), Ok(Some(Message::RequestTurn(_)))));
}

#[test]
fn bytes_after_the_body_are_refused() {
    let mut frame = propose(vec![]).to_frame();
    frame.push(0);
    assert!(matches!(Message::from_frame(&frame), Err(FrameError::Trailing { extra: 1, .. })));
}

#[test]
fn an_announced_length_allocates_nothing_by_itself() {
    // An array that claims 2^32 - 1 operations in a frame of a few bytes.
    let mut frame = 0x0020_u16.to_be_bytes().to_vec();
    frame.extend_from_slice(&[0x84, 0x58, 0x20]);
    frame.extend_from_slice(&[7; 32]);
    frame.extend_from_slice(&[0x01, 0x9a, 0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(Message::from_frame(&frame), Err(FrameError::Malformed { .. })));
}

/// One message of every type, with every optional field present.
fn samples() -> Vec<Message> {
    let mut all = openings();
    all.extend(rounds());
    all.extend(closings());
    all
}

const CHANNEL: ChannelId = ChannelId::from_bytes([7; 32]);
const DIGEST: Digest = Digest::from_bytes([3; 32]);
const SIGNATURE: SchnorrSignature = SchnorrSignature::from_bytes([9; 64]);
const SECRET: RevocationSecret = RevocationSecret::from_bytes([6; 32]);
const HASH: RevocationHash = RevocationHash::from_bytes([1; 32]);

fn script() -> ScriptBytes {
    ScriptBytes::new([0; 34]).unwrap()
}

fn openings() -> Vec<Message> {
    let key = PublicKeyBytes::from_bytes([2; 33]);
    let keys = ChannelKeys { funding: key, penalty: key, delayed: key, lock: key };
    let parameters = Parameters {
        delay: BlockDelta::new(144),
        locks_max: 30,
        contract_locks_max: 30,
        lock_min: MilliSats::from_const(1),
        dust_exposure_max: MilliSats::MAX,
        depth: BlockDelta::new(3),
    };
    let input = FundingInput { txid: DIGEST, index: 1, value: Sats::MAX, script: script() };
    let contribution = Contribution {
        amount: Sats::MAX,
        inputs: vec![input; FUNDING_INPUTS_MAX],
        change: script(),
    };
    let open = OpenChannel {
        channel: CHANNEL,
        nonce: DIGEST,
        chain: DIGEST,
        parameters: parameters.clone(),
        keys,
        revocation: [HASH; 2],
        wallet_script: script(),
        contribution,
        fee_rate: FeeRate::from_sat_per_kvb(u64::MAX),
    };
    let accept = AcceptChannel {
        channel: CHANNEL,
        parameters,
        keys,
        revocation: [HASH; 2],
        wallet_script: script(),
    };
    vec![
        open.into(),
        accept.into(),
        SignOpening { channel: CHANNEL, funding_txid: DIGEST, signature: SIGNATURE }.into(),
        Hello { version: 1, chain: DIGEST }.into(),
        Fault { channel: Some(CHANNEL), code: FaultCode::Refused, note: Note::cut("no") }.into(),
    ]
}

fn rounds() -> Vec<Message> {
    let (channel, number) = (CHANNEL, CommitmentNumber::new(5).unwrap());
    let (secret, next_hash) = (SECRET, HASH);
    let turn = TurnWish::Wanted;
    let outstanding = OutstandingRound { role: RoundRole::Receiver, number, digest: DIGEST };
    let reestablish = Reestablish {
        channel,
        agreed: number,
        outstanding: Some(outstanding),
        last_secret: Some((number, secret)),
        store: StoreState::Restored,
    };
    vec![
        propose(operations()),
        Accept { channel, number, signature: SIGNATURE, secret, next_hash, turn }.into(),
        Finalize { channel, number, secret, next_hash, turn: TurnMove::Yield }.into(),
        RequestTurn { channel, number }.into(),
        reestablish.into(),
    ]
}

fn closings() -> Vec<Message> {
    let (channel, contract) = (CHANNEL, ContractId::from_bytes([8; 32]));
    let (nonce, partial, fee) = ([4; 66], [5; 32], Sats::MAX);
    let terms = ContractBytes::new([5; 100]).unwrap();
    let note = Note::cut(&"ä".repeat(600));
    vec![
        OfferContract { channel, contract, terms, valid_to: CommitmentNumber::FIRST, until: None }
            .into(),
        AgreeContract { channel, contract }.into(),
        RefuseContract { channel, contract, note }.into(),
        Shutdown { channel, script: script(), nonce }.into(),
        CloseOffer { channel, fee, nonce, partial }.into(),
        CloseSign { channel, fee, partial, nonce }.into(),
        CloseTerms { channel, opener: MilliSats::MAX, acceptor: MilliSats::ZERO, fee }.into(),
    ]
}

fn longest_route() -> Route {
    let node = NodeId::from_bytes([2; 33]);
    let hop = Hop { node, amount: MilliSats::MAX, expiry: BlockHeight::new(u32::MAX) };
    Route::new(vec![hop; Route::MAX]).unwrap()
}

/// One operation of every kind, as long as it can be.
fn operations() -> Vec<Operation> {
    let (lock, amount) = (LockId(u64::MAX), MilliSats::MAX);
    let contract = ContractId::from_bytes([8; 32]);
    let height = BlockHeight::new(u32::MAX);
    vec![
        pay(&[1; 64]),
        Operation::AddLock {
            lock,
            amount,
            payment_hash: PaymentHash::from_bytes([3; 32]),
            expiry: height,
            route: longest_route(),
        },
        Operation::ClaimLock { lock, preimage: Preimage::from_bytes([3; 32]) },
        Operation::CancelLock { lock, reason: CancelReason::Downstream },
        Operation::RaiseHeight { height },
        Operation::OpenContract { contract },
        Operation::Act { contract, action: ContractBytes::new(vec![7; 65_536]).unwrap() },
        Operation::SettleContract { contract },
    ]
}

#[test]
fn every_message_comes_back_and_no_shortened_one_does() {
    for message in samples() {
        let frame = message.to_frame();
        assert!(frame.len() <= FRAME_BYTES_MAX);
        assert_eq!(Message::from_frame(&frame).unwrap().as_ref(), Some(&message));
        for length in (0..frame.len()).step_by(1 + frame.len() / 500) {
            assert!(
                Message::from_frame(&frame[..length]).is_err(),
                "{} at {length}",
                message.name()
            );
        }
    }
}

#[test]
fn the_bound_holds_for_the_longest_operation_of_every_kind() {
    for operation in operations() {
        let encoded = minicbor::to_vec(&operation).unwrap();
        assert!(encoded.len() <= operation.encoded_len_max(), "{operation:?}");
    }
}

#[test]
fn more_inputs_or_bytes_than_allowed_are_refused_by_the_decoder() {
    let Some(Message::OpenChannel(mut open)) = samples().into_iter().next() else {
        panic!("the first sample asks for a channel")
    };
    let one = open.contribution.inputs[0].clone();
    open.contribution.inputs.push(one);
    let frame = Message::from(open).to_frame();
    assert!(matches!(Message::from_frame(&frame), Err(FrameError::Malformed { kind: 0x10, .. })));
    assert!(ScriptBytes::new([0; 35]).is_none());
    let bytes = minicbor::to_vec(minicbor::bytes::ByteVec::from(vec![0; 35])).unwrap();
    assert!(minicbor::decode::<ScriptBytes>(&bytes).is_err());
    let note = minicbor::to_vec("x".repeat(513)).unwrap();
    assert!(minicbor::decode::<Note>(&note).is_err());
    assert!(matches!(
        Message::from_frame(&vec![0; FRAME_BYTES_MAX + 1]),
        Err(FrameError::TooLong { .. })
    ));
}

#[test]
fn secrets_and_preimages_are_not_printed() {
    let text = format!("{:?}", samples());
    assert!(!text.contains("06060606"), "a revocation secret");
    assert!(text.contains("RevocationSecret(hidden)") && text.contains("Preimage(hidden)"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever comes, decoding ends in a message or an error; what decodes says the same when it is said again.
    #[test]
    fn no_bytes_break_the_decoder(
        sample in 0_usize..16,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        tail in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut frame = samples()[sample].to_frame();
        for (place, byte) in edits {
            let place = place.index(frame.len().min(200));
            frame[place] = byte;
        }
        frame.extend(tail);
        if let Ok(Some(message)) = Message::from_frame(&frame) {
            let again = message.to_frame();
            prop_assert_eq!(Message::from_frame(&again).unwrap(), Some(message));
        }
    }
}

/// A lock that goes no further has the bytes that it had before there were ways: the field is left out.
#[test]
fn locks_with_and_without_a_way_have_these_bytes() {
    let lock = |route| Operation::AddLock {
        lock: LockId(5),
        amount: MilliSats::from_const(70_000),
        payment_hash: PaymentHash::from_bytes([3; 32]),
        expiry: BlockHeight::new(200),
        route,
    };
    let hop = Hop {
        node: NodeId::from_bytes([2; 33]),
        amount: MilliSats::from_const(60_000),
        expiry: BlockHeight::new(100),
    };
    let head = format!("051a0001117058 20{}18c8", "03".repeat(32)).replace(' ', "");
    let way = format!("81835821{}19ea601864", "02".repeat(33));
    let rows = [
        (lock(Route::default()), format!("820184{head}")),
        (lock(Route::new([hop]).unwrap()), format!("820185{head}{way}")),
    ];
    for (operation, expect) in rows {
        let bytes = minicbor::to_vec(&operation).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expect);
        assert_eq!(minicbor::decode::<Operation>(&bytes).unwrap(), operation);
    }
}

#[test]
fn a_way_of_more_stops_than_allowed_is_refused_by_constructor_and_decoder() {
    let hop = longest_route().hops()[0];
    let hops = vec![hop; Route::MAX + 1];
    assert_eq!(Route::new(hops.clone()), None);
    let bytes = minicbor::to_vec(&hops).unwrap();
    assert!(minicbor::decode::<Route>(&bytes).is_err());
    assert!(minicbor::decode::<Route>(&[0x9a, 0xff, 0xff, 0xff, 0xff]).is_err(), "a length alone");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Every way comes back as it was, stop by stop; other bytes are a way or an error.
    #[test]
    fn ways_come_back(
        stops in prop::collection::vec((any::<[u8; 32]>(), 0..=MilliSats::MAX.to_msat(), any::<u32>()), 0..=Route::MAX),
        noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let hop = |(id, msat, expiry): ([u8; 32], u64, u32)| {
            let mut node = [2; 33];
            node[1..].copy_from_slice(&id);
            Hop {
                node: NodeId::from_bytes(node),
                amount: MilliSats::new(msat).unwrap(),
                expiry: BlockHeight::new(expiry),
            }
        };
        let hops: Vec<Hop> = stops.into_iter().map(hop).collect();
        let mut route = Route::new(hops.clone()).unwrap();
        let bytes = minicbor::to_vec(&route).unwrap();
        prop_assert_eq!(&minicbor::decode::<Route>(&bytes).unwrap(), &route);
        for hop in hops {
            let (next, rest) = route.next().unwrap();
            prop_assert_eq!(next, hop);
            route = rest;
        }
        prop_assert_eq!(route.next(), None);
        if let Ok(route) = minicbor::decode::<Route>(&noise) {
            let again = minicbor::to_vec(&route).unwrap();
            prop_assert_eq!(minicbor::decode::<Route>(&again).unwrap(), route);
        }
    }
}
