//! How the parts of the runtime tell that they have ended, so that a node never goes on without one of them.
//!
//! Every thread and task holds a [`Guard`] for as long as it works. What ends in good order says so; what panics does
//! not get to, and the guard says it instead. The first word counts: the others end as its consequence.

use tokio::sync::mpsc;

use crate::service::Halt;

/// Where ends are told.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    sender: mpsc::UnboundedSender<Halt>,
}

/// Tells the end of its thread or task when dropped, unless that ended in good order.
#[derive(Debug)]
pub(crate) struct Guard {
    ends: Ends,
    thread: &'static str,
    told: Told,
}

/// Whether a guard still has something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Everything,
}

impl Ends {
    /// A place for ends, and the one who hears of them. Bounded by the number of guards.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Halt>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender }, receiver)
    }

    /// Watches over the thread or task that holds the guard.
    pub(crate) fn guard(&self, thread: &'static str) -> Guard {
        Guard { ends: self.clone(), thread, told: Told::Nothing }
    }
}

impl Guard {
    /// The node must stop, and why.
    pub(crate) fn halt(&mut self, halt: Halt) {
        self.told = Told::Everything;
        // Nobody may be left to hear it: then the process is ending already.
        let _ = self.ends.sender.send(halt);
    }

    /// It ended because it was told to, or because another part ended, which has its own guard.
    pub(crate) fn end_in_order(mut self) {
        self.told = Told::Everything;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.told == Told::Nothing {
            self.halt(Halt::Thread { thread: self.thread });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_that_panics_is_told_and_one_that_ends_in_order_is_not() {
        let (ends, mut halted) = Ends::new();
        let (faulty, orderly) = (ends.guard("engine"), ends.guard("chain"));
        let died = thread::spawn(move || {
            let _guard = faulty;
            panic!("a fault");
        });
        assert!(died.join().is_err());
        thread::spawn(move || orderly.end_in_order()).join().unwrap();
        drop(ends);
        let told = halted.blocking_recv();
        assert!(matches!(told, Some(Halt::Thread { thread: "engine" })), "{told:?}");
        assert!(halted.blocking_recv().is_none());
    }
}
