//! The gate that keeps running calls within the instances that the engine's pool holds: more callers wait.

use core::num::NonZeroU32;
use std::sync::{Condvar, Mutex, PoisonError};

/// Counts free places.
#[derive(Debug)]
pub(crate) struct Slots {
    /// Places that nobody holds.
    free: Mutex<u32>,
    /// Told whenever a place comes back.
    returned: Condvar,
}

/// One place, given back when dropped.
#[derive(Debug)]
#[must_use = "dropping a slot gives it back"]
pub(crate) struct Slot<'a> {
    slots: &'a Slots,
}

impl Slots {
    pub(crate) const fn new(count: NonZeroU32) -> Self {
        Self { free: Mutex::new(count.get()), returned: Condvar::new() }
    }

    /// Takes a place, waiting for one if need be. The holder never takes a second one, so waiting ends.
    pub(crate) fn take(&self) -> Slot<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .returned
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot { slots: self }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.slots.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.slots.returned.notify_one();
    }
}
