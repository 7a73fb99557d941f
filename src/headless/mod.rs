//! The headless prover: [`crowdfold_prover::ProverCore`] with a WebSocket, a
//! clock and threads.
//!
//! One task owns the core and the socket; each proof runs on tokio's blocking
//! pool, at most `lanes` at a time. What a proof is, is [`ProveWork`]'s matter.
//!
//! Only `ws://` is spoken: put a proxy in front for TLS.

mod alone;
mod real;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy_primitives::Bytes;
use crowdfold_events::{
    Address, B256, Height, Signer, TaskId,
    event::TaskKind,
    wire::{Code, MAX_FRAME_BYTES},
    work,
};
use crowdfold_prover::{Action, Outcome, ProverConfig, ProverCore, ProverEvent, WorkError};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

pub use alone::fetch_alone;
pub use real::RealWork;

/// Time for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the node to take one frame.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Nonces tried between two looks at the stop flag.
const SOLVE_STEP: u64 = 1 << 14;

/// One task to prove.
#[derive(Clone, Debug)]
pub struct Work {
    /// The task.
    pub task: TaskId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What it is about.
    pub kind: TaskKind,
    /// Proof segments.
    pub segments: u32,
    /// Canonical bytes of the prover's input.
    pub package: Bytes,
    /// The plugin that proves and is paid.
    pub worker: Address,
}

/// How a running proof talks to its prover.
#[derive(Clone, Debug)]
pub struct Progress {
    task: TaskId,
    cancelled: Arc<AtomicBool>,
    reports: mpsc::Sender<(TaskId, u16)>,
}

impl Progress {
    /// Says how much is done, in thousandths. Never waits; may be dropped.
    pub fn report(&self, permille: u16) {
        // A full queue means that newer reports are on their way.
        self.reports.try_send((self.task, permille)).unwrap_or_default();
    }

    /// Whether the result is no longer wanted.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// What makes proofs. Called on blocking threads, `lanes` at a time.
pub trait ProveWork: Send + Sync + 'static {
    /// The canonical proof of a task's statement.
    fn run(&self, work: Work, progress: &Progress) -> Result<Vec<u8>, WorkError>;
}

enum Request {
    Stop,
    Fetch(B256, oneshot::Sender<Result<Vec<u8>, Code>>),
}

/// Talks to a running prover.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
}

impl Handle {
    /// Asks to leave; a second call hurries. Without effect when it has left.
    pub async fn stop(&self) {
        self.requests.send(Request::Stop).await.unwrap_or_default();
    }

    /// Data by its keccak-256 from the node, checked; `Unavailable` when the
    /// prover has left.
    pub async fn fetch(&self, digest: B256) -> Result<Vec<u8>, Code> {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request::Fetch(digest, reply)).await.is_err() {
            return Err(Code::Unavailable);
        }
        answer.await.unwrap_or(Err(Code::Unavailable))
    }
}

/// What happens inside, for display.
pub type OnEvent = Box<dyn FnMut(ProverEvent) + Send>;

/// A prover that has not started.
pub struct HeadlessProver {
    url: String,
    core: ProverCore,
    work: Arc<dyn ProveWork>,
    on_event: OnEvent,
    requests: mpsc::Receiver<Request>,
    started: Instant,
}

impl HeadlessProver {
    /// A prover for the node at `url` (`ws://host:port/plugin`), and its handle.
    #[must_use]
    pub fn new(
        url: String,
        config: ProverConfig,
        signer: Signer,
        work: Arc<dyn ProveWork>,
        on_event: OnEvent,
    ) -> (Self, Handle) {
        let (sender, requests) = mpsc::channel(16);
        let core = ProverCore::new(config, signer, 0);
        (Self { url, core, work, on_event, requests, started: Instant::now() }, Handle { requests: sender })
    }

