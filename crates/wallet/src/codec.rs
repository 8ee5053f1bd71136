//! Bitcoin's own serialisation inside CBOR byte strings.

use bitcoin::consensus::{Decodable, Encodable, deserialize, serialize};

/// A value of the `bitcoin` crate, stored as the byte string that the network uses for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Consensus<T>(pub(crate) T);

impl<C, T: Encodable> minicbor::Encode<C> for Consensus<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&serialize(&self.0))?.ok()
    }
}

impl<'b, C, T: Decodable> minicbor::Decode<'b, C> for Consensus<T> {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let position = d.position();
        deserialize(d.bytes()?)
            .map(Self)
            .map_err(|error| minicbor::decode::Error::custom(error).at(position))
    }
}
