//! Hostile calls: each ends as its own clear failure, and the engine answers the next one.

use core::num::NonZeroU32;
use core::time::Duration;

use strait_contract::{
    CallError, ContractRuntime as _, Failure, Finality, Limits, LocalFault, MemoryPages,
    OutcomeError, Party, Refusal, StackCells, State, TrapReason,
};
use strait_primitives::{Fuel, MilliSats, ModuleHash};
use strait_vm::{Options, Vm};

use crate::guest::{Guest, ROUND, World, terms, vm};

fn fails(guest: &Guest, expect: Failure) {
    let world = guest.world();
    assert_eq!(world.apply(&[], &[]), Err(CallError::Failed(expect)));
    assert!(world.init(&[]).is_ok(), "the engine answers after a failure");
}

fn traps(code: &str, reason: TrapReason) {
    fails(&Guest::running(code), Failure::Trap { reason });
}

#[test]
fn an_echo_answers_with_what_it_was_given() {
    let world = Guest::default().world();
    let state = world.init(&[1, 2, 3]).unwrap().value;
    assert_eq!(state.as_bytes(), [1, 2, 3]);
    assert_eq!(world.act(&state, Party::Second, &[9]).unwrap().value, state);
    let outcome = world.outcome(&state).unwrap().value;
    assert_eq!((outcome.first.to_msat(), outcome.second.to_msat()), (70, 30));
    assert_eq!(outcome.finality, Finality::Open);
}

#[test]
fn an_action_arrives_with_its_party_and_height() {
    let guest = Guest::running(
        "(if (i32.ne (local.get $who) (i32.const 1)) (then unreachable))
         (if (i32.ne (local.get $height) (i32.const 800000)) (then unreachable))
         (if (i32.ne (i32.load8_u (local.get $action)) (i32.const 42)) (then unreachable))",
    );
    let world = guest.world();
    let state = State::new(&[]).unwrap();
    assert!(world.act(&state, Party::Second, &[42]).is_ok());
    assert!(world.act(&state, Party::First, &[42]).is_err());
}

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    let limit = Limits::default().fuel_per_call;
    fails(&Guest::running("(loop (br 0))"), Failure::OutOfFuel { limit });
    let in_a_block = "(loop (block (br_if 1 (i32.const 1))))";
    fails(&Guest::running(in_a_block), Failure::OutOfFuel { limit });
}

#[test]
fn a_round_without_fuel_runs_nothing() {
    let world = Guest::default().world();
    let step = strait_contract::Step {
        state: &State::new(&[]).unwrap(),
        who: Party::First,
        action: &strait_contract::Action::new(&[]).unwrap(),
        height: strait_primitives::BlockHeight::new(1),
    };
    for fuel in [0, 1, 5_000] {
        let failure = world.terms.apply(&world.vm, &step, Fuel(fuel)).unwrap_err();
        assert_eq!(failure, CallError::Failed(Failure::OutOfFuel { limit: Fuel(fuel) }));
    }
}

#[test]
fn deep_recursion_is_too_deep_however_the_frames_look() {
    let limit = Limits::default().call_depth;
    let deep = |fields, code| {
        let guest = Guest { fields, ..Guest::running(code) };
        fails(&guest, Failure::TooDeep { limit });
    };
    deep("(func $f (call $f))", "(call $f)");
    deep("(func $f (call $g)) (func $g (call $f))", "(call $f)");
    deep(
        "(type $t (func)) (table funcref (elem $f)) (func $f (call_indirect (type $t) (i32.const 0)))",
        "(call $f)",
    );
}

#[test]
fn wide_frames_are_too_deep_before_the_engines_stack_ends() {
    // Hundreds of values that must survive the inner call: the worst a compiler can be made to spill.
    let wide = |count: usize, kind: &str| {
        let locals = format!("{kind} ").repeat(count);
        let set: String = (0..count)
            .map(|i| format!("(local.set {} ({kind}.load (i32.const {})))", i + 1, i * 8))
            .collect();
        let keep: String = (0..count)
            .map(|i| format!("({kind}.store (i32.const {}) (local.get {}))", i * 8, i + 1))
            .collect();
        let held: String = (0..count).map(|i| format!("(local.get {})", i + 1)).collect();
        let dropped = "drop ".repeat(count);
        let text = format!(
            "(func $f (param i32) (local {locals}) {set} {held}
               (call $f (i32.add (local.get 0) (i32.const 1))) {dropped} {keep})"
        );
        let guest = Guest {
            fields: Box::leak(text.into_boxed_str()),
            ..Guest::running("(call $f (i32.const 0))")
        };
        fails(&guest, Failure::TooDeep { limit: Limits::default().call_depth });
    };
    for count in [1, 16, 60, 400, 2_000] {
        wide(count, "i64");
        wide(count, "f64");
    }
}

