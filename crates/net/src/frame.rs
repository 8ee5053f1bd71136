//! A frame, and how frames lie in a stream: a 4-byte big-endian length, then that many bytes, at least 1 and at most
//! [`FRAME_BYTES_MAX`].
//!
//! Called by the driver of a link. Never waits, never allocates for bytes that have not arrived beyond
//! [`GROW_BYTES`].

use core::fmt;

use thiserror::Error;

use crate::limits::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES, GROW_BYTES, READ_BYTES};

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A frame carries at least one byte.
    #[error("an empty frame")]
    Empty,
    /// A frame carries at most [`FRAME_BYTES_MAX`].
    #[error("a frame of {actual_bytes} bytes, where {FRAME_BYTES_MAX} is the most")]
    TooLarge {
        /// The length given or announced.
        actual_bytes: usize,
    },
}

/// One message's bytes: not empty, at most [`FRAME_BYTES_MAX`].
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Vec<u8>);

impl Frame {
    /// Wraps the bytes of one message.
    ///
    /// # Errors
    ///
    /// When they are none, or more than [`FRAME_BYTES_MAX`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, FrameError> {
        check_length(bytes.len())?;
        Ok(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, by value.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// How many bytes.
    pub(crate) const fn length(&self) -> usize {
        self.0.len()
    }

    /// Appends the frame as it lies in a stream.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(self.0.len()).expect("checked against a 32-bit limit when made");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&self.0);
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.0.len())
    }
}

/// The one place that says how long a frame may be.
const fn check_length(length: usize) -> Result<(), FrameError> {
    match length {
        0 => Err(FrameError::Empty),
        1..=FRAME_BYTES_MAX => Ok(()),
        actual_bytes => Err(FrameError::TooLarge { actual_bytes }),
    }
}

/// Cuts a stream into frames: offer [`Self::space`], tell [`Self::advance`] what was read, take frames until none
/// is left.
pub(crate) struct Deframer {
    /// Bytes that no begun frame has claimed yet.
    scratch: Box<[u8]>,
    /// Where in `scratch` the next frame begins.
    start: usize,
    /// Where in `scratch` what was read ends.
    end: usize,
    /// The frame whose length is known and whose body is not complete.
    begun: Option<Begun>,
}

/// A frame on its way.
struct Begun {
    /// Its length, already checked.
    length: usize,
    /// As much memory as arrived bytes justify.
    body: Vec<u8>,
    /// How much of `body` has arrived.
    filled: usize,
}

impl Deframer {
    /// Begins at the start of a stream.
    pub(crate) fn new() -> Self {
        Self { scratch: vec![0; READ_BYTES].into_boxed_slice(), start: 0, end: 0, begun: None }
    }

    /// Where to read to next; never empty after [`Self::next_frame`] has returned `None`.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if let Some(begun) = &mut self.begun {
            let reach = begun.length.min(begun.filled + GROW_BYTES);
            if begun.body.len() < reach {
                begun.body.resize(reach, 0);
            }
            return begun.body.get_mut(begun.filled..).unwrap_or_default();
        }
        if self.start > 0 {
            self.scratch.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.scratch.get_mut(self.end..).unwrap_or_default()
    }

    /// Takes note of `count` bytes read to [`Self::space`].
    pub(crate) fn advance(&mut self, count: usize) {
        match &mut self.begun {
            Some(begun) => {
                begun.filled += count;
                assert!(begun.filled <= begun.body.len(), "{count} bytes were read past the space");
            }
            None => {
                self.end += count;
                assert!(self.end <= self.scratch.len(), "{count} bytes were read past the space");
            }
        }
    }

    /// Whether a frame has begun and is not complete.
    pub(crate) const fn is_inside_frame(&self) -> bool {
        self.begun.is_some() || self.start < self.end
    }

    /// The next complete frame.
    ///
    /// # Errors
    ///
    /// When a length is zero or above the limit; the stream is then useless.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.begun.is_none() {
            let unread = self.scratch.get(self.start..self.end).unwrap_or_default();
            let Some((header, rest)) = unread.split_first_chunk::<FRAME_HEADER_BYTES>() else {
                return Ok(None);
            };
            let length = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
            check_length(length)?;
            let body = rest.get(..length.min(rest.len())).unwrap_or_default().to_vec();
            let filled = body.len();
            self.start += FRAME_HEADER_BYTES + filled;
            self.begun = Some(Begun { length, body, filled });
        }
        match self.begun.take() {
            Some(begun) if begun.filled == begun.length => Ok(Some(Frame(begun.body))),
            unfinished => {
                self.begun = unfinished;
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `stream` in pieces of `step` bytes and collects the lengths of the frames that come out.
    fn cut(stream: &[u8], step: usize) -> (Vec<Vec<u8>>, Result<(), FrameError>) {
        let mut deframer = Deframer::new();
        let mut frames = Vec::new();
        let mut rest = stream;
        loop {
            loop {
                match deframer.next_frame() {
                    Ok(Some(frame)) => frames.push(frame.into_bytes()),
                    Ok(None) => break,
                    Err(error) => return (frames, Err(error)),
                }
            }
            if rest.is_empty() {
                return (frames, Ok(()));
            }
            let space = deframer.space();
            assert!(!space.is_empty(), "a deframer that waits has room");
            let count = space.len().min(step).min(rest.len());
            space[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            deframer.advance(count);
        }
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_the_stream_is_torn() {
        let frames: Vec<Vec<u8>> = [1, 3, READ_BYTES, 2, FRAME_BYTES_MAX, 70_000, 5]
            .iter()
            .enumerate()
            .map(|(index, length)| vec![u8::try_from(index).unwrap(); *length])
            .collect();
        let mut stream = Vec::new();
        for frame in &frames {
            Frame::new(frame.clone()).unwrap().append_to(&mut stream);
        }
        for step in [1, 3, 4, 5, 1000, READ_BYTES, stream.len()] {
            let (out, end) = cut(&stream, step);
            assert!(out == frames && end.is_ok(), "torn every {step} bytes");
        }
    }

    #[test]
    fn a_length_out_of_bounds_is_refused_before_memory_is_spent() {
        let over = u32::try_from(FRAME_BYTES_MAX).unwrap() + 1;
        for (length, error) in [
            (0, FrameError::Empty),
            (over, FrameError::TooLarge { actual_bytes: FRAME_BYTES_MAX + 1 }),
            (u32::MAX, FrameError::TooLarge { actual_bytes: 0xffff_ffff }),
        ] {
            assert_eq!(cut(&length.to_be_bytes(), 4), (Vec::new(), Err(error)));
        }
        assert_eq!(Frame::new(Vec::new()), Err(FrameError::Empty));
        assert!(Frame::new(vec![0; FRAME_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn a_frame_that_is_announced_but_not_sent_costs_little_memory() {
        let mut deframer = Deframer::new();
        let header = u32::try_from(FRAME_BYTES_MAX).unwrap().to_be_bytes();
        deframer.space()[..4].copy_from_slice(&header);
        deframer.advance(4);
        assert_eq!(deframer.next_frame(), Ok(None));
        assert!(deframer.is_inside_frame());
        assert_eq!(deframer.space().len(), GROW_BYTES);
    }
}
