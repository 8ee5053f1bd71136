//! A segment: a header, and frames of batches, each with its own checksum. Pure functions over bytes.
//!
//! A frame says in the clear where it ends and with which checksum of the log's own chain, so that a shipper that cannot open
//! what it sealed still knows where to go on.
//!
//! Format: `docs/storage-format.md`, "Shipped log".

use strait_primitives::EventSeq;
use strait_store_sqlite::{Place, Row};

/// First bytes of a segment, layout included.
const MAGIC: [u8; 8] = *b"STRTSG\x00\x01";
/// Bytes of a header: magic, the place before, checksum.
pub(super) const HEADER_BYTES: usize = 8 + 12 + 4;
/// Bytes of a frame before its payload: its length, where it ends, what it is, checksum.
const FRAME_HEADER_BYTES: usize = 4 + 12 + 4 + 4;

/// Bytes after which a segment is closed.
pub(super) const CLOSED_AFTER_BYTES: u64 = 4 << 20;
/// Bytes of the log after which a frame holds no further batch.
pub(super) const FRAME_BYTES_TARGET: usize = 1 << 20;
/// No segment has more bytes: it is closed after the frame that fills it, and that frame has one batch too many at most, which
/// holds one record that is as large as any. Headers, small records and the seal have the rest.
pub(super) const BYTES_MAX: u64 = 76 << 20;

/// Whether a payload is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    /// Batches, each after its length.
    Plain,
    /// The same, in the age format.
    Sealed,
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Where its last batch ends.
    pub(super) end: Place,
    pub(super) kind: Payload,
    pub(super) payload: &'a [u8],
}

/// The whole frames of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frames<'a> {
    /// What its first batch continues.
    pub(super) begin: Place,
    pub(super) frames: Vec<Frame<'a>>,
    /// The bytes up to the end of the last whole frame.
    pub(super) sound_bytes: usize,
}

impl Frames<'_> {
    /// Where the last whole frame ends.
    pub(super) fn end(&self) -> Place {
        self.frames.last().map_or(self.begin, |frame| frame.end)
    }
}

/// The bytes of a header.
pub(super) fn header(begin: Place) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    put_place(begin, &mut bytes);
    seal_off(&mut bytes, &[]);
    bytes
}

/// The batches of a frame, to be sealed or not.
pub(super) fn pack(rows: &[Row]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        let length = u32::try_from(row.bytes.len()).expect("a batch has far less than 4 GiB");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&row.bytes);
    }
    bytes
}

/// The batches in a payload; those before the first that is cut short.
pub(super) fn unpack(mut payload: &[u8]) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    while let Some(length) = take::<4>(&mut payload) {
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let Some((row, rest)) = payload.split_at_checked(length) else { break };
        rows.push(row.to_vec());
        payload = rest;
    }
    rows
}

/// The bytes of a frame.
pub(super) fn frame(end: Place, kind: Payload, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame has far less than 4 GiB");
    let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES.saturating_add(payload.len()));
    bytes.extend_from_slice(&length.to_le_bytes());
    put_place(end, &mut bytes);
    let kind: u32 = match kind {
        Payload::Plain => 0,
        Payload::Sealed => 1,
    };
    bytes.extend_from_slice(&kind.to_le_bytes());
    seal_off(&mut bytes, payload);
    bytes.extend_from_slice(payload);
    bytes
}

/// Reads a segment up to its last whole frame; `None` if not even its header is whole.
pub(super) fn read(bytes: &[u8]) -> Option<Frames<'_>> {
    let (header, mut rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let begin = read_header(header)?;
    let (mut frames, mut sound_bytes) = (Vec::new(), HEADER_BYTES);
    while let Some((frame, after)) = read_frame(rest) {
        sound_bytes = bytes.len().saturating_sub(after.len());
        frames.push(frame);
        rest = after;
    }
    Some(Frames { begin, frames, sound_bytes })
}

fn read_header(header: &[u8]) -> Option<Place> {
    let (body, checksum) = header.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let mut rest = body;
    (take::<8>(&mut rest)? == MAGIC).then_some(())?;
    take_place(&mut rest)
}

