//! Bitcoin's own types inside CBOR records: a byte string in consensus encoding.
//!
//! For `#[cbor(with = "strait_onchain::cbor::consensus")]` on a field of any type that Bitcoin can encode (`OutPoint`,
//! `TxOut`, `Txid`, `BlockHash`, `ScriptBuf`, `Transaction`, a block header); [`optional`] for an `Option` of one,
//! [`list`] for a `Vec`. Nothing larger than a block is read, and nothing may follow the value.

use bitcoin::consensus::{Decodable, Encodable, encode};
use minicbor::{Decoder, Encoder};

/// The longest value read: no transaction is larger than the largest block (`MAX_BLOCK_SERIALIZED_SIZE`).
const VALUE_BYTES_MAX: usize = 4_000_000;

/// One value.
pub mod consensus {
    use super::{Decodable, Decoder, Encodable, Encoder, VALUE_BYTES_MAX, encode};

    /// Writes the value as a byte string.
    ///
    /// # Errors
    /// The writer's.
    pub fn encode<C, T: Encodable, W: minicbor::encode::Write>(
        value: &T,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&encode::serialize(value))?.ok()
    }

    /// Reads the value from a byte string that holds nothing else.
    ///
    /// # Errors
    /// If the bytes are too many or are not exactly one value.
    pub fn decode<'b, C, T: Decodable>(
        d: &mut Decoder<'b>,
        _: &mut C,
    ) -> Result<T, minicbor::decode::Error> {
        let bytes = d.bytes()?;
        if bytes.len() > VALUE_BYTES_MAX {
            return Err(minicbor::decode::Error::message("a value is larger than a block"));
        }
        encode::deserialize(bytes).map_err(minicbor::decode::Error::custom)
    }
}

/// One value or null.
pub mod optional {
    use minicbor::data::Type;

    use super::{Decodable, Decoder, Encodable, Encoder, consensus};

    /// Writes the value as a byte string, or null.
    ///
    /// # Errors
    /// The writer's.
    pub fn encode<C, T: Encodable, W: minicbor::encode::Write>(
        value: &Option<T>,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match value {
            Some(value) => consensus::encode(value, e, ctx),
            None => e.null()?.ok(),
        }
    }

    /// Reads the value, or `None` from null.
    ///
    /// # Errors
    /// As [`consensus::decode`].
    pub fn decode<'b, C, T: Decodable>(
        d: &mut Decoder<'b>,
        ctx: &mut C,
    ) -> Result<Option<T>, minicbor::decode::Error> {
        if d.datatype()? == Type::Null {
            d.null()?;
            return Ok(None);
        }
        consensus::decode(d, ctx).map(Some)
    }
}

/// Any number of values.
pub mod list {
    use super::{Decodable, Decoder, Encodable, Encoder, consensus};

    /// Writes the values as an array of byte strings.
    ///
    /// # Errors
    /// The writer's.
    pub fn encode<C, T: Encodable, W: minicbor::encode::Write>(
        values: &[T],
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let count = u64::try_from(values.len()).expect("lengths have at most 64 bits");
        e.array(count)?;
        values.iter().try_for_each(|value| consensus::encode(value, e, ctx))
    }

    /// Reads an array of byte strings; memory grows with what is there, not with what is announced.
    ///
    /// # Errors
    /// As [`consensus::decode`], or if the array has no stated length.
    pub fn decode<'b, C, T: Decodable>(
        d: &mut Decoder<'b>,
        ctx: &mut C,
    ) -> Result<Vec<T>, minicbor::decode::Error> {
        let count = d
            .array()?
            .ok_or_else(|| minicbor::decode::Error::message("a list has no stated length"))?;
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(consensus::decode(d, ctx)?);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::{OutPoint, ScriptBuf, Transaction, TxOut, absolute, transaction};

    use super::*;

    #[derive(Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
    struct Record {
        #[cbor(n(0), with = "consensus")]
        place: OutPoint,
        #[cbor(n(1), with = "consensus")]
        script: ScriptBuf,
        #[cbor(n(2), with = "optional")]
        spend: Option<Transaction>,
        #[cbor(n(3), with = "list")]
        outputs: Vec<TxOut>,
    }

    fn record() -> Record {
        Record {
            place: OutPoint::null(),
            script: ScriptBuf::from_bytes(vec![0x51]),
            spend: None,
            outputs: vec![TxOut::NULL, TxOut::NULL],
        }
    }

    #[test]
    fn bitcoin_types_survive_their_encoding() {
        let spend = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: vec![],
            output: vec![TxOut::NULL],
        };
        for record in [record(), Record { spend: Some(spend), ..record() }] {
            let bytes = minicbor::to_vec(&record).unwrap();
            assert_eq!(minicbor::decode::<Record>(&bytes).unwrap(), record);
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = minicbor::to_vec(record()).unwrap();
        for end in 0..bytes.len() {
            assert!(minicbor::decode::<Record>(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn bytes_after_a_value_are_refused() {
        let mut long = encode::serialize(&OutPoint::null());
        long.push(0);
        let bytes = minicbor::to_vec(minicbor::bytes::ByteVec::from(long)).unwrap();
        let read = consensus::decode::<(), OutPoint>(&mut Decoder::new(&bytes), &mut ());
        assert!(read.is_err());
    }
}
