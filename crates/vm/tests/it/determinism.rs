//! The same call costs the same and answers the same, to the unit and to the bit.

use crate::guest::{Guest, World};

/// Runs some code in `apply` and tells the fuel.
fn fuel(code: &str) -> u64 {
    Guest::running(code).apply_once().unwrap().used.0
}

#[test]
fn prices_are_those_of_metering_version_1() {
    // These figures are protocol: a change here is a new metering version (ADR-0004).
    let empty = fuel("");
    assert_eq!(empty, 5_000 + 2 * 11 + 10, "a call, room for state and action, an echo");
    let check = |code: &str, price: u64| assert_eq!(fuel(code) - empty, price, "{code}");
    check("nop", 0);
    check("(drop (i32.const 1))", 2);
    check("(block (nop))", 0);
    check("(drop (i32.div_u (i32.const 1) (i32.const 1)))", 2 + 8 + 1);
    check("(drop (f64.sqrt (f64.const 1)))", 1 + 8 + 1);
    check("(if (i32.const 0) (then (drop (i32.const 1))))", 2);
    check("(if (i32.const 1) (then (drop (i32.const 1))))", 4);
    check("(drop (memory.grow (i32.const 1)))", 1 + 1_024 + 8_192 + 1);
    check("(memory.copy (i32.const 0) (i32.const 0) (i32.const 80))", 3 + 40 + 10);
}

#[test]
fn a_large_memory_costs_as_much_as_if_it_had_grown() {
    let used = |memory| Guest { memory, ..Guest::default() }.apply_once().unwrap().used.0;
    assert_eq!(used("4"), used("1"));
    assert_eq!(used("6") - used("4"), 2 * 8_192);
}

#[test]
fn bytes_that_go_in_or_come_out_cost_one_each() {
    let world = Guest::default().world();
    let used = |state: &[u8], action: &[u8]| world.apply(state, action).unwrap().used.0;
    assert_eq!(used(&[0; 100], &[1]) - used(&[0; 50], &[1]), 100);
    assert_eq!(used(&[1], &[0; 64]) - used(&[1], &[0; 32]), 32);
}

#[test]
fn two_engines_agree_to_the_unit() {
    let wasm = Guest::running(
        "(local $i i32) (loop
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get $i) (i32.const 1000))))",
    )
    .wasm();
    let results = [World::new(&wasm), World::new(&wasm)].map(|w| w.apply(&[5], &[6]).unwrap());
    assert_eq!(results[0], results[1]);
}

#[test]
fn the_last_unit_of_fuel_is_enough_and_one_less_is_not() {
    let mut world = Guest::running("(drop (i32.const 1))").world();
    let used = world.apply(&[], &[]).unwrap().used;
    world.terms.limits.fuel_per_call = used;
    assert!(world.apply(&[], &[]).is_ok());
    world.terms.limits.fuel_per_call.0 -= 1;
    assert!(world.apply(&[], &[]).is_err());
}

#[test]
fn a_nan_has_one_pattern_of_bits() {
    // Each way to make a NaN, with a payload where one can go in; the answer's state is the bits of the result.
    let bits = |expression: &str| {
        let apply = format!(
            "(f64.store (i32.const 64) {expression})
             (i32.store (i32.const 20) (i32.const 64)) (i32.store (i32.const 24) (i32.const 8))
             (i32.const 16)"
        );
        let apply = Box::leak(apply.into_boxed_str());
        let state = Guest { apply, ..Guest::default() }.apply_once().unwrap().value;
        u64::from_le_bytes(state.as_bytes().try_into().unwrap())
    };
    let canonical = 0x7ff8_0000_0000_0000;
    for expression in [
        "(f64.div (f64.const 0) (f64.const 0))",
        "(f64.sqrt (f64.const -1))",
        "(f64.sub (f64.const inf) (f64.const inf))",
        "(f64.add (f64.const nan:0x4000000000123) (f64.const 1))",
        "(f64.mul (f64.const -nan:0x8000000000001) (f64.const 2))",
        "(f64.min (f64.const nan:0x4000000000001) (f64.const 1))",
        "(f64.promote_f32 (f32.const nan:0x200001))",
    ] {
        assert_eq!(bits(expression), canonical, "{expression}");
    }
}