#[test]
fn the_depth_is_given_back_when_a_call_returns() {
    let fields = "(func $leaf)
        (func $twice (call $leaf) (call $leaf))
        (func $four (call $twice) (call $twice))";
    let code = "(local $i i32) (loop
        (call $four)
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get $i) (i32.const 5000))))";
    assert!(Guest { fields, ..Guest::running(code) }.apply_once().is_ok());
}

#[test]
fn a_shallower_limit_of_the_terms_holds() {
    let fields = "(func $f (param i32)
        (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))";
    let mut world = Guest { fields, ..Guest::running("(call $f (i32.const 100))") }.world();
    assert!(world.apply(&[], &[]).is_ok());
    let limit = StackCells(1_000);
    world.terms.limits.call_depth = limit;
    assert_eq!(world.apply(&[], &[]), Err(CallError::Failed(Failure::TooDeep { limit })));
}

#[test]
fn a_memory_bomb_ends_the_call() {
    let limit = Limits::default().memory;
    let bomb = "(loop (drop (memory.grow (i32.const 1))) (br 0))";
    fails(&Guest::running(bomb), Failure::OutOfMemory { limit });
    fails(&Guest::running("(drop (memory.grow (i32.const 1000)))"), Failure::OutOfMemory { limit });
}

#[test]
fn a_module_that_starts_above_the_terms_memory_fails_every_call() {
    let mut world = Guest { memory: "3", ..Guest::default() }.world();
    let limit = MemoryPages(2);
    world.terms.limits.memory = limit;
    assert_eq!(world.init(&[]), Err(CallError::Failed(Failure::OutOfMemory { limit })));
}

#[test]
fn growing_beyond_the_modules_own_maximum_fails_as_webassembly_says() {
    let code = "(if (i32.ne (memory.grow (i32.const 5)) (i32.const -1)) (then unreachable))
                (if (i32.ne (memory.grow (i32.const 1)) (i32.const 1)) (then unreachable))";
    assert!(Guest { memory: "1 2", ..Guest::running(code) }.apply_once().is_ok());
}

#[test]
fn clearing_memory_costs_by_the_byte() {
    let fill = |bytes: &str| {
        let code = format!("(memory.fill (i32.const 0) (i32.const 0) (i32.const {bytes}))");
        Guest::running(&code).apply_once().unwrap().used.0
    };
    assert_eq!(fill("65536") - fill("8"), (65_536 - 8) / 8);
}

#[test]
fn every_trap_has_its_reason() {
    traps("unreachable", TrapReason::Unreachable);
    traps("(drop (i32.load (i32.const -4)))", TrapReason::OutOfBounds);
    traps("(drop (i32.div_u (i32.const 1) (i32.const 0)))", TrapReason::Arithmetic);
    traps("(drop (i32.trunc_f64_s (f64.const nan)))", TrapReason::Arithmetic);
    let fields = "(table 1 funcref) (type $t (func))";
    let guest = Guest { fields, ..Guest::running("(call_indirect (type $t) (i32.const 0))") };
    fails(&guest, Failure::Trap { reason: TrapReason::IndirectCall });
}

