//! A relay on loopback in front of a server, whose mood a run can turn.
//!
//! It stands between a node and its chain. What passes is not looked at.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a relay does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It passes on what comes.
    Through,
    /// It closes what there is and what comes.
    Closing,
    /// It closes what there is, takes what comes, and says nothing.
    Silent,
}

/// A relay; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    mood: watch::Sender<Mood>,
    /// Dropped with it.
    listening: tokio::task::JoinHandle<()>,
}

impl Relay {
    /// Stands in front of `host:port`, and passes on.
    pub(crate) async fn start(target: String) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("a relay has no port to listen on")?;
        let port = listener.local_addr()?.port();
        let (mood, turned) = watch::channel(Mood::Through);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream, target.clone(), turned.clone()));
            }
        });
        Ok(Self { port, mood, listening })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// From now on it is in this mood; connections of before are closed.
    pub(crate) fn turn(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Deals with one connection until the mood turns.
async fn carry(mut stream: TcpStream, target: String, mut turned: watch::Receiver<Mood>) {
    let mood = *turned.borrow_and_update();
    let passed_on = async {
        match mood {
            Mood::Through => {
                if let Ok(mut server) = TcpStream::connect(&target).await {
                    // A connection that breaks ends like one that is closed.
                    drop(copy_bidirectional(&mut stream, &mut server).await);
                }
            }
            Mood::Closing => {}
            Mood::Silent => core::future::pending::<()>().await,
        }
    };
    tokio::select! {
        () = passed_on => {}
        // The sender is dropped with the relay.
        _ = turned.changed() => {}
    }
}
