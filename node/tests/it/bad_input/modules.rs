//! Modules that are no contracts, and contracts that do harm.

use strait_api_types::{ErrorCode, OpenContractRequest};
use strait_client::ClientError;

use crate::nodes::Node;
use crate::world::{on_a_chain, still_pays, with_channel};

/// The example contract, to be spoilt.
const METERED: &[u8] = include_bytes!("../../../../contracts/metered/metered.wasm");
/// A small contract in WebAssembly text, with places for what a test is about.
const GUEST: &str = include_str!("../../../../crates/vm/tests/it/guest.wat");
/// Answers with no state.
const ANSWER: &str = "(i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 24) (i32.const 0)) (i32.const 16)";
/// A division of the whole collateral.
const DIVIDE: &str = "(i64.store (i32.const 16) (i64.const 700)) (i64.store (i32.const 24) (i64.const 300)) (i32.const 16)";
/// What the parties put in.
const COLLATERAL_MSAT: (u64, u64) = (1_000, 0);

#[test]
fn modules_that_are_no_contracts_are_refused_and_the_node_stays_up() {
    on_a_chain(async |backend| {
        let node = Node::start(&backend).await;
        let component = |text: &str| wat::parse_str(text).unwrap();
        let rows = [
            ("nothing", Vec::new()),
            ("text", b"hello".to_vec()),
            ("a core module", component("(module)")),
            ("an empty component", component("(component)")),
            ("an import", component("(component (import \"clock\" (func)))")),
            ("a module cut short", METERED[..METERED.len() / 2].to_vec()),
            ("a module with a byte changed", changed(METERED)),
            ("far too large a module", [METERED, &vec![0; 4 << 20]].concat()),
        ];
        for (what, wasm) in rows {
            match node.client().add_module(wasm).await {
                Err(ClientError::Refused { status, error }) => {
                    assert!((400..500).contains(&status), "{what}: {status} {error:?}");
                    assert!(!error.message.is_empty(), "{what}");
                }
                other => panic!("{what} was not refused: {other:?}"),
            }
            assert_eq!(node.client().modules().await.unwrap().modules, [], "{what}");
        }
        node.client().add_module(METERED.to_vec()).await.unwrap();
    });
}

/// Another byte in the middle of its first section.
fn changed(wasm: &[u8]) -> Vec<u8> {
    let mut wasm = wasm.to_vec();
    wasm[20] ^= 0xff;
    wasm
}

/// Goal: a contract that would run, dig, eat or take without end is not opened, and the channel goes on.
/// Method: both nodes hold the module, as both must; what is bad about it shows when it is first called.
#[test]
fn contracts_that_do_harm_are_not_opened_and_the_channel_goes_on() {
    let endless = "(loop (br 0)) unreachable";
    let deep = "(call $dig) unreachable";
    let bomb = "(loop (drop (memory.grow (i32.const 1))) (br 0)) unreachable";
    let trap = "unreachable";
    let short = "(i64.store (i32.const 16) (i64.const 1)) (i64.store (i32.const 24) (i64.const 1)) (i32.const 16)";
    let much = "(i64.store (i32.const 16) (i64.const -1)) (i64.store (i32.const 24) (i64.const -1)) (i32.const 16)";
    let rows = [
        ("an endless loop", endless, DIVIDE),
        ("deep recursion", deep, DIVIDE),
        ("a memory bomb", bomb, DIVIDE),
        ("a trap", trap, DIVIDE),
        ("an outcome of less than there is", ANSWER, short),
        ("an outcome of more than there is", ANSWER, much),
        ("an outcome without end", ANSWER, endless),
    ];
    on_a_chain(async |backend| {
        let (mut alice, bob, channel) = with_channel(&backend).await;
        for (what, init, outcome) in rows {
            let wasm = guest(init, outcome);
            let module = alice.client().add_module(wasm.clone()).await.unwrap();
            bob.client().add_module(wasm).await.unwrap();
            let request = OpenContractRequest {
                channel_id: channel.channel_id.clone(),
                module_hash: module.module_hash,
                params_hex: String::new(),
                collateral_opener_msat: COLLATERAL_MSAT.0,
                collateral_acceptor_msat: COLLATERAL_MSAT.1,
                limits: Default::default(),
            };
            let key = alice.key();
            match alice.client().open_contract(&key, &request).await {
                Err(ClientError::Refused { error, .. }) => {
                    assert_eq!(error.code, ErrorCode::ContractRefused, "{what}: {error:?}");
                }
                other => panic!("{what} was not refused: {other:?}"),
            }
            still_pays(&mut alice, &bob, &channel.channel_id).await;
        }
        assert_eq!(alice.channel(&channel.channel_id).await.contracts, channel.contracts);
    });
}

fn guest(init: &str, outcome: &str) -> Vec<u8> {
    const DIG: &str = "(func $dig (call $dig) (call $dig))";
    let text = [
        ("OUTSIDE", ""),
        ("MEMORY", "1"),
        ("FIELDS", DIG),
        ("INIT", init),
        ("APPLY", ANSWER),
        ("OUTCOME", outcome),
        ("INSTANCE", "strait:contract/contract@1.0.0"),
        ("HEIGHT", "u32"),
    ]
    .iter()
    .fold(GUEST.to_owned(), |text, (place, with)| text.replace(place, with));
    wat::parse_str(&text).unwrap()
}