fn read_frame(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (header, rest) = bytes.split_at_checked(FRAME_HEADER_BYTES)?;
    let (head, checksum) = header.split_last_chunk::<4>()?;
    let mut fields = head;
    let length = usize::try_from(u32::from_le_bytes(take(&mut fields)?)).ok()?;
    let end = take_place(&mut fields)?;
    let kind = match u32::from_le_bytes(take(&mut fields)?) {
        0 => Payload::Plain,
        1 => Payload::Sealed,
        _ => return None,
    };
    let (payload, after) = rest.split_at_checked(length)?;
    let found = crc32c::crc32c_append(crc32c::crc32c(head), payload);
    (found == u32::from_le_bytes(*checksum)).then_some((Frame { end, kind, payload }, after))
}

fn put_place(place: Place, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&place.last.to_u64().to_le_bytes());
    bytes.extend_from_slice(&place.checksum.to_le_bytes());
}

fn take_place(rest: &mut &[u8]) -> Option<Place> {
    let last = EventSeq::new(u64::from_le_bytes(take(rest)?));
    Some(Place { last, checksum: u32::from_le_bytes(take(rest)?) })
}

/// Appends the checksum of what is there and of what will follow.
fn seal_off(bytes: &mut Vec<u8>, payload: &[u8]) {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(bytes), payload);
    bytes.extend_from_slice(&checksum.to_le_bytes());
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (field, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(last: u64) -> Place {
        Place { last: EventSeq::new(last), checksum: 0xaabb_ccdd }
    }

    fn segment() -> Vec<u8> {
        let mut bytes = header(place(4));
        bytes.extend(frame(place(6), Payload::Plain, b"one"));
        bytes.extend(frame(place(9), Payload::Sealed, b""));
        bytes
    }

    #[test]
    fn the_bytes_are_those_of_the_format_page() {
        let mut expect = b"STRTSG\x00\x01".to_vec();
        expect.extend([4, 0, 0, 0, 0, 0, 0, 0, 0xdd, 0xcc, 0xbb, 0xaa]);
        expect.extend(crc32c::crc32c(&expect).to_le_bytes());
        assert_eq!(header(place(4)), expect);
        let mut expect =
            vec![3, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0xdd, 0xcc, 0xbb, 0xaa, 0, 0, 0, 0];
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&expect), b"one");
        expect.extend(checksum.to_le_bytes());
        expect.extend(b"one");
        assert_eq!(frame(place(6), Payload::Plain, b"one"), expect);
    }

    #[test]
    fn the_largest_record_there_may_be_fits_into_a_full_segment() {
        let packed = FRAME_BYTES_TARGET + strait_store_sqlite::RECORD_BYTES_MAX;
        let frame = u64::try_from(packed).unwrap();
        // The seal adds 16 bytes to each 64 KiB, and a header.
        let beside = frame / 4_096 + (2 << 20);
        assert!(CLOSED_AFTER_BYTES + frame + beside < BYTES_MAX);
    }

    #[test]
    fn a_segment_cut_short_anywhere_is_its_whole_frames() {
        let bytes = segment();
        let first = HEADER_BYTES + FRAME_HEADER_BYTES + 3;
        for cut in 0..=bytes.len() {
            let Some(read) = read(&bytes[..cut]) else {
                assert!(cut < HEADER_BYTES, "{cut}");
                continue;
            };
            let whole = if cut == bytes.len() { 2 } else { usize::from(cut >= first) };
            assert_eq!(read.frames.len(), whole, "cut at {cut}");
            assert_eq!(read.end(), place([4, 6, 9][whole]));
            assert!(read.sound_bytes <= cut);
        }
    }

    #[test]
    fn no_flipped_bit_passes() {
        let bytes = segment();
        let whole = read(&bytes).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut spoiled = bytes.clone();
            spoiled[bit / 8] ^= 1 << (bit % 8);
            let sound = read(&spoiled).map_or(0, |read| read.frames.len());
            assert!(sound < whole.frames.len(), "bit {bit}");
        }
    }

    #[test]
    fn batches_come_back_from_their_payload() {
        let row = |byte| Row {
            place: place(1),
            decided: strait_primitives::Timestamp::default(),
            bytes: vec![byte; usize::from(byte)],
        };
        let packed = pack(&[row(3), row(5)]);
        assert_eq!(unpack(&packed), [vec![3; 3], vec![5; 5]]);
        assert_eq!(unpack(&packed[..packed.len() - 1]), [vec![3; 3]]);
    }
}
