//! Which keys were told of lately, so that who asks again and again under one takes no lines from what they newly ask.
//!
//! The node remembers a key for longer than it is remembered here: what is a repetition here, is one there, and does nothing.
//!
//! **Invariant:** what is kept has a bounded size.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use strait_primitives::RequestKey;

use crate::caller::Note;

/// Calls after which a key is forgotten here. The node remembers four times as many.
const CALLS_MAX: u64 = 65_536;

/// How a call that was done, or may have been, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was done, under its key and none else.
    Certain,
    /// It may have been done.
    Open,
}

/// What is known of a call's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing, or something else: this has to be told.
    New,
    /// That the same may have been done.
    AsOpen,
    /// That it was done.
    AsDone,
}

#[derive(Debug)]
struct Seen {
    /// The number of the call that was told.
    number: u64,
    end: End,
    /// A hash of what its line says.
    note: u64,
}

/// The keys of the calls that were told last.
#[derive(Debug, Default)]
pub(super) struct ToldCalls {
    /// Calls so far.
    calls: u64,
    by_key: HashMap<RequestKey, Seen>,
    /// Which call told of which key, oldest first.
    by_age: VecDeque<(u64, RequestKey)>,
    hasher: RandomState,
}

impl ToldCalls {
    /// A call was done, or may have been: what is known of its key. If it has to be told, it is told from now on.
    pub(super) fn see(&mut self, key: RequestKey, note: &Note, end: End) -> Told {
        self.pass();
        let note = self.hasher.hash_one(note);
        match self.by_key.get(&key) {
            Some(Seen { end: End::Certain, .. }) => return Told::AsDone,
            Some(seen) if end == End::Open && seen.note == note => return Told::AsOpen,
            Some(_) | None => {}
        }
        self.by_key.insert(key, Seen { number: self.calls, end, note });
        self.by_age.push_back((self.calls, key));
        Told::New
    }

    /// A call came, and perhaps the node remembers its key.
    pub(super) fn pass(&mut self) {
        self.calls = self.calls.saturating_add(1);
        while let Some((number, key)) = self.by_age.front().copied() {
            if self.calls.saturating_sub(number) < CALLS_MAX {
                return;
            }
            self.by_age.pop_front();
            if self.by_key.get(&key).is_some_and(|seen| seen.number == number) {
                self.by_key.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> RequestKey {
        let mut bytes = [0; RequestKey::LEN];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        RequestKey::from_bytes(bytes)
    }

    fn note(amount_msat: u64) -> Note {
        Note { amount_msat: Some(amount_msat), sides_msat: None, target: "c".to_owned() }
    }

    #[test]
    fn a_key_is_told_when_it_may_have_been_done_and_when_it_was() {
        let mut told = ToldCalls::default();
        for (msat, end, expect) in [
            (1, End::Open, Told::New),
            (1, End::Open, Told::AsOpen),
            (2, End::Open, Told::New),
            (2, End::Certain, Told::New),
            (2, End::Certain, Told::AsDone),
            (2, End::Open, Told::AsDone),
        ] {
            assert_eq!(told.see(key(1), &note(msat), end), expect, "{msat} {end:?}");
        }
    }

    #[test]
    fn a_key_is_forgotten_long_before_the_node_forgets_it() {
        let mut told = ToldCalls::default();
        assert_eq!(told.see(key(0), &note(1), End::Certain), Told::New);
        for number in 1..3 * CALLS_MAX {
            told.see(key(number), &note(1), End::Open);
            told.see(key(number), &note(1), End::Certain);
        }
        let most = usize::try_from(CALLS_MAX).unwrap();
        assert!(told.by_age.len() <= most && told.by_key.len() <= most);
        assert_eq!(told.see(key(0), &note(1), End::Certain), Told::New);
    }
}
