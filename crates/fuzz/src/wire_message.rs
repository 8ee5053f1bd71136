//! Frames from a peer: what a stranger can send before anything else is known of it.

use strait_wire::Message;

/// Reads the bytes as a frame. A message that comes of it survives its own encoding, which is one only.
///
/// # Panics
/// If that promise is broken.
pub fn wire_message(data: &[u8]) {
    let Ok(Some(message)) = Message::from_frame(data) else { return };
    let frame = message.to_frame();
    let again = Message::from_frame(&frame).expect("what we write can be read");
    assert_eq!(again.as_ref(), Some(&message), "decoding undoes encoding");
    assert_eq!(again.map(|again| again.to_frame()), Some(frame), "one message, one frame");
    assert_eq!(message.kind().to_be_bytes().as_slice(), data.get(..2).unwrap_or_default());
}