    /// Runs until it is stopped or refused for good.
    pub async fn run(self) -> Outcome {
        let (reports, progress) = mpsc::channel(64);
        let (results, done) = mpsc::channel(64);
        let shell = Shell {
            url: self.url,
            plugin: self.core.plugin(),
            core: self.core,
            work: self.work,
            on_event: self.on_event,
            started: self.started,
            socket: None,
            reports,
            results,
            cancels: BTreeMap::new(),
            fetches: BTreeMap::new(),
            solving: Arc::default(),
        };
        shell.run(self.requests, progress, done).await
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a blocking thread brings back.
enum Done {
    Work { task: TaskId, attempt: u32, result: Result<Vec<u8>, WorkError> },
    Registration { height: Height, nonce: u64 },
}

struct Shell {
    url: String,
    plugin: Address,
    core: ProverCore,
    work: Arc<dyn ProveWork>,
    on_event: OnEvent,
    started: Instant,
    socket: Option<Socket>,
    reports: mpsc::Sender<(TaskId, u16)>,
    results: mpsc::Sender<Done>,
    cancels: BTreeMap<(TaskId, u32), Arc<AtomicBool>>,
    fetches: BTreeMap<B256, Vec<oneshot::Sender<Result<Vec<u8>, Code>>>>,
    /// Set when a search for a hashcash is no longer wanted.
    solving: Arc<AtomicBool>,
}

impl Shell {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut progress: mpsc::Receiver<(TaskId, u16)>,
        mut done: mpsc::Receiver<Done>,
    ) -> Outcome {
        let mut has_handle = true;
        loop {
            if let Some(outcome) = self.settle().await {
                self.solving.store(true, Ordering::Relaxed);
                self.cancels.values().for_each(|flag| flag.store(true, Ordering::Relaxed));
                return outcome;
            }
            let wakeup = self.core.next_wakeup_ms().unwrap_or(u64::MAX / 4);
            let at = self.started + Duration::from_millis(wakeup.min(self.now_ms() + 3_600_000));
            tokio::select! {
                message = hear(&mut self.socket) => self.heard(message),
                Some(finished) = done.recv() => {
                    let now = self.now_ms();
                    match finished {
                        Done::Work { task, attempt, result } => {
                            self.cancels.remove(&(task, attempt));
                            self.core.finished(now, task, attempt, result);
                        }
                        Done::Registration { height, nonce } => self.core.registration_solved(now, height, nonce),
                    }
                }
                Some((task, permille)) = progress.recv() => {
                    let now = self.now_ms();
                    self.core.progress(now, task, permille);
                }
                request = requests.recv(), if has_handle => match request {
                    Some(Request::Stop) => self.core.stop(self.now_ms()),
                    Some(Request::Fetch(digest, reply)) => {
                        self.fetches.entry(digest).or_default().push(reply);
                        self.core.fetch(self.now_ms(), digest);
                    }
                    None => has_handle = false,
                },
                () = sleep_until(at) => {
                    let now = self.now_ms();
                    self.core.tick(now);
                }
            }
        }
    }

    fn heard(&mut self, message: Option<Message>) {
        let now = self.now_ms();
        match message {
            Some(Message::Binary(bytes)) => self.core.receive(now, &bytes),
            Some(Message::Ping(_) | Message::Pong(_)) => self.core.heard(now),
            Some(_) | None => {
                self.socket = None;
                self.core.disconnected(now);
            }
        }
    }

    /// Does what the core asks for; the outcome when that was the end.
    async fn settle(&mut self) -> Option<Outcome> {
        loop {
            let actions = self.core.actions();
            if actions.is_empty() {
                return None;
            }
            for action in actions {
                match action {
                    Action::Connect => self.connect().await,
                    Action::Send(bytes) => self.send(bytes).await,
                    Action::Disconnect => self.disconnect().await,
                    Action::StartWork { task, attempt, kind, segments, package } => {
                        let worker = self.plugin;
                        self.start(Work { task, attempt, kind, segments, package, worker });
                    }
                    Action::CancelWork { task, attempt } => {
                        if let Some(flag) = self.cancels.get(&(task, attempt)) {
                            flag.store(true, Ordering::Relaxed);
                        }
                    }
                    Action::SolveRegistration { chain_id, plugin, height, block_hash, expected } => {
                        self.solve(chain_id, plugin, height, block_hash, expected);
                    }
                    Action::Data { digest, result } => {
                        for reply in self.fetches.remove(&digest).unwrap_or_default() {
                            // Whoever asked may have gone.
                            reply.send(result.clone()).unwrap_or_default();
                        }
                    }
                    Action::Event(event) => {
                        // There is one node to turn to.
                        let is_over = matches!(event, ProverEvent::WrongChain { .. });
                        (self.on_event)(event);
                        if is_over {
                            self.disconnect().await;
                            return Some(Outcome::WrongChain);
                        }
                    }
                    Action::Finished(outcome) => return Some(outcome),
                }
            }
        }
    }

    async fn connect(&mut self) {
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_FRAME_BYTES)).max_frame_size(Some(MAX_FRAME_BYTES));
        let connecting = connect_async_with_config(self.url.as_str(), Some(config), true);
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok((socket, _))) => {
                self.socket = Some(socket);
                self.core.connected(self.now_ms());
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, url = self.url, "no connection");
                self.core.disconnected(self.now_ms());
            }
            Err(_) => self.core.disconnected(self.now_ms()),
        }
    }

    async fn send(&mut self, bytes: Vec<u8>) {
        let Some(socket) = &mut self.socket else { return };
        let sent = timeout(SEND_TIMEOUT, socket.send(Message::Binary(bytes.into()))).await;
        if !matches!(sent, Ok(Ok(()))) {
            self.socket = None;
            self.core.disconnected(self.now_ms());
        }
    }

    async fn disconnect(&mut self) {
        let Some(mut socket) = self.socket.take() else { return };
        // What the node still sends is read until it closes too: a socket dropped with unread bytes is reset,
        // and a reset takes our last frames with it.
        let farewell = async {
            if socket.close(None).await.is_ok() {
                while let Some(Ok(_)) = socket.next().await {}
            }
        };
        if timeout(Duration::from_secs(1), farewell).await.is_err() {
            tracing::trace!("the node does not answer the close");
        }
    }

    fn start(&mut self, work: Work) {
        let (task, attempt) = (work.task, work.attempt);
        let cancelled = Arc::<AtomicBool>::default();
        self.cancels.insert((task, attempt), cancelled.clone());
        let progress = Progress { task, cancelled, reports: self.reports.clone() };
        let (prove, results) = (self.work.clone(), self.results.clone());
        tokio::task::spawn_blocking(move || {
            let proof = catch_unwind(AssertUnwindSafe(|| prove.run(work, &progress)));
            let result = proof.unwrap_or_else(|_| Err(WorkError::Failed("the prover panicked".to_owned())));
            // Nobody listens when the prover has left.
            results.blocking_send(Done::Work { task, attempt, result }).unwrap_or_default();
        });
    }

    fn solve(&mut self, chain_id: u64, plugin: Address, height: Height, block_hash: B256, expected: u64) {
        self.solving.store(true, Ordering::Relaxed);
        let cancelled = Arc::<AtomicBool>::default();
        self.solving = cancelled.clone();
        let results = self.results.clone();
        tokio::task::spawn_blocking(move || {
            let mut start = 0u64;
            while !cancelled.load(Ordering::Relaxed) {
                if let Some(nonce) = work::solve(chain_id, plugin, block_hash, expected, start, SOLVE_STEP) {
                    results.blocking_send(Done::Registration { height, nonce }).unwrap_or_default();
                    return;
                }
                start = start.wrapping_add(SOLVE_STEP);
            }
        });
    }
}

/// The next message; `None` when the connection is gone. Waits for ever without one.
async fn hear(socket: &mut Option<Socket>) -> Option<Message> {
    match socket {
        Some(socket) => socket.next().await.and_then(Result::ok),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
