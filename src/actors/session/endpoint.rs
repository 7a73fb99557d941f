//! The WebSocket end of one connection.
//!
//! Before the login a connection is this task and a nonce; afterwards it only
//! carries bytes between the socket and its session. It reads the next frame
//! when the session has taken the last one, so a fast sender waits, and it holds
//! at most one message of one peer.
//!
//! Every piece of data is followed by a ping that nobody can guess: its pong
//! shows that the peer has read so far ([`Unread`]). What the socket's buffers
//! have taken does not.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::Addr;
use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, BytesMut},
};
use actix_ws::{Item, Message, MessageStream, ProtocolError, Session};
use crowdfold_events::{
    Address, B256,
    wire::{Code, MAX_HANDSHAKE_BYTES, Resume},
};
use rand::RngCore;
use tokio::{sync::mpsc, time};

use super::{
    LoginCore, LoginStep, NodeIdentity, Origins, PluginSession, SessionConfig, SessionDirectory,
    budget::DataPermit,
    messages::{Connection, Heard, Incoming, LoggedIn, Outgoing},
};

/// Time for version negotiation and login.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Frames that may wait for the socket beyond those that can be sent again.
const QUEUE_SLACK: usize = 64;

/// What the handlers of `/plugin` share.
#[derive(Clone)]
pub struct Endpoint {
    identity: NodeIdentity,
    config: SessionConfig,
    directory: Addr<SessionDirectory>,
    max_connections: usize,
    connections: Arc<AtomicUsize>,
    next_id: Arc<AtomicU64>,
    origins: Arc<Origins>,
}

impl Endpoint {
    /// An endpoint for at most `max_connections` sockets at a time, from `origins`.
    #[must_use]
    pub fn new(
        identity: NodeIdentity,
        config: SessionConfig,
        directory: Addr<SessionDirectory>,
        max_connections: usize,
        origins: Origins,
    ) -> Self {
        let (connections, next_id) = (Arc::default(), Arc::default());
        Self { identity, config, directory, max_connections, connections, next_id, origins: Arc::new(origins) }
    }

    /// Room for one connection until the guard is dropped.
    fn enter(&self) -> Option<Entered> {
        let before = self.connections.fetch_add(1, Ordering::SeqCst);
        let entered = Entered(self.connections.clone());
        (before < self.max_connections).then_some(entered)
    }
}

struct Entered(Arc<AtomicUsize>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Adds the route `/plugin`.
pub fn configure(endpoint: Endpoint) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config.app_data(web::Data::new(endpoint)).route("/plugin", web::get().to(connect));
    }
}

async fn connect(
    request: HttpRequest,
    body: web::Payload,
    endpoint: web::Data<Endpoint>,
) -> Result<HttpResponse, actix_web::Error> {
    if !endpoint.origins.admit(request.headers()) {
        return Ok(HttpResponse::Forbidden().body("this origin may not connect as a plugin\n"));
    }
    let (response, session, stream) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(serve(endpoint.get_ref().clone(), Socket::new(session, stream)));
    Ok(response)
}

/// A socket whose messages are at most `limit` bytes: as many are held for a
/// message that is not whole yet, in however many fragments it comes.
struct Socket {
    session: Session,
    stream: MessageStream,
    limit: usize,
    /// The beginning of a message in fragments.
    partial: BytesMut,
}

impl Socket {
    /// Before the login, a stranger is listened to no longer than a handshake is.
    fn new(session: Session, stream: MessageStream) -> Self {
        let (limit, partial) = (MAX_HANDSHAKE_BYTES, BytesMut::new());
        Self { session, stream: stream.max_frame_size(limit), limit, partial }
    }

    /// After the login.
    fn with_limit(self, limit: usize) -> Self {
        Self { stream: self.stream.max_frame_size(limit), limit, ..self }
    }

    /// The next thing that matters; answers pings itself. What was heard of a
    /// message stays when this is dropped.
    async fn hear(&mut self) -> Heard {
        loop {
            return match self.stream.recv().await {
                Some(Ok(Message::Binary(bytes))) => Heard::Frame(bytes),
                Some(Ok(Message::Continuation(Item::FirstBinary(bytes) | Item::Continue(bytes)))) => {
                    if !self.grow(&bytes) {
                        return Heard::TooLong;
                    }
                    continue;
                }
                Some(Ok(Message::Continuation(Item::Last(bytes)))) => {
                    if self.grow(&bytes) {
                        Heard::Frame(self.partial.split().freeze())
                    } else {
                        Heard::TooLong
                    }
                }
                Some(Ok(Message::Text(_) | Message::Continuation(Item::FirstText(_)))) => Heard::NotBinary,
                Some(Ok(Message::Pong(data))) => Heard::Pong(data),
                Some(Ok(Message::Ping(data))) => match self.session.pong(&data).await {
                    Ok(()) => continue,
                    Err(_) => Heard::Gone,
                },
                Some(Ok(Message::Nop)) => continue,
                Some(Err(ProtocolError::Overflow)) => Heard::TooLong,
                Some(Ok(Message::Close(_)) | Err(_)) | None => Heard::Gone,
            };
        }
    }

    /// Takes a fragment, unless the message gets too long with it.
    fn grow(&mut self, bytes: &[u8]) -> bool {
        let fits = self.partial.len() + bytes.len() <= self.limit;
        if fits {
            self.partial.extend_from_slice(bytes);
        }
        fits
    }
}

