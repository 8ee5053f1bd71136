//! The three witness scripts of a commitment, as templates with slots for hashes and heights.
//!
//! Each is the encoding of a miniscript pinned in the protocol, section 3; tests hold them equal to it, byte for byte.
//! Everything before the first slot is hashed once per channel.

use bitcoin::ScriptBuf;
use bitcoin::hashes::{Hash as _, HashEngine as _, hash160, sha256};
use bitcoin::opcodes::Opcode;
use bitcoin::opcodes::all::{
    OP_CHECKSIG, OP_CHECKSIGVERIFY, OP_CLTV, OP_CSV, OP_DUP, OP_ELSE, OP_ENDIF, OP_EQUAL,
    OP_EQUALVERIFY, OP_HASH160, OP_IF, OP_NOTIF, OP_PUSHNUM_1, OP_SHA256, OP_SIZE, OP_VERIFY,
};
use bitcoin::secp256k1::PublicKey;
use strait_primitives::{BlockDelta, BlockHeight, PaymentHash, RevocationHash};

use crate::commitment::Role;
use crate::keys::ChannelPublicKeys;
use crate::output::ShortScript;

/// The keys and the delay that all scripts of one broadcaster's commitments share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScriptTerms<'a> {
    /// Keys of the side whose commitment it is.
    pub(crate) broadcaster: &'a ChannelPublicKeys,
    /// Keys of the other side.
    pub(crate) countersignatory: &'a ChannelPublicKeys,
    /// Blocks that every path of the broadcaster waits.
    pub(crate) delay: BlockDelta,
}

/// The script templates of one broadcaster's commitments.
#[derive(Clone)]
pub(crate) struct Templates {
    /// The broadcaster's balance. Slot: revocation hash.
    balance: Template,
    /// A lock that the broadcaster offered. Slots: payment hash, expiry, revocation hash.
    offered: Template,
    /// A lock that the countersignatory offered. Slots: expiry, payment hash, revocation hash.
    received: Template,
}

/// What fills a lock's script.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockSlots<'a> {
    /// Who offered the lock.
    pub(crate) offered_by: Role,
    /// What claims it.
    pub(crate) payment_hash: &'a PaymentHash,
    /// From when on it is refunded.
    pub(crate) expiry: BlockHeight,
    /// The broadcaster's hash for the commitment's number.
    pub(crate) revocation_hash: &'a RevocationHash,
}

impl Templates {
    /// Lays out the scripts of one broadcaster.
    pub(crate) fn new(terms: ScriptTerms<'_>) -> Self {
        Self {
            balance: balance_template(terms),
            offered: offered_template(terms),
            received: received_template(terms),
        }
    }

    /// The script of the broadcaster's balance.
    pub(crate) fn balance_script(&self, revocation_hash: &RevocationHash) -> ScriptBuf {
        self.balance.script(&[revocation_hash.as_bytes()])
    }

    /// The output that pays to [`Self::balance_script`].
    pub(crate) fn balance_output(&self, revocation_hash: &RevocationHash) -> ShortScript {
        self.balance.output(&[revocation_hash.as_bytes()])
    }

    /// The script of a lock.
    pub(crate) fn lock_script(&self, slots: LockSlots<'_>) -> ScriptBuf {
        let expiry = NumberPush::new(slots.expiry.to_u32());
        let (template, contents) = self.lock_template(&slots, &expiry);
        template.script(&contents)
    }

    /// The output that pays to [`Self::lock_script`].
    pub(crate) fn lock_output(&self, slots: LockSlots<'_>) -> ShortScript {
        let expiry = NumberPush::new(slots.expiry.to_u32());
        let (template, contents) = self.lock_template(&slots, &expiry);
        template.output(&contents)
    }

