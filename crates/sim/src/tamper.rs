//! Messages, changed so that they can mostly still be read: what a node that plays foul does to what it says.
//!
//! A frame is CBOR behind its type. A change replaces one number or one byte string by another, wherever it stands, so
//! that every field of every message is within reach, those of tomorrow too.

use minicbor::Decoder;
use minicbor::data::Type;

use crate::choices::Choices;

/// Bytes of a frame before its CBOR: the type.
const TYPE_BYTES: usize = 2;

/// A value within a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Leaf {
    start: usize,
    end: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number(u64),
    /// So many bytes, which end where the leaf ends.
    Bytes(usize),
}

/// Flips some bits anywhere.
pub(crate) fn garble(frame: &mut [u8], choices: &mut Choices) {
    if frame.is_empty() {
        return;
    }
    for _ in 0..=choices.below(3) {
        let at = below(choices, frame.len());
        let bit = 1_u8 << choices.below(8);
        if let Some(byte) = frame.get_mut(at) {
            *byte ^= bit;
        }
    }
}

/// Changes one value of a frame; `others` are frames whose values may take its place. None if there is nothing to change.
pub(crate) fn alter(frame: &[u8], others: &[Vec<u8>], choices: &mut Choices) -> Option<Vec<u8>> {
    let leaves = leaves_of(frame);
    if leaves.is_empty() {
        return None;
    }
    let leaf = *choices.pick(&leaves);
    let value = match leaf.kind {
        Kind::Number(number) => encoded(&another_number(number, choices)),
        Kind::Bytes(length) => {
            let known = frame.get(leaf.end - length..leaf.end)?;
            let bytes = another_string(known, others, choices);
            encoded(&minicbor::bytes::ByteVec::from(bytes))
        }
    };
    Some(splice(frame, leaf, &value))
}

/// Puts `new` in the place of `old`, wherever it stands.
pub(crate) fn readdress(frame: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut changed = frame.to_vec();
    if old.is_empty() || old.len() != new.len() {
        return changed;
    }
    let places: Vec<usize> = (0..=frame.len().saturating_sub(old.len()))
        .filter(|at| frame.get(*at..).is_some_and(|rest| rest.starts_with(old)))
        .collect();
    for at in places {
        if let Some(place) = changed.get_mut(at..at + new.len()) {
            place.copy_from_slice(new);
        }
    }
    changed
}

fn another_number(number: u64, choices: &mut Choices) -> u64 {
    match choices.below(6) {
        0 => number.wrapping_add(1),
        1 => number.wrapping_sub(1),
        2 => 0,
        3 => number ^ (1 << choices.below(20)),
        4 => number.wrapping_mul(2),
        _ => u64::MAX >> choices.below(64),
    }
}

fn another_string(known: &[u8], others: &[Vec<u8>], choices: &mut Choices) -> Vec<u8> {
    if choices.chance(500)
        && let Some(borrowed) = borrowed(known.len(), others, choices)
    {
        return borrowed;
    }
    let mut bytes = known.to_vec();
    if bytes.is_empty() || choices.chance(50) {
        bytes.push(0);
    } else if choices.chance(50) {
        bytes.pop();
    } else {
        let at = below(choices, bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << choices.below(8);
        }
    }
    bytes
}

/// A byte string of this length from another frame.
fn borrowed(length: usize, others: &[Vec<u8>], choices: &mut Choices) -> Option<Vec<u8>> {
    if others.is_empty() {
        return None;
    }
    let frame = choices.pick(others);
    let fits = |leaf: &Leaf| leaf.kind == Kind::Bytes(length);
    let fitting: Vec<Leaf> = leaves_of(frame).into_iter().filter(fits).collect();
    if fitting.is_empty() {
        return None;
    }
    let leaf = choices.pick(&fitting);
    frame.get(leaf.end - length..leaf.end).map(<[u8]>::to_vec)
}

