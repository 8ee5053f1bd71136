//! Blocks of nonsense: each is refused with its fault, and whatever passes, the wallet can count.

use std::str::FromStr;

use bitcoin::absolute::LockTime;
use bitcoin::bip32::{DerivationPath, Xpriv, Xpub};
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Network, ScriptBuf, Sequence, TxIn, TxMerkleNode, TxOut, Witness, transaction};
use proptest::prelude::*;
use strait_wallet::{Account, AddressGap, Wallet};

use super::*;

/// A transaction from these outputs to these values.
fn spend(from: &[OutPoint], to: &[(u64, ScriptBuf)]) -> Transaction {
    let input = |previous_output: &OutPoint| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::from_bytes(vec![0x51, 0x51]),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = |(sat, script): &(u64, ScriptBuf)| TxOut {
        value: Amount::from_sat(*sat),
        script_pubkey: script.clone(),
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: from.iter().map(input).collect(),
        output: to.iter().map(output).collect(),
    }
}

/// The genesis block's successor with a coinbase and these transactions, mined.
fn mined(transactions: Vec<Transaction>) -> Block {
    let coinbase = spend(&[OutPoint::null()], &[(50, ScriptBuf::new())]);
    let mut block = Block {
        header: Header {
            version: Version::TWO,
            prev_blockhash: genesis(),
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: 0,
        },
        txdata: [vec![coinbase], transactions].concat(),
    };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    block
}

fn genesis() -> BlockHash {
    bitcoin::constants::genesis_block(Network::Regtest).block_hash()
}

fn checked(block: &Block) -> Result<(), BlockFault> {
    let parent_bits = CompactTarget::from_consensus(0x207f_ffff);
    let place = Place { height: BlockHeight::new(1), parent: genesis(), parent_bits };
    check_block(block, block.block_hash(), place, &Params::new(Network::Regtest))
}

fn coin(number: u8) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 }
}

fn account() -> Account {
    let secp = Secp256k1::new();
    let root = Xpriv::new_master(Network::Regtest, &[7; 32]).unwrap();
    let path = DerivationPath::from_str("m/86'/1'/0'").unwrap();
    let xpub = Xpub::from_priv(&secp, &root.derive_priv(&secp, &path).unwrap());
    Account::new(Network::Regtest, root.fingerprint(&secp), xpub).unwrap()
}

#[test]
fn what_no_chain_can_hold_is_refused_with_its_fault() {
    let all = Amount::MAX_MONEY.to_sat();
    let open = |sat| (sat, ScriptBuf::new());
    let check = |transactions: Vec<Transaction>, expect: Result<(), BlockFault>| {
        assert_eq!(checked(&mined(transactions)), expect);
    };
    check(vec![], Ok(()));
    check(vec![spend(&[coin(1), coin(2)], &[open(1), open(all - 1)])], Ok(()));
    check(
        vec![spend(&[coin(1), coin(2), coin(1)], &[open(1)])],
        Err(BlockFault::SpentTwice { outpoint: coin(1) }),
    );
    check(
        vec![spend(&[coin(1)], &[open(1)]), spend(&[coin(2), coin(1)], &[open(1)])],
        Err(BlockFault::SpentTwice { outpoint: coin(1) }),
    );
    for values in [vec![all + 1], vec![all, 1], vec![u64::MAX, u64::MAX], vec![u64::MAX]] {
        let outputs: Vec<_> = values.into_iter().map(open).collect();
        let rich = spend(&[coin(1)], &outputs);
        let txid = rich.compute_txid();
        check(vec![rich], Err(BlockFault::TooMuchMoney { txid }));
    }
    for hollow in [spend(&[], &[open(1)]), spend(&[coin(1)], &[])] {
        let txid = hollow.compute_txid();
        check(vec![hollow], Err(BlockFault::Hollow { txid }));
    }
}

#[test]
fn a_target_becomes_no_easier_within_a_period_and_four_times_as_easy_between_two() {
    let check = |network, height, below, bits, expect: Result<(), BlockFault>| {
        let place = Place {
            height: BlockHeight::new(height),
            parent: genesis(),
            parent_bits: CompactTarget::from_consensus(below),
        };
        let bits = CompactTarget::from_consensus(bits);
        let found = check_target(bits, place, &Params::new(network));
        assert_eq!(found, expect, "{network} {height} {below:x} {bits:x}");
    };
    let (easiest, jump) = (0x1d00_ffff, Err(BlockFault::TargetJump));
    for network in [Network::Bitcoin, Network::Signet] {
        check(network, 2_017, 0x1703_a30c, 0x1703_a30c, Ok(()));
        check(network, 2_017, 0x1703_a30c, 0x1703_a30b, Ok(()));
        check(network, 2_017, 0x1703_a30c, 0x1703_a30d, jump);
        check(network, 2_017, 0x1703_a30c, easiest, jump);
        check(network, 2_016, 0x1703_a30c, 0x170e_8c30, Ok(()));
        check(network, 2_016, 0x1703_a30c, 0x170e_8c31, jump);
        check(network, 2_016, 0x1703_a30c, easiest, jump);
    }
    check(Network::Bitcoin, 2_016, 0x1c7f_fff8, easiest, Ok(()));
    check(Network::Bitcoin, 2_016, easiest, 0x1d01_0000, Err(BlockFault::TargetTooEasy));
    for network in [Network::Testnet, Network::Testnet4] {
        check(network, 2_017, 0x1703_a30c, easiest, Ok(()));
    }
    check(Network::Regtest, 2_017, 0x1703_a30c, 0x207f_ffff, Ok(()));
}

/// An input or output of nonsense: which coin, or how much and to whom.
type Nonsense = (Vec<u8>, Vec<(u64, bool)>);

fn nonsense() -> impl Strategy<Value = Vec<Nonsense>> {
    let value = prop_oneof![
        6 => 0_u64..100_000,
        2 => Just(Amount::MAX_MONEY.to_sat()),
        1 => Just(Amount::MAX_MONEY.to_sat() + 1),
        1 => Just(u64::MAX),
    ];
    let inputs = prop::collection::vec(any::<u8>(), 0..4);
    let outputs = prop::collection::vec((value, any::<bool>()), 0..4);
    prop::collection::vec((inputs, outputs), 0..4)
}

proptest! {
    #[test]
    fn a_block_that_passes_connects_in_the_wallet(transactions in nonsense()) {
        let account = account();
        let birthday = account.genesis();
        let (mut wallet, _) = Wallet::create(&account, birthday, AddressGap(2));
        let own = wallet.next_address().0.script_pubkey();
        let script = |is_own: bool| if is_own { own.clone() } else { ScriptBuf::new() };
        let transactions = transactions.into_iter().map(|(inputs, outputs)| {
            let inputs: Vec<OutPoint> = inputs.into_iter().map(coin).collect();
            let outputs: Vec<_> =
                outputs.into_iter().map(|(sat, is_own)| (sat, script(is_own))).collect();
            spend(&inputs, &outputs)
        });
        let block = mined(transactions.collect());
        if checked(&block).is_ok() {
            let height = BlockHeight::new(1);
            let _ = wallet.connect_block(&block, height).unwrap();
            prop_assert_eq!(wallet.tip().height, height);
            let _ = wallet.balance();
        }
    }
}
