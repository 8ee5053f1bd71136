//! Small contracts in WebAssembly text. The default one echoes: `init` gives its parameters back as the state, `apply`
//! its state, and `outcome` is always 70 and 30. A test replaces the part that it is about.

use strait_contract::{
    Action, CallError, Collateral, ContractRuntime as _, LoadError, Metered, Outcome, Params,
    Party, State, Step, Terms,
};
use strait_primitives::{BlockHeight, Fuel, MilliSats, ModuleHash};
use strait_vm::{Options, Vm};

/// The fuel that tests give a round.
pub(crate) const ROUND: Fuel = Fuel(200_000_000);

/// Answers with the state at the address and of the length on top of the stack.
const ANSWER_STATE: &str = "
    (i32.store8 (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (local.get $state))
    (i32.store (i32.const 24) (local.get $length))
    (i32.const 16)";

/// The parts of a contract, as text.
pub(crate) struct Guest {
    /// The limits of the memory.
    pub(crate) memory: &'static str,
    /// More fields of the core module.
    pub(crate) fields: &'static str,
    /// The body of `init`; parameters `$first $second $state $length`.
    pub(crate) init: &'static str,
    /// The body of `apply`; parameters `$state $length $who $action $action_length $height`.
    pub(crate) apply: &'static str,
    /// The body of `outcome`; parameters `$state $length`.
    pub(crate) outcome: &'static str,
    /// More fields of the component, before its core module.
    pub(crate) outside: &'static str,
    /// The name of the exported instance.
    pub(crate) instance: &'static str,
    /// The type of `height`.
    pub(crate) height: &'static str,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            memory: "1",
            fields: "",
            init: ANSWER_STATE,
            apply: ANSWER_STATE,
            outcome: "
                (i64.store (i32.const 16) (i64.const 70))
                (i64.store (i32.const 24) (i64.const 30))
                (i32.const 16)",
            outside: "",
            instance: "strait:contract/contract@1.0.0",
            height: "u32",
        }
    }
}

impl Guest {
    /// A contract whose `apply` runs some code first and then echoes.
    pub(crate) fn running(code: &str) -> Self {
        Self {
            apply: Box::leak(format!("{code} {ANSWER_STATE}").into_boxed_str()),
            ..Self::default()
        }
    }

    /// The binary.
    pub(crate) fn wasm(&self) -> Vec<u8> {
        let text = TEMPLATE
            .replace("OUTSIDE", self.outside)
            .replace("MEMORY", self.memory)
            .replace("FIELDS", self.fields)
            .replace("INIT", self.init)
            .replace("APPLY", self.apply)
            .replace("OUTCOME", self.outcome)
            .replace("INSTANCE", self.instance)
            .replace("HEIGHT", self.height);
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// What the door says.
    pub(crate) fn load(&self) -> Result<ModuleHash, LoadError> {
        vm().load(&self.wasm())
    }

    /// A machine with this contract loaded.
    pub(crate) fn world(&self) -> World {
        World::new(&self.wasm())
    }

    /// One `apply` on an empty state with an empty action.
    pub(crate) fn apply_once(&self) -> Result<Metered<State>, CallError> {
        self.world().apply(&[], &[])
    }
}

/// An engine with default options.
pub(crate) fn vm() -> Vm {
    Vm::start(&Options::default()).unwrap()
}

/// An engine and one contract's terms.
pub(crate) struct World {
    pub(crate) vm: Vm,
    pub(crate) terms: Terms,
}

impl World {
    pub(crate) fn new(wasm: &[u8]) -> Self {
        let vm = vm();
        let module = vm.load(wasm).unwrap();
        Self { vm, terms: terms(module) }
    }

    pub(crate) fn init(&self, params: &[u8]) -> Result<Metered<State>, CallError> {
        let params = Params::new(params).unwrap();
        Terms { params, ..self.terms.clone() }.init(&self.vm, ROUND)
    }

    pub(crate) fn apply(&self, state: &[u8], action: &[u8]) -> Result<Metered<State>, CallError> {
        self.act(&State::new(state).unwrap(), Party::First, action)
    }

    pub(crate) fn act(
        &self,
        state: &State,
        who: Party,
        action: &[u8],
    ) -> Result<Metered<State>, CallError> {
        let action = Action::new(action).unwrap();
        let step = Step { state, who, action: &action, height: BlockHeight::new(800_000) };
        self.terms.apply(&self.vm, &step, ROUND)
    }

    pub(crate) fn outcome(&self, state: &State) -> Result<Metered<Outcome>, CallError> {
        self.terms.outcome(&self.vm, state, ROUND)
    }
}

/// Terms of 70 and 30 with default limits.
pub(crate) fn terms(module: ModuleHash) -> Terms {
    Terms {
        module,
        params: Params::new(&[]).unwrap(),
        collateral: Collateral::new(MilliSats::from_const(70), MilliSats::from_const(30)).unwrap(),
        limits: strait_contract::Limits::default(),
    }
}

/// The shape that component tools give a plain module.
const TEMPLATE: &str = include_str!("guest.wat");
