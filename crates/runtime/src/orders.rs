//! Transactions on their way from the writer's thread to the chain's.
//!
//! The engine repeats what is not mined yet, so an order replaces an older one for the same transaction, and where too
//! many wait, the oldest goes: what was decided last, on the newest blocks, is what counts.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bitcoin::{OutPoint, Transaction, Txid};

/// Orders that may wait: one for each of a side's locks in a hundred full commitments that are on chain at once. Most take
/// a few hundred bytes; and where the oldest went, it would go again with each block.
const ORDERS_MAX: usize = 10_000;

/// A transaction, or a parent and the child that pays for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// What the order is about: its first transaction, whichever child pays for it.
    about: Option<Txid>,
    pub(crate) transactions: Vec<Transaction>,
}

impl Order {
    fn new(transactions: Vec<Transaction>) -> Self {
        Self { about: transactions.first().map(Transaction::compute_txid), transactions }
    }
}

/// Orders in line, oldest first, none of them outdated.
#[derive(Debug, Default)]
pub(crate) struct Line {
    orders: VecDeque<Order>,
}

impl Line {
    /// Lets an order join the end.
    pub(crate) fn push(&mut self, order: Order) {
        self.orders.retain(|waiting| waiting.about != order.about);
        if self.orders.len() >= ORDERS_MAX {
            tracing::warn!("too many broadcasts wait; the oldest comes again with the next block");
            self.orders.pop_front();
        }
        self.orders.push_back(order);
    }

    /// Takes the first.
    pub(crate) fn pop(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// True if nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// Puts the first back to the front.
    pub(crate) fn put_back(&mut self, order: Order) {
        self.orders.push_front(order);
    }
}

/// What both ends share.
#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    line: Line,
    /// Outputs whose spends are looked for.
    looked_for: Vec<OutPoint>,
    is_closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A line is whole whenever the lock is free, even after a panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where orders go in. Dropping it ends the other side.
#[derive(Debug)]
pub(crate) struct Orders {
    shared: Arc<Shared>,
}

/// Where they come out.
#[derive(Debug)]
pub(crate) struct OrderTaker {
    shared: Arc<Shared>,
}

impl Orders {
    pub(crate) fn new() -> (Self, OrderTaker) {
        let shared = Arc::new(Shared::default());
        (Self { shared: Arc::clone(&shared) }, OrderTaker { shared })
    }

    /// Never waits.
    pub(crate) fn broadcast(&self, transactions: Vec<Transaction>) {
        let order = Order::new(transactions);
        self.shared.lock().line.push(order);
        self.shared.changed.notify_one();
    }
}

impl Orders {
    /// Looks for spends of these outputs from now on.
    pub(crate) fn look_for(&self, outputs: Vec<OutPoint>) {
        self.shared.lock().looked_for = outputs;
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_one();
    }
}

impl OrderTaker {
    /// The outputs whose spends are looked for now.
    pub(crate) fn looked_for(&self) -> Vec<OutPoint> {
        self.shared.lock().looked_for.clone()
    }

    /// Moves all waiting orders into a line; waits so long for the first. `None` if there is none and none will come.
    pub(crate) fn take(&self, patience: Duration, line: &mut Line) -> Option<()> {
        let waiting = self.shared.lock();
        let is_idle = |waiting: &mut Waiting| waiting.line.orders.is_empty() && !waiting.is_closed;
        let (mut waiting, _) = self
            .shared
            .changed
            .wait_timeout_while(waiting, patience, is_idle)
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.line.orders.is_empty() && waiting.is_closed {
            return None;
        }
        while let Some(order) = waiting.line.pop() {
            line.push(order);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::absolute::LockTime;
    use bitcoin::transaction::Version;

    use super::*;

    /// A transaction that differs from others by its number.
    fn numbered(number: u32) -> Transaction {
        let lock_time = LockTime::from_consensus(number);
        Transaction { version: Version::TWO, lock_time, input: Vec::new(), output: Vec::new() }
    }

    /// What comes out: the numbers of each order.
    fn told(taker: &OrderTaker) -> Option<Vec<Vec<u32>>> {
        let mut line = Line::default();
        taker.take(Duration::ZERO, &mut line)?;
        let number = |transaction: &Transaction| transaction.lock_time.to_consensus_u32();
        let numbers = |order: Order| order.transactions.iter().map(number).collect();
        Some(std::iter::from_fn(|| line.pop()).map(numbers).collect())
    }

    #[test]
    fn an_order_replaces_an_older_one_for_the_same_transaction() {
        let (orders, taker) = Orders::new();
        for numbers in [vec![1], vec![2], vec![1, 7], vec![3], vec![1, 8]] {
            orders.broadcast(numbers.into_iter().map(numbered).collect());
        }
        assert_eq!(told(&taker), Some(vec![vec![2], vec![3], vec![1, 8]]));
        assert_eq!(told(&taker), Some(vec![]));
    }

    #[test]
    fn where_too_many_wait_the_newest_stay() {
        let (orders, taker) = Orders::new();
        let many = u32::try_from(ORDERS_MAX).unwrap() + 10;
        for number in 0..many {
            orders.broadcast(vec![numbered(number)]);
        }
        let left = told(&taker).unwrap();
        assert_eq!(left.len(), ORDERS_MAX);
        assert_eq!(left.first().unwrap(), &[10]);
        assert_eq!(left.last().unwrap(), &[many - 1]);
    }

    #[test]
    fn what_was_ordered_before_the_end_still_comes_out() {
        let (orders, taker) = Orders::new();
        orders.broadcast(vec![numbered(1)]);
        drop(orders);
        assert_eq!(told(&taker), Some(vec![vec![1]]));
        assert_eq!(told(&taker), None);
    }
}
