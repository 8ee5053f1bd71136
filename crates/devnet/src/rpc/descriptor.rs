//! Output descriptors, as far as mining needs them: `addr(…)` and `raw(…)`, with or without checksum.
//!
//! Spec: BIP-0380 (checksum), BIP-0385.

use bitcoin::{Address, Network, ScriptBuf};
use thiserror::Error;

/// The characters a descriptor may have, in the order of BIP-0380.
const INPUT_CHARSET: &str = "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
/// The characters of a checksum.
const CHECKSUM_CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The generator of the checksum's code.
const GENERATOR: [u64; 5] =
    [0xf5_dee5_1989, 0xa9_fdca_3312, 0x1b_ab10_e32d, 0x37_06b1_677a, 0x64_4d62_6ffd];
/// Characters in a checksum.
const CHECKSUM_LENGTH: u32 = 8;

/// Why a descriptor has no script here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum DescriptorError {
    /// The checksum does not fit.
    #[error("Provided checksum '{given}' does not match computed checksum '{computed}'")]
    Checksum {
        /// As given.
        given: String,
        /// As it should be.
        computed: String,
    },
    /// A character no descriptor has.
    #[error("Invalid characters in payload")]
    Character,
    /// The address is not one of regtest.
    #[error("Address is not valid")]
    Address,
    /// The script is not hexadecimal.
    #[error("Raw script is not hex")]
    RawScript,
    /// Another descriptor.
    #[error("the devnet mines to addr(...) and raw(...) descriptors only")]
    Unsupported,
}

/// The script of a descriptor.
pub(super) fn script_of(descriptor: &str) -> Result<ScriptBuf, DescriptorError> {
    let body = match descriptor.split_once('#') {
        None => descriptor,
        Some((body, given)) => {
            let computed = checksum(body).ok_or(DescriptorError::Character)?;
            if computed != given {
                return Err(DescriptorError::Checksum { given: given.into(), computed });
            }
            body
        }
    };
    let inner = |name: &str| body.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(address) = inner("addr") {
        return script_of_address(address).ok_or(DescriptorError::Address);
    }
    if let Some(script) = inner("raw") {
        return hex::decode(script).map(ScriptBuf::from).map_err(|_| DescriptorError::RawScript);
    }
    Err(DescriptorError::Unsupported)
}

/// The script of an address of regtest.
pub(super) fn script_of_address(address: &str) -> Option<ScriptBuf> {
    let address = address.parse::<Address<_>>().ok()?.require_network(Network::Regtest).ok()?;
    Some(address.script_pubkey())
}

/// One step of the checksum's code.
fn step(state: u64, symbol: u64) -> u64 {
    let top = state >> 35;
    let mut next = ((state & 0x07_ffff_ffff) << 5) ^ symbol;
    for (bit, term) in GENERATOR.iter().enumerate() {
        if (top >> bit) & 1 == 1 {
            next ^= term;
        }
    }
    next
}

/// The checksum of a descriptor's body; `None` if it has a character no descriptor has.
fn checksum(body: &str) -> Option<String> {
    let (mut state, mut group, mut count) = (1_u64, 0_u64, 0_u32);
    for character in body.chars() {
        let position = u64::try_from(INPUT_CHARSET.find(character)?).ok()?;
        state = step(state, position & 31);
        group = group * 3 + (position >> 5);
        count += 1;
        if count == 3 {
            state = step(state, group);
            (group, count) = (0, 0);
        }
    }
    if count > 0 {
        state = step(state, group);
    }
    for _ in 0..CHECKSUM_LENGTH {
        state = step(state, 0);
    }
    state ^= 1;
    let symbols = (0..CHECKSUM_LENGTH).rev().map(|place| {
        let symbol = usize::try_from((state >> (5 * place)) & 31).ok()?;
        CHECKSUM_CHARSET.get(symbol).copied().map(char::from)
    });
    symbols.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_give_their_script_or_say_why_not() {
        let check = |descriptor: &str, expect: Result<&str, DescriptorError>| {
            let script = script_of(descriptor).map(|script| script.to_hex_string());
            assert_eq!(script, expect.map(str::to_owned), "{descriptor}");
        };
        check("raw(51)", Ok("51"));
        check("raw(51)#8lvh9jxk", Ok("51"));
        check(
            "raw(51)#8lvh9jxq",
            Err(DescriptorError::Checksum {
                given: "8lvh9jxq".into(),
                computed: "8lvh9jxk".into(),
            }),
        );
        check("raw(zz)", Err(DescriptorError::RawScript));
        check("addr(bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4)", Err(DescriptorError::Address));
        check(
            "addr(bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080)",
            Ok("0014751e76e8199196d454941c45d1b3a323f1433bd6"),
        );
        check("wpkh(02)", Err(DescriptorError::Unsupported));
    }
}
