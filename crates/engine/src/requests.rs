//! Which requests that move money are known, so that none is done twice.
//!
//! A request is known from the event on that begins it: the proposal that carries it, or `RequestBegun`. Before that it
//! waits in memory alone, and a crash forgets it together with the promise that was never given.

use std::collections::{BTreeMap, VecDeque};

use strait_primitives::{ChannelId, CommitmentNumber, RequestKey};

use crate::PaymentDone;
use crate::event::RequestSubject;
use crate::limits::REQUESTS_MAX;

/// A request that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct KnownRequest {
    /// The hash of what was asked.
    #[n(0)]
    pub digest: RequestKey,
    /// What became of it.
    #[n(1)]
    pub fate: RequestFate,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum RequestFate {
    /// A round carries it.
    #[n(0)]
    InRound {
        /// Through which channel.
        #[n(0)]
        channel: ChannelId,
        /// Leading to which number.
        #[n(1)]
        number: CommitmentNumber,
        /// The place of its first operation.
        #[n(2)]
        first_index: u32,
        /// How many operations are its.
        #[n(3)]
        count: u32,
    },
    /// It became something of its own.
    #[n(1)]
    Became(#[n(0)] RequestSubject),
    /// Its round was never accepted, and the channel is settled without it: nothing of it was done.
    #[n(2)]
    Failed(#[n(0)] ChannelId),
}

/// All requests that are remembered, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct RequestBook {
    #[n(0)]
    known: BTreeMap<RequestKey, KnownRequest>,
    #[n(1)]
    order: VecDeque<RequestKey>,
}

impl RequestBook {
    /// What is known of a key.
    #[must_use]
    pub fn find(&self, key: &RequestKey) -> Option<&KnownRequest> {
        self.known.get(key)
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// True if none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What was proposed for these keys will never be done.
    pub(crate) fn fail(&mut self, channel: ChannelId, keys: &[RequestKey]) {
        for key in keys {
            if let Some(request) = self.known.get_mut(key) {
                request.fate = RequestFate::Failed(channel);
            }
        }
    }

    pub(crate) fn note(&mut self, key: RequestKey, request: KnownRequest) {
        if self.known.insert(key, request).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > REQUESTS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

impl RequestFate {
    /// What to answer, if a round carried it.
    #[must_use]
    pub const fn done(&self) -> Option<PaymentDone> {
        match *self {
            Self::InRound { channel, number, first_index, count } => {
                Some(PaymentDone { channel, number, first_index, count })
            }
            Self::Became(_) | Self::Failed(_) => None,
        }
    }
}
