//! What decodes, what does not, and that decoding undoes encoding.

use strait_primitives::{ChannelId, CommitmentNumber, MilliSats, SchnorrSignature};

use crate::limits::{FRAME_BYTES_MAX, OPERATIONS_MAX};
use crate::{FrameError, Message, Operation, Operations, Propose, Reference};

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
