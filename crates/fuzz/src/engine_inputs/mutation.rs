//! A message, changed: as its bytes are, and still one that can be read.

use strait_sim::Choices;
use strait_wire::Message;

/// Changes up to three bytes of the message's frame; `None` if nobody could read the outcome.
pub(super) fn mutated(message: &Message, choices: &mut Choices) -> Option<Message> {
    let mut frame = message.to_frame();
    for _ in 0..=choices.below(3) {
        let length = u64::try_from(frame.len()).expect("a frame fits memory");
        let place = usize::try_from(choices.below(length)).expect("below the length");
        let byte = u8::try_from(choices.below(256)).expect("a byte");
        match choices.below(4) {
            0 => frame.insert(place, byte),
            1 if frame.len() > 3 => drop(frame.remove(place)),
            _ => {
                if let Some(changed) = frame.get_mut(place) {
                    *changed = byte;
                }
            }
        }
    }
    Message::from_frame(&frame).ok().flatten()
}