    /// The template of a lock, and its slots' contents in the template's order.
    fn lock_template<'a>(
        &self,
        slots: &LockSlots<'a>,
        expiry: &'a NumberPush,
    ) -> (&Template, [&'a [u8]; 3]) {
        let hash = slots.payment_hash.as_bytes().as_slice();
        let revocation = slots.revocation_hash.as_bytes().as_slice();
        match slots.offered_by {
            Role::Broadcaster => (&self.offered, [hash, expiry.as_bytes(), revocation]),
            Role::Countersignatory => (&self.received, [expiry.as_bytes(), hash, revocation]),
        }
    }
}

/// A script with gaps, hashed up to the first.
#[derive(Clone)]
struct Template {
    /// Bytes before the first slot.
    head: Vec<u8>,
    /// SHA-256 after `head`.
    head_hashed: sha256::HashEngine,
    /// Bytes after each slot.
    pieces: Vec<Vec<u8>>,
}

impl Template {
    /// The script with its slots filled.
    fn script(&self, slots: &[&[u8]]) -> ScriptBuf {
        let mut script = self.head.clone();
        self.fill(slots, |bytes| script.extend_from_slice(bytes));
        ScriptBuf::from_bytes(script)
    }

    /// The output script that pays to the filled script.
    fn output(&self, slots: &[&[u8]]) -> ShortScript {
        let mut engine = self.head_hashed.clone();
        self.fill(slots, |bytes| engine.input(bytes));
        ShortScript::witness_script_hash(sha256::Hash::from_engine(engine).to_byte_array())
    }

    /// Writes everything after the head.
    fn fill(&self, slots: &[&[u8]], mut write: impl FnMut(&[u8])) {
        assert_eq!(slots.len(), self.pieces.len(), "every slot of a template is filled");
        for (slot, piece) in slots.iter().zip(&self.pieces) {
            write(slot);
            write(piece);
        }
    }
}

/// Collects a template's bytes, slot by slot.
#[derive(Default)]
struct TemplateBuilder {
    /// Pieces that a slot ends.
    done: Vec<Vec<u8>>,
    /// The piece being written.
    piece: Vec<u8>,
}

impl TemplateBuilder {
    /// Appends opcodes.
    fn ops(mut self, opcodes: &[Opcode]) -> Self {
        self.piece.extend(opcodes.iter().map(|opcode| opcode.to_u8()));
        self
    }

    /// Appends data of at most 75 bytes with its push.
    fn push(mut self, data: &[u8]) -> Self {
        self.piece.push(push_opcode(data.len()));
        self.piece.extend_from_slice(data);
        self
    }

    /// Appends a number with its push.
    fn number(mut self, number: u32) -> Self {
        self.piece.extend_from_slice(NumberPush::new(number).as_bytes());
        self
    }

    /// Leaves a gap.
    fn slot(mut self) -> Self {
        self.done.push(core::mem::take(&mut self.piece));
        self
    }

    /// `pk(key)`.
    fn pk(self, key: &PublicKey) -> Self {
        self.push(&key.serialize()).ops(&[OP_CHECKSIG])
    }

    /// `v:pkh(key)`.
    fn verify_pkh(self, key: &PublicKey) -> Self {
        self.ops(&[OP_DUP, OP_HASH160])
            .push(hash160::Hash::hash(&key.serialize()).as_byte_array())
            .ops(&[OP_EQUALVERIFY, OP_CHECKSIGVERIFY])
    }

    /// `sha256(slot)`, up to the comparison.
    fn sha256_slot(mut self) -> Self {
        self = self.ops(&[OP_SIZE]).push(&[0x20]).ops(&[OP_EQUALVERIFY, OP_SHA256]);
        self.piece.push(push_opcode(sha256::Hash::LEN));
        self.slot()
    }

    /// The common end of all scripts: `andor`'s other branch, which a revealed revocation secret opens.
    fn revocation(self) -> Self {
        self.ops(&[OP_ELSE]).sha256_slot().ops(&[OP_EQUAL, OP_ENDIF])
    }

