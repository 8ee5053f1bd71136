//! The room that blocks have in the queue into the engine: few of them fill a memory that thousands of inputs do not.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bytes of blocks that may wait, as encoded: four full ones. Decoded they take a few times as much.
const BLOCK_BYTES_MAX: usize = 16 << 20;

/// What room there is. An engine that ends drops what waits, and so frees whoever waits for room.
#[derive(Debug)]
pub(crate) struct BlockRoom {
    /// Bytes that are free.
    left: Mutex<usize>,
    freed: Condvar,
}

impl Default for BlockRoom {
    fn default() -> Self {
        Self { left: Mutex::new(BLOCK_BYTES_MAX), freed: Condvar::new() }
    }
}

impl BlockRoom {
    /// Waits for so much room; what is larger than all of it takes all of it.
    pub(crate) fn take(this: &Arc<Self>, bytes: usize) -> Room {
        let bytes = bytes.min(BLOCK_BYTES_MAX);
        let left = this.left.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = this
            .freed
            .wait_while(left, |left| *left < bytes)
            .unwrap_or_else(PoisonError::into_inner);
        *left = left.checked_sub(bytes).expect("so much is free");
        drop(left);
        Room { shared: Arc::clone(this), bytes }
    }
}

/// Room that a block takes; free again when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    shared: Arc<BlockRoom>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut left = self.shared.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_add(self.bytes);
        assert!(*left <= BLOCK_BYTES_MAX, "no more room is given back than was taken");
        self.shared.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use strait_engine::Input;

    use super::*;
    use crate::inbox::{EngineGone, Inbox};

    #[test]
    fn blocks_wait_until_there_is_room_for_them() {
        const BLOCKS: usize = 12;
        let (inbox, mut inputs) = Inbox::new();
        let feeder = std::thread::spawn(move || {
            for number in 0..BLOCKS {
                // One is larger than all the room there is.
                let bytes = if number == 5 { 2 * BLOCK_BYTES_MAX } else { BLOCK_BYTES_MAX / 2 };
                inbox.put_block(Input::Tick, bytes).unwrap();
            }
        });
        for _ in 0..BLOCKS {
            let held = inputs.blocking_recv().unwrap();
            assert!(inputs.len() <= 1, "two blocks of half the room are all that fits");
            drop(held);
        }
        feeder.join().unwrap();
        assert!(inputs.blocking_recv().is_none());
    }

    #[test]
    fn an_engine_that_ends_frees_whoever_waits_for_room() {
        let (inbox, inputs) = Inbox::new();
        inbox.put_block(Input::Tick, BLOCK_BYTES_MAX).unwrap();
        let waiter = std::thread::spawn(move || inbox.put_block(Input::Tick, 1));
        drop(inputs);
        assert_eq!(waiter.join().unwrap(), Err(EngineGone));
    }
}