#[test]
fn a_refusal_carries_the_contracts_words() {
    let apply = r#"
        (i32.store8 (i32.const 16) (i32.const 1))
        (i32.store (i32.const 20) (i32.const 7))
        (i32.store (i32.const 24) (i32.const 64))
        (i32.store (i32.const 28) (i32.const 3))
        (i32.const 16)"#;
    let guest = Guest { apply, fields: r#"(data (i32.const 64) "no!")"#, ..Guest::default() };
    fails(&guest, Failure::Refused(Refusal::new(7, b"no!")));
}

#[test]
fn an_answer_that_is_no_value_is_malformed() {
    let answer = |apply| fails(&Guest { apply, ..Guest::default() }, Failure::Malformed);
    answer("(i32.store8 (i32.const 16) (i32.const 9)) (i32.const 16)");
    answer(
        "(i32.store (i32.const 20) (i32.const -1)) (i32.store (i32.const 24) (i32.const 9)) (i32.const 16)",
    );
    answer("(i32.const -8)");
    answer("(i32.const 3)");
    // A refusal in bytes that are no UTF-8.
    answer(
        "(i32.store8 (i32.const 16) (i32.const 1)) (i32.store (i32.const 24) (i32.const 64))
            (i32.store (i32.const 28) (i32.const 1)) (i32.store8 (i32.const 64) (i32.const 255))
            (i32.const 16)",
    );
}

#[test]
fn an_allocator_that_lies_is_no_danger() {
    // The state would be written where the contract says: outside of its memory.
    let guest = Guest { fields: "", ..Guest::default() };
    let text = wat::parse_bytes(&guest.wasm()).unwrap().into_owned();
    let world = World::new(&text);
    let big = vec![7; 60_000];
    // 60,000 bytes behind 4,096 fit into one page only without the action beside them.
    let result = world.apply(&big, &big[..8_000]);
    assert!(matches!(result, Err(CallError::Failed(_))), "{result:?}");
}

#[test]
fn an_oversized_state_is_refused_with_both_sizes() {
    let apply = "(i32.store (i32.const 24) (i32.const 16385)) (i32.const 16)";
    let limit = Limits::default().state_bytes;
    fails(&Guest { apply, ..Guest::default() }, Failure::StateTooLarge { actual: 16_385, limit });
}

#[test]
fn an_outcome_that_does_not_divide_the_collateral_is_refused() {
    let fails = |outcome, expect: Failure| {
        let world = Guest { outcome, ..Guest::default() }.world();
        let state = State::new(&[]).unwrap();
        assert_eq!(world.outcome(&state), Err(CallError::Failed(expect)));
    };
    let (actual, expected) = (Some(MilliSats::from_const(71)), MilliSats::from_const(100));
    fails(
        "(i64.store (i32.const 16) (i64.const 71)) (i32.const 16)",
        OutcomeError::WrongSum { actual, expected }.into(),
    );
    fails("(i64.store (i32.const 16) (i64.const -1)) (i32.const 16)", Failure::Malformed);
    fails(
        "(i32.store (i32.const 36) (i32.const 9)) (i32.const 16)",
        OutcomeError::TooManyLocks { actual: 9, limit: 8 }.into(),
    );
}

#[test]
fn locks_arrive_as_the_contract_gave_them() {
    let outcome = r#"
        (i64.store (i32.const 16) (i64.const 70))
        (i64.store (i32.const 24) (i64.const 10))
        (i32.store (i32.const 32) (i32.const 128))
        (i32.store (i32.const 36) (i32.const 1))
        (i32.store8 (i32.const 40) (i32.const 1))
        (i32.store8 (i32.const 128) (i32.const 1))
        (i64.store (i32.const 136) (i64.const 20))
        (i64.store (i32.const 144) (i64.const 0x0102030405060708))
        (i64.store (i32.const 168) (i64.const 0xff))
        (i32.store (i32.const 176) (i32.const 900000))
        (i32.const 16)"#;
    let world = Guest { outcome, ..Guest::default() }.world();
    let outcome = world.outcome(&State::new(&[]).unwrap()).unwrap().value;
    assert_eq!(outcome.finality, Finality::Final);
    let [lock] = outcome.locks[..] else { panic!("one lock") };
    assert_eq!((lock.offered_by, lock.amount.to_msat()), (Party::Second, 20));
    assert_eq!(lock.expiry.to_u32(), 900_000);
    let hash = lock.payment_hash.to_string();
    assert!(hash.starts_with("0102030405060708") && hash.ends_with("ff"), "{hash}");
}

#[test]
fn every_call_starts_from_the_same_memory_and_globals() {
    let fields = "(global $calls (mut i32) (i32.const 0))";
    let code = "
        (if (i32.load (i32.const 60000)) (then unreachable))
        (if (global.get $calls) (then unreachable))
        (i32.store (i32.const 60000) (i32.const 1))
        (global.set $calls (i32.const 1))";
    let world = Guest { fields, ..Guest::running(code) }.world();
    for _ in 0..50 {
        assert!(world.apply(&[], &[]).is_ok());
    }
}

#[test]
fn a_module_that_is_not_loaded_is_a_fault_of_this_machine() {
    let module = ModuleHash::from_bytes([1; 32]);
    let fault = terms(module).init(&vm(), ROUND).unwrap_err();
    assert_eq!(fault, CallError::Local(LocalFault::ModuleMissing { module }));
}

#[test]
fn a_stalled_call_is_a_fault_of_this_machine_and_not_the_contracts_answer() {
    let calls_at_once = NonZeroU32::new(1).unwrap();
    let vm = Vm::start(&Options { calls_at_once, call_timeout: Duration::ZERO }).unwrap();
    let module =
        vm.load(&Guest { init: "(loop (br 0)) unreachable", ..Guest::default() }.wasm()).unwrap();
    let mut terms = terms(module);
    terms.limits.fuel_per_call = strait_contract::limits::FUEL_PER_CALL_MAX;
    assert_eq!(terms.init(&vm, ROUND), Err(CallError::Local(LocalFault::TimedOut)));
}

#[test]
fn more_callers_than_places_wait_and_all_get_their_answer() {
    let calls_at_once = NonZeroU32::new(2).unwrap();
    let vm = Vm::start(&Options { calls_at_once, ..Options::default() }).unwrap();
    let module = vm.load(&Guest::default().wasm()).unwrap();
    let terms = terms(module);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    terms.init(&vm, ROUND).unwrap();
                }
            });
        }
    });
}
