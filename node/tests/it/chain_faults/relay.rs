//! A relay on loopback in front of an RPC server, whose mood a test can turn.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a relay does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It passes on what comes.
    Through,
    /// It closes them at once.
    Closing,
    /// It takes them, and says nothing.
    Silent,
    /// It answers what no bitcoind would.
    Nonsense,
    /// It takes no more.
    Ended,
}

/// What the relay's threads share.
struct Shared {
    mood: Mood,
    /// Connections that the next turn ends.
    open: Vec<TcpStream>,
}

/// The relay; it ends when dropped.
pub(crate) struct Relay {
    port: u16,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Stands in front of `http://host:port`, and passes on.
    pub(crate) fn start(url: &str) -> Self {
        let target = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared { mood: Mood::Through, open: Vec::new() }));
        let seen = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if !take(stream, &target, &mut lock(&seen)) {
                    return;
                }
            }
        });
        Self { port, shared, thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on it is in this mood; connections of before are closed.
    pub(crate) fn turn(&self, mood: Mood) {
        let mut shared = lock(&self.shared);
        shared.mood = mood;
        for stream in shared.open.drain(..) {
            // The other side may have closed it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.turn(Mood::Ended);
        // It wakes up to see that it has ended.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap()
}

/// Deals with a new connection; false if it was the last.
fn take(stream: TcpStream, target: &str, shared: &mut Shared) -> bool {
    match shared.mood {
        Mood::Through => {
            let Ok(server) = TcpStream::connect(target) else { return true };
            for (from, to) in [(&stream, &server), (&server, &stream)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || {
                    // A connection that breaks ends like one that is closed.
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
            shared.open.extend([stream, server]);
        }
        Mood::Closing => drop(stream),
        Mood::Silent => shared.open.push(stream),
        Mood::Nonsense => drop(thread::spawn(move || talk_nonsense(stream))),
        Mood::Ended => return false,
    }
    true
}

/// Reads one request and answers it with a web page.
fn talk_nonsense(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 1_024];
    while !request.ends_with(b"}") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
    }
    // Whoever asked may have gone.
    let _ = stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: close\r\n\r\n<html>hello</html>",
    );
}

/// What a server of loopback answers to a `GET`; `None` if it does not.
pub(crate) fn asked(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
