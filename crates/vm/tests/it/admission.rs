//! What the door refuses, and in which words.

use strait_contract::{ContractRuntime as _, LoadError};

use crate::guest::{Guest, vm};

/// Expects a refusal whose message holds some words.
fn refused(result: Result<strait_primitives::ModuleHash, LoadError>, words: &str) {
    let message = result.unwrap_err().to_string();
    assert!(message.contains(words), "`{message}` does not say `{words}`");
}

fn refused_field(fields: &'static str, words: &str) {
    refused(Guest { fields, ..Guest::default() }.load(), words);
}

fn refused_code(code: &str, words: &str) {
    refused(Guest::running(code).load(), words);
}

#[test]
fn a_sound_module_is_known_by_its_hash_and_loading_it_again_changes_nothing() {
    let vm = vm();
    let wasm = Guest::default().wasm();
    let hash = vm.load(&wasm).unwrap();
    assert!(vm.is_loaded(&hash));
    assert_eq!(vm.load(&wasm), Ok(hash));
}

#[test]
fn what_is_no_component_is_refused() {
    let core = wat::parse_str("(module)").unwrap();
    for bytes in [&[] as &[u8], b"not wasm", &core] {
        assert_eq!(vm().load(bytes), Err(LoadError::NotComponent));
    }
}

#[test]
fn a_component_that_is_cut_off_or_changed_is_refused() {
    let wasm = Guest::default().wasm();
    let vm = vm();
    for length in (8..wasm.len()).step_by(7) {
        assert!(vm.load(&wasm[..length]).is_err(), "cut to {length} bytes");
    }
    for at in (8..wasm.len()).step_by(5) {
        let mut changed = wasm.clone();
        changed[at] ^= 0x55;
        // Some changes leave a sound module; none may bring the process down.
        drop(vm.load(&changed));
    }
}

#[test]
fn a_module_above_the_limit_is_refused_before_it_is_read() {
    let wasm = vec![0; strait_contract::limits::MODULE_BYTES_MAX + 1];
    assert!(matches!(vm().load(&wasm), Err(LoadError::TooLarge { .. })));
}

#[test]
fn an_import_is_refused_by_its_name() {
    let outside = r#"(import "wasi:clocks/wall-clock@0.2.0" (instance))"#;
    let result = Guest { outside, ..Guest::default() }.load();
    assert_eq!(result, Err(LoadError::Imports { name: "wasi:clocks/wall-clock@0.2.0".into() }));
}

#[test]
fn another_interface_is_refused() {
    let instance = "strait:contract/contract@2.0.0";
    refused(Guest { instance, ..Guest::default() }.load(), "an export of another name");
    let height = "s32";
    refused(Guest { height, ..Guest::default() }.load(), "does not export apply: func(");
    refused(vm().load(&wat::parse_str("(component)").unwrap()), "no core module");
}

#[test]
fn what_runs_before_the_call_is_refused() {
    refused_field("(func $s (loop (br 0))) (start $s)", "a start function");
}

#[test]
fn a_second_module_or_a_calling_component_is_refused() {
    let refused_outside = |outside, words| {
        refused(Guest { outside, ..Guest::default() }.load(), words);
    };
    refused_outside("(core module)", "more than one core module");
    refused_outside("(component (core module))", "a nested component that does more");
    refused_outside("(component (component))", "a nested component that does more");
    refused_outside("(component)", "another number of instances");
    refused_outside("(core instance)", "a core instance with arguments");
}

#[test]
fn instructions_that_could_differ_or_have_no_price_are_refused() {
    refused_code("(drop (v128.const i64x2 0 0))", "SIMD");
    refused_code(
        "(return_call 0 (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
        "tail calls",
    );
    refused_code("(drop (ref.null func))", "makes a reference");
    refused_code("(atomic.fence)", "threads");
    refused_field(
        "(table 1 funcref) (func (drop (table.grow (ref.null func) (i32.const 1))))",
        "makes a reference",
    );
    refused_field("(table 1 funcref) (func (drop (table.size)))", "works on a table");
    refused_field("(memory 1)", "memories");
    refused_field("(tag)", "exception tags");
}

#[test]
fn what_needs_more_than_any_call_may_have_is_refused() {
    refused(Guest { memory: "257", ..Guest::default() }.load(), "pages of memory of 257");
    refused(Guest { memory: "i64 1", ..Guest::default() }.load(), "memory64");
    refused_field("(table 10001 funcref)", "elements of a table of 10001");
    refused_field("(table 1 funcref) (table 1 funcref)", "more than one table");
    let locals = Box::leak(format!("(func (local {}))", "i64 ".repeat(4_096)).into_boxed_str());
    refused_field(locals, "cells in one frame");
    let long =
        Box::leak(format!("(func {})", "(drop (i32.const 0))".repeat(50_000)).into_boxed_str());
    refused_field(long, "bytes in one function");
    let many = Box::leak("(func)".repeat(10_001).into_boxed_str());
    refused_field(many, "functions of 10");
}

#[test]
fn a_name_that_a_counter_takes_is_refused() {
    refused_field(r#"(func (export "strait-meter-set"))"#, "an export named as a counter");
}

#[test]
fn data_outside_of_the_memory_is_refused() {
    refused_field(r#"(data (i32.const 65536) "x")"#, "out of bounds");
}