async fn serve(endpoint: Endpoint, mut socket: Socket) {
    let mut nonce = B256::ZERO;
    rand::thread_rng().fill_bytes(nonce.as_mut_slice());
    let mut core = LoginCore::new(endpoint.identity.clone(), endpoint.config.limits.clone(), nonce);
    let entered = endpoint.enter();
    let login = if entered.is_none() {
        Err(Some(core.refuse(Code::NodeFull)))
    } else {
        match time::timeout(LOGIN_TIMEOUT, login(&mut socket, &mut core)).await {
            Ok(login) => login,
            Err(_) => Err(Some(core.refuse(Code::LoginTimeout))),
        }
    };
    let refused = match login {
        Ok((plugin, resume)) => {
            socket = socket.with_limit(endpoint.config.limits.max_frame_bytes as usize);
            match carry(&endpoint, &mut socket, plugin, resume).await {
                Ok(()) => None,
                Err(code) => Some(core.refuse(code)),
            }
        }
        Err(refused) => refused,
    };
    if let Some(LoginStep::Refuse(code, bytes)) = refused {
        tracing::debug!(%code, "login refused");
        if socket.session.binary(bytes).await.is_err() {
            return;
        }
    }
    if socket.session.close(None).await.is_err() {
        tracing::trace!("the peer closed first");
    }
}

/// Runs the login; an error carries the refusal to send, if anybody is there.
async fn login(socket: &mut Socket, core: &mut LoginCore) -> Result<(Address, Option<Resume>), Option<LoginStep>> {
    loop {
        let step = match socket.hear().await {
            Heard::Frame(bytes) => core.receive(&bytes),
            Heard::Pong(_) => continue,
            Heard::NotBinary => core.refuse(Code::NotBinary),
            Heard::TooLong => core.refuse(Code::FrameTooLong),
            Heard::Gone => return Err(None),
        };
        match step {
            LoginStep::Send(bytes) => socket.session.binary(bytes).await.map_err(|_| None)?,
            LoginStep::Done { plugin, resume } => return Ok((plugin, resume)),
            refused @ LoginStep::Refuse(..) => return Err(Some(refused)),
        }
    }
}

/// Carries bytes between the socket and the plugin's session until either ends.
async fn carry(endpoint: &Endpoint, socket: &mut Socket, plugin: Address, resume: Option<Resume>) -> Result<(), Code> {
    let limits = &endpoint.config.limits;
    let (sender, mut outgoing) = mpsc::channel(limits.max_unacknowledged as usize + QUEUE_SLACK);
    let connection = endpoint.next_id.fetch_add(1, Ordering::SeqCst);
    let asked = endpoint.directory.send(LoggedIn { plugin, resume, connection: Connection { id: connection, sender } });
    let session: Addr<PluginSession> = asked.await.unwrap_or(Err(Code::Unavailable))?;
    let silence = Duration::from_millis(u64::from(limits.silence_ms));
    let mut ping = time::interval(silence / 3);
    let mut unread = Unread::default();
    let tell = async |heard| session.send(Incoming { connection, heard }).await.is_ok();
    loop {
        tokio::select! {
            biased;
            out = outgoing.recv() => {
                let is_sent = match out {
                    Some(Outgoing::Frame(bytes)) => within(silence, socket.session.binary(bytes)).await,
                    Some(Outgoing::Data(bytes, permit)) => {
                        let ping = unread.ping(Some(permit));
                        within(silence, socket.session.binary(bytes)).await
                            && within(silence, socket.session.ping(&ping)).await
                    }
                    Some(Outgoing::Close) | None => return Ok(()),
                };
                if !is_sent {
                    tell(Heard::Gone).await;
                    return Ok(());
                }
            }
            heard = socket.hear() => {
                if let Heard::Pong(data) = &heard {
                    unread.pong(data);
                }
                let is_last = matches!(heard, Heard::Gone);
                if !tell(heard).await || is_last {
                    // The session may have said goodbye: send what is left.
                    while let Ok(Outgoing::Frame(bytes) | Outgoing::Data(bytes, _)) = outgoing.try_recv() {
                        if is_last || socket.session.binary(bytes).await.is_err() {
                            break;
                        }
                    }
                    return Ok(());
                }
            }
            _ = ping.tick() => {
                let is_reading = unread.age() < silence;
                if !is_reading || !within(silence, socket.session.ping(&unread.ping(None))).await {
                    tell(Heard::Gone).await;
                    return Ok(());
                }
            }
        }
    }
}

/// Whether the socket's queue takes something in time. A peer that reads nothing for so long is gone.
async fn within<E>(limit: Duration, sending: impl Future<Output = Result<(), E>>) -> bool {
    matches!(time::timeout(limit, sending).await, Ok(Ok(())))
}

/// Pings that were not answered, and the data sent before each.
#[derive(Default)]
struct Unread(VecDeque<(u64, time::Instant, Option<DataPermit>)>);

impl Unread {
    /// The payload of the next ping.
    fn ping(&mut self, permit: Option<DataPermit>) -> [u8; 8] {
        let nonce = rand::thread_rng().next_u64();
        self.0.push_back((nonce, time::Instant::now(), permit));
        nonce.to_be_bytes()
    }

    /// Everything up to the ping that is answered was read: a peer may answer only the last of several.
    fn pong(&mut self, data: &[u8]) {
        if let Some(at) = self.0.iter().position(|(nonce, ..)| nonce.to_be_bytes() == *data) {
            self.0.drain(..=at);
        }
    }

    /// How long the oldest ping has been unanswered.
    fn age(&self) -> Duration {
        self.0.front().map_or(Duration::ZERO, |(_, at, _)| at.elapsed())
    }
}
