//! The way that a lock has still to go, as its sender has chosen it (protocol section 4).

use strait_primitives::{BlockHeight, MilliSats, NodeId};

use crate::bounded::decode_at_most;
use crate::limits::HOPS_MAX;

/// One stop of a way: the node before it offers it a lock like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Hop {
    /// To whom.
    #[n(0)]
    pub node: NodeId,
    /// How much.
    #[n(1)]
    pub amount: MilliSats,
    /// With what expiry.
    #[n(2)]
    pub expiry: BlockHeight,
}

/// The stops that are left, the next one first. Empty, the receiver of the lock is its destination.
///
/// Encoded as an array, and left out where it is empty: a lock that goes no further says nothing about a way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route(Box<[Hop]>);

impl Route {
    /// The most stops.
    pub const MAX: usize = HOPS_MAX;

    /// Wraps the stops; `None` above [`Self::MAX`].
    #[must_use]
    pub fn new(hops: impl Into<Box<[Hop]>>) -> Option<Self> {
        let hops = hops.into();
        (hops.len() <= Self::MAX).then_some(Self(hops))
    }

    /// The stops, the next one first.
    #[must_use]
    pub const fn hops(&self) -> &[Hop] {
        &self.0
    }

    /// The next stop, and the way from there on; `None` at the destination.
    #[must_use]
    pub fn next(&self) -> Option<(Hop, Self)> {
        let (first, rest) = self.0.split_first()?;
        Some((*first, Self(rest.into())))
    }
}

impl<C> minicbor::Encode<C> for Route {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.hops().encode(e, ctx)
    }

    fn is_nil(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Route {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(decode_at_most::<C, Hop, HOPS_MAX>(d, ctx)?.into()))
    }

    fn nil() -> Option<Self> {
        Some(Self::default())
    }
}
