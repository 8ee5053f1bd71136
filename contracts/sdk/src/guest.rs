//! What only a guest needs: the binding to the WIT interface, an allocator, and the end of a panic.

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::marker::PhantomData;

use self::bindings::exports::strait::contract::contract as wit;
use crate::{Call, Collateral, Contract, Division, Finality, Lock, Party, Refusal};

#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "guest",
        pub_export_macro: true,
        default_bindings_module: "strait_contract_sdk::bindings",
    });
}

/// Carries a [`Contract`] to the generated trait.
#[doc(hidden)]
#[derive(Debug)]
pub struct Adapter<C>(PhantomData<C>);

impl<C: Contract> wit::Guest for Adapter<C> {
    fn init(collateral: wit::Collateral, params: Vec<u8>) -> Result<Vec<u8>, wit::Refusal> {
        let wit::Collateral { first_msat, second_msat } = collateral;
        C::init(Collateral { first_msat, second_msat }, &params).map_err(wit::Refusal::from)
    }

    fn apply(
        state: Vec<u8>,
        who: wit::Party,
        action: Vec<u8>,
        height: u32,
    ) -> Result<Vec<u8>, wit::Refusal> {
        let who = match who {
            wit::Party::First => Party::First,
            wit::Party::Second => Party::Second,
        };
        C::apply(&state, Call { who, action: &action, height }).map_err(wit::Refusal::from)
    }

    fn outcome(state: Vec<u8>) -> wit::Division {
        C::outcome(&state).into()
    }
}

impl From<Refusal> for wit::Refusal {
    fn from(Refusal { code, reason }: Refusal) -> Self {
        Self { code, reason }
    }
}

impl From<Division> for wit::Division {
    fn from(division: Division) -> Self {
        Self {
            first_msat: division.first_msat,
            second_msat: division.second_msat,
            locks: division.locks.into_iter().map(wit::Lock::from).collect(),
            finality: match division.finality {
                Finality::Open => wit::Finality::Open,
                Finality::Final => wit::Finality::Final,
            },
        }
    }
}

impl From<Lock> for wit::Lock {
    fn from(lock: Lock) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(lock.payment_hash.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        let [a, b, c, d] = words;
        Self {
            offered_by: match lock.offered_by {
                Party::First => wit::Party::First,
                Party::Second => wit::Party::Second,
            },
            amount_msat: lock.amount_msat,
            payment_hash: wit::PaymentHash { a, b, c, d },
            expiry: lock.expiry,
        }
    }
}

/// Hands out memory from the end of what the module has and never takes any back: an instance lives for one call.
struct Bump {
    /// The next free address; 0 before the first allocation.
    next: UnsafeCell<usize>,
}

/// Bytes of a WebAssembly page.
const PAGE_BYTES: usize = 65_536;

unsafe extern "C" {
    /// Where the linker says that data and stack end; only its address means anything.
    static __heap_base: u8;
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { next: UnsafeCell::new(0) };

// SAFETY: a contract is admitted only without threads, so nothing is ever shared between two of them.
unsafe impl Sync for Bump {}

// SAFETY: every block lies between the heap's base and the end of memory, is aligned as asked, and is never handed out
// twice, because `next` only grows.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: there is one thread, and this function does not call itself.
        let next = unsafe { &mut *self.next.get() };
        if *next == 0 {
            *next = (&raw const __heap_base).addr();
        }
        let Some(start) = next.checked_next_multiple_of(layout.align()) else {
            return core::ptr::null_mut();
        };
        let Some(end) = start.checked_add(layout.size()) else { return core::ptr::null_mut() };
        let have = core::arch::wasm32::memory_size(0).saturating_mul(PAGE_BYTES);
        if end > have {
            let missing = end.saturating_sub(have).div_ceil(PAGE_BYTES);
            if core::arch::wasm32::memory_grow(0, missing) == usize::MAX {
                return core::ptr::null_mut();
            }
        }
        *next = end;
        core::ptr::with_exposed_provenance_mut(start)
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
