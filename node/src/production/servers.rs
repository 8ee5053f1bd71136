//! The tasks beside the runtime: network, API, health. Each ends when it is told to; one that ends unasked is missed.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Servers {
    running: Vec<Running>,
}

/// One of them, until it has ended.
#[derive(Debug)]
struct Running {
    name: &'static str,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Resolves when a server is to stop.
pub(super) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Servers {
    /// Runs a server that stops when the future it is given resolves.
    pub(super) fn run<S>(&mut self, name: &'static str, server: impl FnOnce(Stop) -> S)
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        // If the sender is gone, so is the node.
        let task = tokio::spawn(server(Box::pin(async move { drop(stopped.await) })));
        self.running.push(Running { name, stop, task });
    }

    /// Waits until one ends that nobody told to, and says which. Safe to cancel.
    pub(super) async fn ended(&mut self) -> &'static str {
        poll_fn(|cx| {
            let tasks = self.running.iter_mut();
            let mut ended = tasks.map(|server| Pin::new(&mut server.task).poll(cx).is_ready());
            let Some(place) = ended.position(|ended| ended) else { return Poll::Pending };
            Poll::Ready(self.running.swap_remove(place).name)
        })
        .await
    }

    /// Stops one, and waits until it has; at once if it has ended.
    pub(super) async fn stop(&mut self, name: &'static str) {
        let Some(place) = self.running.iter().position(|server| server.name == name) else {
            return;
        };
        let Running { stop, task, .. } = self.running.swap_remove(place);
        // One that has ended needs no telling, and one that panicked has stopped as well.
        let _ = stop.send(());
        let _ = task.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_dies_is_named_and_the_others_stop_when_told() {
        let mut servers = Servers::default();
        servers.run("steady", |stop| stop);
        servers.run("faulty", |_stop| async { panic!("a fault") });
        assert_eq!(servers.ended().await, "faulty");
        servers.stop("faulty").await;
        servers.stop("steady").await;
        assert!(servers.running.is_empty());
    }
}