/// All numbers and byte strings of a frame.
fn leaves_of(frame: &[u8]) -> Vec<Leaf> {
    let Some(body) = frame.get(TYPE_BYTES..) else { return Vec::new() };
    let mut decoder = Decoder::new(body);
    let mut leaves = Vec::new();
    while decoder.position() < body.len() {
        let start = decoder.position();
        let Ok(found) = next_value(&mut decoder) else { break };
        let (start, end) = (start + TYPE_BYTES, decoder.position() + TYPE_BYTES);
        leaves.extend(found.map(|kind| Leaf { start, end, kind }));
    }
    leaves
}

/// Reads a number, a byte string, or the head of whatever else comes.
fn next_value(decoder: &mut Decoder<'_>) -> Result<Option<Kind>, minicbor::decode::Error> {
    let kind = decoder.datatype()?;
    if kind == Type::Array {
        decoder.array()?;
    } else if kind == Type::Map {
        decoder.map()?;
    } else if kind == Type::Tag {
        decoder.tag()?;
    } else if [Type::U8, Type::U16, Type::U32, Type::U64].contains(&kind) {
        return decoder.u64().map(|number| Some(Kind::Number(number)));
    } else if kind == Type::Bytes {
        return decoder.bytes().map(|bytes| Some(Kind::Bytes(bytes.len())));
    } else {
        decoder.skip()?;
    }
    Ok(None)
}

fn encoded<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("writing to memory does not fail")
}

fn splice(frame: &[u8], leaf: Leaf, value: &[u8]) -> Vec<u8> {
    let (before, after) = (frame.get(..leaf.start), frame.get(leaf.end..));
    [before.unwrap_or_default(), value, after.unwrap_or_default()].concat()
}

fn below(choices: &mut Choices, length: usize) -> usize {
    let drawn = choices.below(u64::try_from(length).expect("a frame fits memory"));
    usize::try_from(drawn).expect("below the length of a frame")
}

#[cfg(test)]
mod tests {
    use strait_primitives::{ChannelId, CommitmentNumber, RevocationHash, RevocationSecret};
    use strait_wire::{Finalize, Message, TurnMove};

    use super::*;

    fn message() -> Message {
        Message::Finalize(Finalize {
            channel: ChannelId::from_bytes([1; 32]),
            number: CommitmentNumber::FIRST,
            secret: RevocationSecret::from_bytes([2; 32]),
            next_hash: RevocationHash::from_bytes([3; 32]),
            turn: TurnMove::Keep,
        })
    }

    #[test]
    fn an_altered_message_differs_in_any_of_its_fields_and_can_mostly_be_read() {
        let frame = message().to_frame();
        let mut choices = Choices::from_seed(1);
        let altered: Vec<_> = (0..500)
            .map(|_| alter(&frame, std::slice::from_ref(&frame), &mut choices).unwrap())
            .filter_map(|frame| Message::from_frame(&frame).ok().flatten())
            .collect();
        assert!(altered.len() > 300, "{} of 500 can be read", altered.len());
        let parts = |message: &Message| {
            let Message::Finalize(m) = message else { panic!("{message:?}") };
            (m.channel, m.number, m.secret, m.next_hash, m.turn)
        };
        let known = parts(&message());
        let found: Vec<_> = altered.iter().map(parts).collect();
        assert!(found.iter().any(|m| m.0 != known.0), "the channel");
        assert!(found.iter().any(|m| m.1 != known.1), "the number");
        assert!(found.iter().any(|m| m.2 != known.2), "the secret");
        assert!(found.iter().any(|m| m.3 != known.3), "the hash");
    }

    #[test]
    fn a_message_is_readdressed_to_another_channel() {
        let frame = readdress(&message().to_frame(), &[1; 32], &[9; 32]);
        let read = Message::from_frame(&frame).unwrap().unwrap();
        assert_eq!(read.channel(), Some(ChannelId::from_bytes([9; 32])));
    }
}
