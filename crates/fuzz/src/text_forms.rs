//! Short texts from people and other programs: ids in hex, addresses, seed words.

use core::fmt::{Debug, Display};
use core::str::FromStr;

use bitcoin::Network;
use strait_primitives::{ChannelId, ContractId, ModuleHash, NodeId, RequestKey};
use strait_signer::{Seed, SeedWords, Zeroizing};
use strait_wallet::{Account, AddressGap, BlockPoint, Wallet};

/// By the first byte, reads the rest as one of the forms. An id that can be read is written as it was, in lower case.
///
/// # Panics
/// If that promise is broken.
pub fn text_forms(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let Ok(text) = core::str::from_utf8(text) else { return };
    match choice % 7 {
        0 => same::<ChannelId>(text),
        1 => same::<ContractId>(text),
        2 => same::<ModuleHash>(text),
        3 => same::<NodeId>(text),
        4 => same::<RequestKey>(text),
        5 => drop(SeedWords::parse(text)),
        _ => address(text),
    }
}

/// Reads an id, in either case, and writes it again.
fn same<T: FromStr<Err: Debug> + Display>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase(), "an id has one form");
    }
}

/// Reads an address as the wallet does.
fn address(text: &str) {
    thread_local! {
        static WALLET: Wallet = wallet();
    }
    WALLET.with(|wallet| drop(wallet.parse_address(text)));
}

fn wallet() -> Wallet {
    let words = SeedWords::generate(&Zeroizing::new([7; 32]));
    let seed = Seed::new(&words, Network::Regtest);
    let (fingerprint, xpub) = seed.wallet_account();
    let account = Account::new(Network::Regtest, fingerprint, xpub).expect("the seed's own");
    let genesis = account.genesis();
    let point = BlockPoint { height: genesis.height, hash: genesis.hash };
    Wallet::create(&account, point, AddressGap(2)).0
}