    /// Closes the last piece and hashes the first.
    fn finish(mut self) -> Template {
        self.done.push(self.piece);
        let head = self.done.remove(0);
        let mut head_hashed = sha256::Hash::engine();
        head_hashed.input(&head);
        Template { head, head_hashed, pieces: self.done }
    }
}

/// The opcode that pushes this many bytes.
fn push_opcode(len: usize) -> u8 {
    assert!(len <= 75, "longer data needs another push opcode");
    u8::try_from(len).expect("at most 75")
}

/// A positive number as a script pushes it: minimal, so that it equals what miniscript encodes.
struct NumberPush {
    /// The push, then zeros.
    bytes: [u8; 6],
    /// Length of the push.
    len: usize,
}

impl NumberPush {
    /// Encodes a number: an opcode up to 16, then little-endian with room for the sign bit.
    fn new(number: u32) -> Self {
        let mut bytes = [0; 6];
        if (1..=16).contains(&number) {
            let [low, ..] = number.to_le_bytes();
            bytes[0] = OP_PUSHNUM_1.to_u8() + low - 1;
            return Self { bytes, len: 1 };
        }
        let significant_bits = u32::BITS - number.leading_zeros();
        let len = match significant_bits {
            0 => 0,
            bits => usize::try_from(bits / 8 + 1).expect("at most 5"),
        };
        bytes[0] = push_opcode(len);
        let [a, b, c, d] = number.to_le_bytes();
        bytes[1..].copy_from_slice(&[a, b, c, d, 0]);
        Self { bytes, len: 1 + len }
    }

    /// The push.
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).expect("at most six bytes by construction")
    }
}

/// `andor(pk(penalty_Y),sha256(h_n),and_v(v:pk(delayed_X),older(delay)))`.
fn balance_template(terms: ScriptTerms<'_>) -> Template {
    TemplateBuilder::default()
        .pk(&terms.countersignatory.penalty)
        .ops(&[OP_NOTIF])
        .push(&terms.broadcaster.delayed.serialize())
        .ops(&[OP_CHECKSIGVERIFY])
        .number(terms.delay.to_u32())
        .ops(&[OP_CSV])
        .revocation()
        .finish()
}

/// `andor(pk(penalty_Y),sha256(h_n),or_i(and_v(v:pkh(lock_Y),sha256(H)),`
/// `and_v(v:pkh(lock_X),and_v(v:after(expiry),older(delay)))))`.
fn offered_template(terms: ScriptTerms<'_>) -> Template {
    TemplateBuilder::default()
        .pk(&terms.countersignatory.penalty)
        .ops(&[OP_NOTIF, OP_IF])
        .verify_pkh(&terms.countersignatory.lock)
        .sha256_slot()
        .ops(&[OP_EQUAL, OP_ELSE])
        .verify_pkh(&terms.broadcaster.lock)
        .slot()
        .ops(&[OP_CLTV, OP_VERIFY])
        .number(terms.delay.to_u32())
        .ops(&[OP_CSV, OP_ENDIF])
        .revocation()
        .finish()
}

/// `andor(pk(penalty_Y),sha256(h_n),or_i(and_v(v:pkh(lock_Y),after(expiry)),`
/// `and_v(v:pkh(lock_X),and_v(v:sha256(H),older(delay)))))`.
fn received_template(terms: ScriptTerms<'_>) -> Template {
    TemplateBuilder::default()
        .pk(&terms.countersignatory.penalty)
        .ops(&[OP_NOTIF, OP_IF])
        .verify_pkh(&terms.countersignatory.lock)
        .slot()
        .ops(&[OP_CLTV, OP_ELSE])
        .verify_pkh(&terms.broadcaster.lock)
        .sha256_slot()
        .ops(&[OP_EQUALVERIFY])
        .number(terms.delay.to_u32())
        .ops(&[OP_CSV, OP_ENDIF])
        .revocation()
        .finish()
}

#[cfg(test)]
mod tests;
