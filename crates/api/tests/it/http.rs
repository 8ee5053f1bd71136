//! A server in front of a scripted node, and a caller that writes its requests by hand.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use strait_api::scripted::ScriptedNode;
use strait_api::token::Token;
use strait_api::{
    Admission, AdmissionSettings, Answered, AuditLog, Listen, OnAnswer, Options, Server,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The token of every test.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A running server.
pub(crate) struct Running {
    pub(crate) node: Arc<ScriptedNode>,
    pub(crate) address: SocketAddr,
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    pub(crate) admission: Arc<Admission>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::start_with(Duration::from_secs(20)).await
    }

    /// With an audit log.
    pub(crate) async fn start_audited(log: AuditLog) -> Self {
        Self::begin(Duration::from_secs(20), AdmissionSettings::default(), Some(log)).await
    }

    pub(crate) async fn start_with(answer_within: Duration) -> Self {
        Self::begin(answer_within, AdmissionSettings::default(), None).await
    }

    /// With both.
    pub(crate) async fn start_bounded(settings: AdmissionSettings, log: AuditLog) -> Self {
        Self::begin(Duration::from_secs(20), settings, Some(log)).await
    }

    pub(crate) async fn start_admitting(settings: AdmissionSettings) -> Self {
        Self::begin(Duration::from_secs(20), settings, None).await
    }

    async fn begin(
        answer_within: Duration,
        settings: AdmissionSettings,
        audit: Option<AuditLog>,
    ) -> Self {
        let listen = Listen::loopback((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let mut options = Options::new(listen, Token::parse(TOKEN).unwrap());
        options.answer_within = answer_within;
        let admission = Arc::new(Admission::new(settings));
        options.admission = Arc::clone(&admission);
        options.audit = audit;
        let told = Arc::new(Mutex::new(Vec::new()));
        let ledger = Arc::clone(&told);
        options.on_answer = OnAnswer::new(move |answered| {
            let Answered { route, method, status, refusal: _ } = answered;
            ledger.lock().unwrap().push(format!("{method} {route} {status}"));
        });
        let node = Arc::new(ScriptedNode::default());
        let server = Server::bind(options, Arc::clone(&node)).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async move {
            stopped.await.unwrap();
        }));
        Self { node, address, told, admission, stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    /// Sends a request with the token and these further header lines, and reads the answer to its end.
    pub(crate) async fn ask(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let authorization = format!("Authorization: Bearer {TOKEN}");
        let headers: Vec<&str> = headers.iter().copied().chain([authorization.as_str()]).collect();
        self.ask_bare(line, &headers, body).await
    }

    /// Sends a JSON body with an idempotency key.
    pub(crate) async fn post(&self, path: &str, key: &str, body: &str) -> Answer {
        let key = format!("Idempotency-Key: {key}");
        self.ask(&format!("POST {path}"), &[&key, "Content-Type: application/json"], body).await
    }

    /// Sends exactly these headers.
    pub(crate) async fn ask_bare(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = self.send(line, headers, body).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Answer::parse(&String::from_utf8(bytes).unwrap())
    }

    /// Sends a request and leaves the reading to the caller.
    pub(crate) async fn send(&self, line: &str, headers: &[&str], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = headers.iter().map(|line| format!("{line}\r\n")).collect::<String>();
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: node\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
        );
        // A server that refuses a large body may close before it has read all of it.
        let _closed_early = stream.write_all(request.as_bytes()).await;
        stream
    }
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The error's code, after checking that the body is a whole error.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        let text = |field: &str| json["error"][field].as_str().unwrap_or_default().to_owned();
        assert!(!text("message").is_empty() && !text("hint").is_empty(), "{}", self.body);
        text("code")
    }
}
