//! What was decided on one link of a peer is not done on the next, however long the disk took.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use strait_engine::{Answer, Command, PeerLink};
use strait_log::{Epoch, EventStore, MemoryDisk, MemoryStore, Record, Snapshot, StoreError};
use strait_net::{Address, Events, Frame, Handle, Identity, Net, NetEvent};
use strait_primitives::{EventSeq, NodeId};
use strait_wire::{Fault, FaultCode, Hello, Message, Note};
use tokio::sync::oneshot;

use crate::node::{Choices, Node, soon, start_on};

/// Whether writes get through, and how many wait.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<(Passage, usize)>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Passage {
    #[default]
    Open,
    Shut,
}

impl Gate {
    fn set(&self, passage: Passage) {
        self.state.lock().unwrap().0 = passage;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        state = self.changed.wait_while(state, |state| state.0 == Passage::Shut).unwrap();
        state.1 -= 1;
    }

    fn is_waited_at(&self) -> bool {
        self.state.lock().unwrap().1 > 0
    }
}

/// A disk that takes as long as the test wants.
struct SlowStore(MemoryStore, Arc<Gate>);

impl EventStore for SlowStore {
    fn epoch(&self) -> Epoch {
        self.0.epoch()
    }

    fn head(&self) -> EventSeq {
        self.0.head()
    }

    fn append_batch(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.1.pass();
        self.0.append_batch(records)
    }

    fn read_from(&self, from: EventSeq, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.0.read_from(from, limit)
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.0.put_snapshot(snapshot)
    }

    fn latest_snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        self.0.latest_snapshot()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.0.size_bytes()
    }
}

/// A peer that says what the test wants.
struct Peer {
    net: Handle,
    events: Events,
    /// The node's id and address.
    node: (NodeId, Address),
    _stop: oneshot::Sender<()>,
}

impl Peer {
    async fn of(node: &Node) -> Self {
        let identity = Identity::from_secret([9; 32]).unwrap();
        let options = strait_net::Options::new(identity, Vec::new());
        let (service, net, events) = Net::bind(options).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(service.run(async {
            let _ = stopped.await;
        }));
        let address = node.net.listen_addresses().swap_remove(0);
        Self { net, events, node: (node.net.node_id(), address), _stop: stop }
    }

    async fn connect(&mut self) {
        let (node, address) = self.node.clone();
        soon(self.net.connect(node, address)).await.unwrap();
        let event = soon(self.events.next()).await;
        assert!(matches!(event, Some(NetEvent::Connected { .. })), "{event:?}");
    }

    fn say(&self, message: impl Into<Message>) {
        let frame = Frame::new(message.into().to_frame()).unwrap();
        self.net.send(self.node.0, frame).unwrap();
    }

    /// The next that the node says; no link may end before.
    async fn hear(&mut self) -> Message {
        match soon(self.events.next()).await {
            Some(NetEvent::Frame { frame, .. }) => {
                Message::from_frame(frame.as_bytes()).unwrap().unwrap()
            }
            other => panic!("the node says nothing: {other:?}"),
        }
    }

    async fn hear_greeting(&mut self) -> Hello {
        let heard = self.hear().await;
        let Message::Hello(hello) = heard else { panic!("no greeting: {heard:?}") };
        hello
    }
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    soon(async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Goal: a fault and the end of a connection that were decided on one link leave the next alone. Method: while a write
/// hangs, a peer breaks a rule, hangs up and comes back; then the write ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_on_a_link_that_was_replaced_is_neither_said_nor_done_on_the_next() {
    let gate = Arc::<Gate>::default();
    let store = SlowStore(MemoryDisk::new().open(), Arc::clone(&gate));
    let node = start_on(Box::new(store), Choices::default()).await;
    let mut peer = Peer::of(&node).await;
    peer.connect().await;
    peer.hear_greeting().await;

    gate.set(Passage::Shut);
    let handle = node.runtime.handle();
    let asked = tokio::spawn(async move { soon(handle.ask(Command::NewAddress)).await });
    until(async || gate.is_waited_at()).await;
    let nothing = Note::cut("nothing was wrong yet");
    peer.say(Fault { channel: None, code: FaultCode::Refused, note: nothing });
    let received = || node.net.counters().frames_in;
    until(async || received() == 1).await;
    peer.net.disconnect(peer.node.0).unwrap();
    let event = soon(peer.events.next()).await;
    assert!(matches!(event, Some(NetEvent::Disconnected { .. })), "{event:?}");
    peer.connect().await;
    until(async || node.net.counters().links_opened == 2).await;

    gate.set(Passage::Open);
    asked.await.unwrap().unwrap();
    let hello = peer.hear_greeting().await;
    peer.say(hello);
    until(async || {
        let answer = soon(node.runtime.handle().ask(Command::Peers)).await.unwrap();
        let Answer::Peers(peers) = answer else { panic!("{answer:?}") };
        peers.iter().any(|known| known.link == PeerLink::Connected)
    })
    .await;
    assert!(peer.net.is_connected(peer.node.0), "what ended the old link spares the new one");
    node.stop().await;
}
